"""Where members live: what each device of a run holds, decided here alone.

Several devices, of one process or of many, hold as many whole members each, from one cycle to the
next, and work on those; means and what is small are everywhere. Members move when they are chosen
(`take`) and where an analysis combines them, each device at some points (`share_points`). On one
device none of this does anything.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree

from dabench.core import processes
from dabench.core.types import Members

EVERYWHERE, BY_MEMBER = PartitionSpec(), PartitionSpec("member")
BY_BLOCK, BY_UNIT = (PartitionSpec(*(None,) * axis, ("member", "copy")) for axis in (0, 3))
"""The first, and the fourth axis over all devices."""


def available() -> list:
    """All devices, those of other processes too."""
    return jax.devices()


def mesh(members: int) -> Mesh | None:
    """Devices by (member, copy): as many equal parts as can be, each held by some of them.

    These divide its work. None: there is one device, or it is one device's own work (`share`).
    """
    devices = available()
    if len(devices) == 1 or jax.sharding.get_abstract_mesh().manual_axes:
        return None
    parts = math.gcd(members, len(devices))
    shape, kinds = (parts, len(devices) // parts), (AxisType.Auto, AxisType.Auto)
    return jax.make_mesh(shape, ("member", "copy"), kinds, devices=devices)


def members_per_device(members: int) -> int:
    """How many of them a device holds."""
    devices = mesh(members)
    return members // (devices.shape["member"] if devices else 1)


# --- within a compiled step ----------------------------------------------------------------------


def share(f: Callable[[Any], Any], members: PyTree) -> PyTree:
    """f of all members, each device working on those that it holds.

    Arguments:
        f: Of any number of members, each of which depends on itself alone.
    """
    n = len(jax.tree.leaves(members)[0])
    devices = mesh(n)
    if devices is None:
        return f(members)
    shared = jax.shard_map(
        partial(_divide, f, members_per_device(n), devices.shape["copy"]),
        mesh=devices,
        in_specs=BY_MEMBER,
        out_specs=BY_MEMBER,
        check_vma=False,
    )
    return shared(members)


def _divide(f: Callable[[Any], Any], held: int, copies: int, members: PyTree) -> PyTree:
    """f of the members of a part, divided among the devices that hold it; some repeat the last."""
    if copies == 1:
        return f(members)
    each = -(-held // copies)
    index = jnp.minimum(jax.lax.axis_index("copy") * each + jnp.arange(each), held - 1)
    done = f(jax.tree.map(lambda a: a[index], members))
    return jax.tree.map(lambda a: jax.lax.all_gather(a, "copy", tiled=True)[:held], done)


def take(members: PyTree, ancestor: Int[Array, "member"]) -> PyTree:
    """Members by number, each to where its slot lives.

    They are turned so that every device has a part of all members, chosen there, and turned back:
    two exchanges that never hold more than a device's share, whatever the ancestors.
    """
    devices = mesh(len(ancestor))

    def choose(a: Array) -> Array:
        if devices is None:
            return a[ancestor]
        turned = _constrain(a.reshape(len(a), -1), devices, PartitionSpec(None, "member"))
        chosen = _constrain(turned[ancestor], devices, BY_MEMBER)
        return chosen.reshape(a.shape)

    return jax.tree.map(choose, members)


def gather(members: PyTree) -> PyTree:
    """Values of members, the same on every device."""
    devices = mesh(len(jax.tree.leaves(members)[0]))
    if devices is None:
        return members
    return jax.tree.map(lambda a: _constrain(a, devices, EVERYWHERE), members)


def parts() -> int:
    """How many devices `share_points`."""
    devices = mesh(1)
    return devices.size if devices else 1


def share_points(f: Callable[..., Any], states: PyTree, blocks: PyTree, given: PyTree) -> Any:
    """f(states, blocks, given) -> (states, results), each device at some points of all members.

    The states are turned to where their points are worked on, and back: two exchanges that never
    hold more than a device's share.

    Arguments:
        states: Trees of (member, frame, channel, unit, point), whose units `parts` divides.
        blocks: Trees of (block, ...), as many for each device, in the order of units; as `results`.
        given: What every device has whole.
    """
    n = len(jax.tree.leaves(states)[0])
    devices = mesh(n)
    if devices is None:
        return f(states, blocks, given)
    shared = jax.shard_map(
        f,
        mesh=devices,
        in_specs=(BY_UNIT, BY_BLOCK, EVERYWHERE),
        out_specs=(BY_UNIT, BY_BLOCK),
        check_vma=False,
    )
    turned = jax.tree.map(lambda a: _constrain(a, devices, BY_UNIT), states)
    moved, results = shared(turned, blocks, given)
    moved = jax.tree.map(lambda a: _constrain(a, devices, BY_MEMBER), moved)
    return moved, jax.tree.map(lambda a: _constrain(a, devices, EVERYWHERE), results)


def _constrain(a: Array, devices: Mesh, spec: PartitionSpec) -> Array:
    return jax.lax.with_sharding_constraint(a, NamedSharding(devices, spec))


# --- between steps -------------------------------------------------------------------------------


def specs(carry: PyTree) -> PyTree:
    """What is held by member: x, and all that has its shape."""
    shape = carry.x.shape
    return jax.tree.map(lambda a: BY_MEMBER if a.shape == shape else EVERYWHERE, carry)


def jit(
    f: Callable[..., Any],
    members: int,
    outputs: PyTree = EVERYWHERE,
    inputs: PyTree = None,
    donate: tuple[int, ...] = (),
) -> Any:
    """`jax.jit`, with results where they belong.

    Arguments:
        outputs, inputs: Specs, or prefixes of them. No `inputs`: these are where they belong.
        donate: Arguments whose memory may serve the results.
    """
    devices = mesh(members)
    if devices is None:
        return jax.jit(f, donate_argnums=donate)
    given = {} if inputs is None else {"in_shardings": _shardings(devices, inputs)}
    where = _shardings(devices, outputs)
    return jax.jit(f, out_shardings=where, donate_argnums=donate, **given)


def _shardings(devices: Mesh, specs: PyTree) -> PyTree:
    return jax.tree.map(lambda spec: NamedSharding(devices, spec), specs)


def place(tree: PyTree, members: int, specs: PyTree = EVERYWHERE) -> PyTree:
    """Arrays that every process has, as arrays of all devices."""
    devices = mesh(members)
    if devices is None:
        return jax.tree.map(jnp.asarray, tree)

    def put(spec: PartitionSpec, part: PyTree) -> PyTree:
        return jax.tree.map(partial(_put, NamedSharding(devices, spec)), part)

    return jax.tree.map(put, specs, tree)


def _put(sharding: NamedSharding, a: Any) -> Array:
    if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
        numbers = _put(sharding, jax.random.key_data(a))
        return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(a))
    host = np.asarray(a)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def build(make: Callable[[slice], Members], members: int, size: int) -> Members:
    """All members (member, size), each made by number for the device that holds it."""
    devices = mesh(members)
    if devices is None:
        return make(slice(None))

    def rows(index: Any) -> Members:
        return make(index[0])

    where = NamedSharding(devices, BY_MEMBER)
    return jax.make_array_from_callback((members, size), where, rows)


def fetch(a: Array) -> Any:
    """The whole of an array on the host of the process that writes, None on others; all call it.

    What other processes hold comes in turns, of one member a device.
    """
    if a.is_fully_addressable or a.is_fully_replicated:
        return _host(a)
    turns = [_host(_turn(a, np.int32(i))) for i in range(members_per_device(len(a)))]
    return np.stack(turns, 1).reshape(a.shape) if processes.leads() else None


def _host(a: Array) -> Any:
    return np.asarray(a) if processes.leads() else None


@jax.jit
def _turn(a: Array, i: Int[Array, ""]) -> Array:
    """The i-th of the members that each part of the devices holds, (part, ...), everywhere."""
    devices = mesh(len(a))
    assert devices is not None
    gathered = jax.shard_map(
        lambda own, i: jax.lax.all_gather(own[i], "member"),
        mesh=devices,
        in_specs=(BY_MEMBER, EVERYWHERE),
        out_specs=EVERYWHERE,
        check_vma=False,
    )
    return gathered(a, i)

"""Members split across devices; nowhere else is decided what a device holds.

    between cycles     device 0: members 0..n-1    device 1: members n..2n-1    ...
    in an analysis     device 0: points 0..p-1     device 1: points p..2p-1     ...

Several devices, of one process or of many, hold the same number of whole members, from one cycle
to the next, and forecast those; means and other small arrays are on every device. Members move
where ancestors are drawn (`take`), and where an analysis combines all members, at some of the
points on each device (`share_points`). On one device none of this does anything.
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
"""Axis 0 (blocks of units) or axis 3 (units of points) split across all devices."""


def available() -> list:
    """All devices, including those of other processes."""
    return jax.devices()


def mesh(members: int) -> Mesh | None:
    """The devices as a grid (member, copy); None where nothing is to be split.

    Members are split into as many equal parts as possible. Where these are fewer than devices,
    several devices hold copies of a part, and divide its work. Nothing is to be split on a single
    device, nor in a function that `share` calls on each device for itself.
    """
    devices = available()
    if len(devices) == 1 or jax.sharding.get_abstract_mesh().manual_axes:
        return None
    parts = math.gcd(members, len(devices))
    shape, kinds = (parts, len(devices) // parts), (AxisType.Auto, AxisType.Auto)
    return jax.make_mesh(shape, ("member", "copy"), kinds, devices=devices)


def members_per_device(members: int) -> int:
    """Number of members that a device holds, of all in the ensemble."""
    devices = mesh(members)
    return members // (devices.shape["member"] if devices else 1)


# --- within a compiled step ----------------------------------------------------------------------


def share(f: Callable[[Any], Any], members: PyTree) -> PyTree:
    """Apply a function to all members, on each device to those that it holds.

    Arguments:
        f: Function of any number of members; each result depends on its own member alone.
        members: Trees of arrays whose first axis is that of members.
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


def _divide(f: Callable[[Any], Any], n: int, copies: int, members: PyTree) -> PyTree:
    """Apply a function to the n members of a part, divided among the devices that hold copies.

    Where n is not a multiple of the number of devices, the last ones repeat the last member.
    """
    if copies == 1:
        return f(members)
    share = -(-n // copies)
    index = jnp.minimum(jax.lax.axis_index("copy") * share + jnp.arange(share), n - 1)
    results = f(jax.tree.map(lambda a: a[index], members))
    return jax.tree.map(lambda a: jax.lax.all_gather(a, "copy", tiled=True)[:n], results)


def take(members: PyTree, ancestor: Int[Array, "member"]) -> PyTree:
    """The members with these numbers, each on the device that holds its place in the ensemble.

    Arrays are transposed so that every device has some columns of all members, indexed there, and
    transposed back: two exchanges in which no device holds more than its share, whatever the
    ancestors are.
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
    """All members on every device."""
    devices = mesh(len(jax.tree.leaves(members)[0]))
    if devices is None:
        return members
    return jax.tree.map(lambda a: _constrain(a, devices, EVERYWHERE), members)


def parts() -> int:
    """Number of devices that points are split across by `share_points`."""
    devices = mesh(1)
    return devices.size if devices else 1


def share_points(f: Callable[..., Any], states: PyTree, blocks: PyTree, common: PyTree) -> Any:
    """Apply f(states, blocks, common) -> (states, results) to all members at each device's points.

    States move to the devices that work on their points, and back: two exchanges in which no device
    holds more than its share.

    Arguments:
        f: Function of states and blocks at some of the points.
        states: Trees of (member, frame, channel, unit, point); `parts` divides the units.
        blocks: Trees of (block, ...), the same number for each device, in the order of units; the
            results of f are of this kind.
        common: Trees of arrays that every device needs whole.
    """
    n = len(jax.tree.leaves(states)[0])
    devices = mesh(n)
    if devices is None:
        return f(states, blocks, common)
    shared = jax.shard_map(
        f,
        mesh=devices,
        in_specs=(BY_UNIT, BY_BLOCK, EVERYWHERE),
        out_specs=(BY_UNIT, BY_BLOCK),
        check_vma=False,
    )
    turned = jax.tree.map(lambda a: _constrain(a, devices, BY_UNIT), states)
    moved, results = shared(turned, blocks, common)
    moved = jax.tree.map(lambda a: _constrain(a, devices, BY_MEMBER), moved)
    return moved, jax.tree.map(lambda a: _constrain(a, devices, EVERYWHERE), results)


def _constrain(a: Array, devices: Mesh, spec: PartitionSpec) -> Array:
    return jax.lax.with_sharding_constraint(a, NamedSharding(devices, spec))


# --- between steps -------------------------------------------------------------------------------


def specs(carry: PyTree) -> PyTree:
    """Specs of a carry: `x` and arrays of its shape are split by member, others everywhere."""
    shape = carry.x.shape
    return jax.tree.map(lambda a: BY_MEMBER if a.shape == shape else EVERYWHERE, carry)


def jit(
    f: Callable[..., Any],
    members: int,
    outputs: PyTree = EVERYWHERE,
    inputs: PyTree = None,
    donate: tuple[int, ...] = (),
) -> Any:
    """Compile a function as `jax.jit` does, with results on the devices that should hold them.

    Arguments:
        f: Function to compile.
        members: Ensemble size.
        outputs: Specs of the results, or prefixes of them.
        inputs: Specs of the arguments, or prefixes of them; None leaves arguments where they are.
        donate: Indices of arguments whose memory the results may take.
    """
    devices = mesh(members)
    if devices is None:
        return jax.jit(f, donate_argnums=donate)
    options = {} if inputs is None else {"in_shardings": _shardings(devices, inputs)}
    results = _shardings(devices, outputs)
    return jax.jit(f, out_shardings=results, donate_argnums=donate, **options)


def _shardings(devices: Mesh, specs: PyTree) -> PyTree:
    return jax.tree.map(lambda spec: NamedSharding(devices, spec), specs)


def place(tree: PyTree, members: int, specs: PyTree = EVERYWHERE) -> PyTree:
    """Arrays that every process has, distributed over all devices.

    Arguments:
        tree: Trees of arrays, which may be random keys.
        members: Ensemble size.
        specs: Specs of the arrays, or prefixes of them.
    """
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
    """All members of an ensemble, each made on the device that holds it.

    Arguments:
        make: Function from a slice of the ensemble to its members.
        members: Ensemble size.
        size: Length of a member's state.
    """
    devices = mesh(members)
    if devices is None:
        return make(slice(None))

    def rows(index: Any) -> Members:
        return make(index[0])

    sharding = NamedSharding(devices, BY_MEMBER)
    return jax.make_array_from_callback((members, size), sharding, rows)


def fetch(a: Array) -> Any:
    """The whole array on the host of the process that writes, None on others; all must call it.

    Members that other processes hold come in turns, one member a device at a time.
    """
    if a.is_fully_addressable or a.is_fully_replicated:
        return _host(a)
    turns = [_host(_turn(a, np.int32(i))) for i in range(members_per_device(len(a)))]
    return np.stack(turns, 1).reshape(a.shape) if processes.leads() else None


def _host(a: Array) -> Any:
    return np.asarray(a) if processes.leads() else None


@jax.jit
def _turn(a: Array, i: Int[Array, ""]) -> Array:
    """Member i of those that each part of the devices holds, (part, ...), on every device."""
    devices = mesh(len(a))
    assert devices is not None
    gathered = jax.shard_map(
        lambda part, i: jax.lax.all_gather(part[i], "member"),
        mesh=devices,
        in_specs=(BY_MEMBER, EVERYWHERE),
        out_specs=EVERYWHERE,
        check_vma=False,
    )
    return gathered(a, i)

"""One step of a filter as a compiled program.

XLA keeps what a traced function closes over in the program: folded while it compiles, stored with
it, and once for each program. At one degree that is the network, 228 MiB. `hoist` makes arguments
of such arrays.
"""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple

import jax
from jax.extend.core import jaxpr_as_fun
from jax.stages import Compiled
from jaxtyping import Array, PyTree

from dabench.core import devices
from dabench.filters.base import Filter, Info
from dabench.observe.network import Network, Observation
from dabench.observe.withheld import at

LARGE = 2**16
"""Bytes from which an array is given; the compiler may simplify what is smaller."""


class Program(NamedTuple):
    """A compiled function (constants, *arguments) -> results, with its constants."""

    compiled: Compiled
    constants: Sequence[Array]

    def __call__(self, *args: Any) -> Any:
        return self.compiled(self.constants, *args)

    def memory_analysis(self) -> Any:
        """As of `Compiled`; the constants count as arguments."""
        return self.compiled.memory_analysis()


def hoist(f: Callable[..., Any], *args: Any) -> tuple[Callable[..., Any], list[Array]]:
    """(constants, *args) -> f(*args) for arguments of these shapes, and the constants."""
    closed, out = jax.make_jaxpr(f, return_shape=True)(*args)
    large = [c.nbytes >= LARGE for c in closed.consts]

    def explicit(constants: Sequence[Array], *args: Any) -> Any:
        given = iter(constants)
        consts = [next(given) if big else c for c, big in zip(closed.consts, large, strict=True)]
        flat = jaxpr_as_fun(closed.replace(consts=consts))(*jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(out), flat)

    return explicit, list(compress(closed.consts, large))


def compile_step(
    method: Filter,
    key: Array,
    carry: PyTree,
    obs: Observation,
    kept: Network | None = None,
    donate: bool = False,
) -> tuple[Program, dict[str, jax.ShapeDtypeStruct]]:
    """The compiled step, and the shapes of what it reports. TypeError if it changes the carry's.

    Arguments:
        kept: What is withheld from the method.
        donate: The carry that goes in may be overwritten by the one that comes out.
    """

    def step(key: Array, carry: PyTree, obs: Observation) -> tuple[PyTree, dict[str, Any]]:
        carry, info = method.step(key, carry, obs)
        return carry, compared(kept, info)

    explicit, constants = hoist(step, key, carry, obs)
    constants = devices.place(constants, len(carry.x))
    specs, whole = devices.specs(carry), devices.EVERYWHERE
    into, given = (whole, whole, specs, whole), (2,) if donate else ()
    jitted = devices.jit(explicit, len(carry.x), (specs, whole), into, donate=given)
    traced = jitted.trace(constants, key, carry, obs)
    after, info = traced.out_info
    before = jax.tree.map(lambda a: (a.shape, a.dtype), carry)
    if before != jax.tree.map(lambda a: (a.shape, a.dtype), after):
        raise TypeError(f"a step must keep the carry's shapes and dtypes: {before} became {after}")
    return Program(traced.lower().compile(), constants), info


def compared(withheld: Network | None, info: Info) -> dict[str, Any]:
    """A step's diagnostics without the members of its background, which archives do not hold.

    Where a scenario withholds observations, `withheld` has the background's moments there.
    """
    rest: dict[str, Any] = {name: value for name, value in info.items() if name != "background"}
    if withheld is None:
        return rest
    found = at(withheld, info["background"], "background") if "background" in info else {}
    return rest | {"withheld": found}

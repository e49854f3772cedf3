"""One step of a filter as a compiled program.

XLA keeps the arrays that a traced function closes over inside of the program: they are folded while
it compiles, stored with it, and held once for each program. At one degree the network's weights are
228 MiB. `constants_as_arguments` turns such arrays into arguments.
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

LARGE = 2**16  # bytes from which a constant becomes an argument; the compiler may fold smaller ones


class Program(NamedTuple):
    """A compiled function (constants, *arguments) -> results, with its constants."""

    compiled: Compiled
    constants: Sequence[Array]

    def __call__(self, *args: Any) -> Any:
        return self.compiled(self.constants, *args)

    def memory_analysis(self) -> Any:
        """Sizes that `Compiled.memory_analysis` gives; the constants count as arguments."""
        return self.compiled.memory_analysis()


def constants_as_arguments(
    f: Callable[..., Any], *args: Any
) -> tuple[Callable[..., Any], list[Array]]:
    """A function (constants, *args) -> f(*args) for arguments of these shapes, and the constants.

    Only constants of at least `LARGE` bytes become arguments.
    """
    closed, out = jax.make_jaxpr(f, return_shape=True)(*args)
    is_large = [c.nbytes >= LARGE for c in closed.consts]

    def explicit(constants: Sequence[Array], *args: Any) -> Any:
        large = iter(constants)
        pairs = zip(closed.consts, is_large, strict=True)
        consts = [next(large) if is_argument else c for c, is_argument in pairs]
        flat = jaxpr_as_fun(closed.replace(consts=consts))(*jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(out), flat)

    return explicit, list(compress(closed.consts, is_large))


def compile_step(
    method: Filter,
    key: Array,
    carry: PyTree,
    obs: Observation,
    withheld: Network | None = None,
    donate: bool = False,
) -> tuple[Program, dict[str, jax.ShapeDtypeStruct]]:
    """Compile the step of a filter for arguments of these shapes.

    Arguments:
        method: The filter.
        key: Random key of a cycle.
        carry: What the step hands from cycle to cycle.
        obs: Observations of a cycle.
        withheld: Network of the observations that the filter is not given.
        donate: Let the step overwrite the carry that goes in by the one that comes out.
    Returns:
        The program, and the shapes of the diagnostics that it reports.
    Raises: TypeError if the step changes shapes or dtypes of the carry.
    """

    def step(key: Array, carry: PyTree, obs: Observation) -> tuple[PyTree, dict[str, Any]]:
        carry, info = method.step(key, carry, obs)
        return carry, diagnostics(withheld, info)

    explicit, constants = constants_as_arguments(step, key, carry, obs)
    constants = devices.place(constants, len(carry.x))
    specs, everywhere = devices.specs(carry), devices.EVERYWHERE
    jitted = devices.jit(
        explicit,
        len(carry.x),
        outputs=(specs, everywhere),
        inputs=(everywhere, everywhere, specs, everywhere),
        donate=(2,) if donate else (),
    )
    traced = jitted.trace(constants, key, carry, obs)
    after, info = traced.out_info
    shapes, new_shapes = (jax.tree.map(lambda a: (a.shape, a.dtype), c) for c in (carry, after))
    if shapes != new_shapes:
        raise TypeError(
            f"a step must keep the carry's shapes and dtypes: {shapes} became {new_shapes}"
        )
    return Program(traced.lower().compile(), constants), info


def diagnostics(withheld: Network | None, info: Info) -> dict[str, Any]:
    """Diagnostics of a step without the members of its background, which archives do not hold.

    Where a scenario withholds observations, `withheld` has the background's moments there.
    """
    archived: dict[str, Any] = {n: value for n, value in info.items() if n != "background"}
    if withheld is None:
        return archived
    moments = at(withheld, info["background"], "background") if "background" in info else {}
    return archived | {"withheld": moments}

"""Large arrays that a function refers to, given to its program instead of written into it.

XLA keeps what a traced function closes over in the program: folded while it compiles, stored with
it, and once for each program. At one degree that is the network, 228 MiB.
"""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple

import jax
from jax.extend.core import jaxpr_as_fun
from jax.stages import Compiled
from jaxtyping import Array

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

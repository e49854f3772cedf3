"""Observations that no method is given: what a method's members say of them."""

from functools import partial
from typing import Any

import jax

from dabench.filters.base import Info
from dabench.filters.forecast import moments
from dabench.observe import Network
from dabench.systems.base import Members


def compared(withheld: Network | None, info: Info) -> dict[str, Any]:
    """A step's diagnostics without the members of its background, which archives do not hold.

    Where a scenario withholds observations, `withheld` has the background's moments there.
    """
    rest: dict[str, Any] = {name: value for name, value in info.items() if name != "background"}
    if withheld is None:
        return rest
    found = at(withheld, info["background"], "background") if "background" in info else {}
    return rest | {"withheld": found}


@partial(jax.jit, static_argnums=(0, 2))
def at(withheld: Network, x: Members, name: str) -> Info:
    """Mean and variance of h(x) at what is withheld, as `<name>_obs` and `<name>_var`."""
    return moments(jax.vmap(withheld.h)(x), name)

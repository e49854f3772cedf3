"""A filter: what it may know, its two functions, what it reports."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from dabench.core.types import Members
from dabench.diffusion.model import Model
from dabench.observe.network import Network, Observation

Info = dict[str, Array]
"""Diagnostics of one cycle by standard name; scalars, or one value a member or observation:

    ess               effective sample size 1 / sum(w^2) before resampling
    alpha             tempering exponent of the weights
    log_weights       (member,) normalised log-weights before resampling, float64
    ancestor          (member,) index of the member each came from
    background        (member, state) members before y is used; not archived, but compared with
                      observations that are withheld from methods
    background_obs    (obs,) ensemble mean of h(x') before y is used
    background_var    (obs,) ensemble variance of h(x') before y is used, without R
    guarded           share of linear solves that a guard stopped
    evaluations       denoiser evaluations (forward) a member
    products          Jacobian products a member
"""


class Ensemble(NamedTuple):
    """The smallest carry: equally weighted draws from p(x_k | y_1..k)."""

    x: Members


class Problem(NamedTuple):
    """All that a method may know of a scenario; never the truth.

    Arguments:
        model: The forecast model.
        network: The observation network: h and R.
        climate: (draws, state) states of the system's climate.
        batch: How many members to hold in the forecast model at once.
    """

    model: Model
    network: Network
    climate: Float[Array, "draw state"]
    batch: int = 8


class Filter(NamedTuple):
    """Two pure functions; `step` goes from posterior to posterior and is compiled once.

    init: initial members -> carry, any pytree of arrays with a field `x` (member, state).
    step: (key, carry, observation) -> (carry, info). The key of cycle k is `fold_in(key, k)`.
    least: The fewest members that it can work with.

    Several devices share the members; `devices.take` and `devices.share_points` say where these
    move.
    """

    init: Callable[[Members], Any]
    step: Callable[[Key[Array, ""], Any, Observation], tuple[Any, Info]]
    least: int = 1


def split_key(key: Key[Array, ""], n: int) -> tuple[Key[Array, "member"], Key[Array, ""]]:
    """(one key a member for the forecast, one key for the analysis), the same in every method.

    Member i's key does not depend on n, and with no information in y every method makes the same
    draws as the unconditional ensemble.
    """
    forecast, analysis = jax.random.split(key)
    return jax.vmap(lambda i: jax.random.fold_in(forecast, i))(jnp.arange(n)), analysis

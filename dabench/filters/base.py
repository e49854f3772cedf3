"""A filter: the problem it may see, its two functions, and the diagnostics it reports."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from dabench.core.types import Members
from dabench.diffusion.model import Model
from dabench.observe.network import Network, Observation


class Info(TypedDict, total=False):
    """Diagnostics of one cycle by standard name; scalars, or one value a member or observation.

    A method reports those that it has, and may add others of its own:

        ess               effective sample size 1 / sum(w^2) before resampling
        alpha             tempering exponent of the weights
        log_weights       (member,) normalised log-weights before resampling, float64
        ancestor          (member,) index of the member each came from
        background        (member, state) members before y is used; not archived, but compared with
                          observations that are withheld from methods
        background_obs    (obs,) ensemble mean of h(x') before y is used
        background_var    (obs,) ensemble variance of h(x') before y is used, without R
        rejected          (obs,) number of the check that kept a value out, see `core.quality`
        evaluations       denoiser evaluations (forward) a member
        products          Jacobian products a member
        guarded           share of linear solves that a guard stopped
        residual          median share of y - h(D) that solves of guidance left
        clipped           share of humidity and precipitation cut off at zero, see `nonnegative`
        inflation         mean covariance inflation of the prior, where it is estimated
        log_likelihood    log p(y_1..k), where it is known exactly
    """

    ess: Array
    alpha: Array
    log_weights: Array
    ancestor: Array
    background: Array
    background_obs: Array
    background_var: Array
    rejected: Array
    evaluations: Array
    products: Array
    guarded: Array
    residual: Array
    clipped: Array
    inflation: Array
    log_likelihood: Array


class Ensemble(NamedTuple):
    """The smallest carry of a filter: equally weighted draws from p(x_k | y_1..k)."""

    x: Members


class Problem(NamedTuple):
    """All that a method may know of a scenario, which is never the truth.

    Arguments:
        model: The forecast model.
        network: The observation network: h and R.
        climate: States of the system's climate.
        batch: Number of members in the forecast model at once.
    """

    model: Model
    network: Network
    climate: Float[Array, "draw state"]
    batch: int = 8


class Limits(NamedTuple):
    """What a method claims, which `dabench conformance` holds it to.

    Arguments:
        kalman: Largest RMSE over the exact filter's where all is linear and Gaussian; None: no
            claim.
        uninformed: Whether it is the unconditional ensemble where observations say nothing.
        correlated: Whether it takes observations whose errors are correlated.
        random: Whether it draws, so that another key gives other members.
    """

    kalman: float | None = 1.25
    uninformed: bool = True
    correlated: bool = True
    random: bool = True


class Filter(NamedTuple):
    """Two pure functions; `step` goes from posterior to posterior and is compiled once.

    Members are split across devices; `devices.take` and `devices.share_points` are where they move.

    Arguments:
        init: initial members -> carry, any pytree of arrays with a field `x` (member, state).
        step: (key, carry, observation) -> (carry, info). The key of cycle k is `fold_in(key, k)`.
        least: Smallest number of members that it works with.
        limits: What it claims of itself.
    """

    init: Callable[[Members], Any]
    step: Callable[[Key[Array, ""], Any, Observation], tuple[Any, Info]]
    least: int = 1
    limits: Limits = Limits()


def split_key(key: Key[Array, ""], n: int) -> tuple[Key[Array, "member"], Key[Array, ""]]:
    """Keys of the members' forecasts and a key of the analysis, the same in every method.

    Member i's key does not depend on n, and with no information in y every method makes the same
    draws as the unconditional ensemble.
    """
    forecast, analysis = jax.random.split(key)
    return jax.vmap(lambda i: jax.random.fold_in(forecast, i))(jnp.arange(n)), analysis

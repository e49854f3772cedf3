"""Guidance over a window of two cycles: the last state is drawn again once its future is seen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Array, Bool, Float, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites
from dabench.core.precision import wide
from dabench.core.types import Members, Time
from dabench.diffusion import draw
from dabench.diffusion.guidance import Condition, GuidanceSettings, Observe, prepare
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.ancestors import Covariance, Mover, mover
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import condition_on, diffusion_model, forecast_mean, observed
from dabench.filters.local.inflation import analysis_inflation
from dabench.filters.local.routes import Route
from dabench.filters.local.taper import SCALES, localisation
from dabench.observe.network import Network, Observation

DEFAULT = GuidanceSettings()
SEARCH_SPACE = {
    "s_inflation": "1..100 log",
    **SCALES,
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""


class Window(NamedTuple):
    """Two cycles of an ensemble, drawn together given y_1..k, and the observations of cycle k.

    Arguments:
        x: States of cycle k.
        before: States of cycle k - 1, from which x was drawn.
        time, y, present: The observations of cycle k.
        begun: Whether there are any, which is not so where x is the initial ensemble.
    """

    x: Members
    before: Members
    time: Time
    y: Float[Array, "obs"]
    present: Bool[Array, "obs"]
    begun: Bool[Array, ""]


def guided_window(
    problem: Problem,
    *,
    ancestors: Literal["moved", "kept"] = "moved",
    covariance: Covariance = "diagonal",
    s_inflation: Positive = 1.0,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 1.0,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.3,
    guidance: GuidanceSettings = DEFAULT,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    r"""x_k ~ p(x_k | x_k-1, y_k, y_k+1) anew, then x_k+1 ~ p(x_k+1 | x_k, y_k+1) as always.

    The first draw is guided by y_k and, through the mean of a forecast, by y_k+1:

        y_k = h(x_k) + N(0, R),   y_k+1 = h(μ(x_k)) + N(0, S),   S = R + H Q Hᵀ

    with μ(x) = E[x' | x], one denoiser evaluation, and Q = Cov[x' | x]. The ancestors x_k-1 are
    moved to p(x_k-1 | y_1..k+1) beforehand, by the ensemble transform of `fa_enkf`. Exact, as N
    grows, where the system is linear and Gaussian, S is dense, and nothing is localised.

    Arguments:
        ancestors: Whether x_k-1 are `moved` by y_k+1, or `kept` as they were drawn given y_1..k.
        covariance: How H Q Hᵀ is had. `diagonal`: variances of forecasts from 16 states of the
            climate, one for each variable and level. `dense`: by Tweedie's formula at sigma_max,
            one product an observation, for up to 2000 observations and without localisation.
        s_inflation: Factor on S, for the correlations that a diagonal leaves out.
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper of the
            transform, which ends at 3.65 times it: in km on the sphere, in sites elsewhere.
            None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        inflation: Factor on the anomalies of the ancestors.
        rtps: Share of the way back to the ancestors' spread before y; 0: none.
        guidance: How draws are conditioned; `prior_variance` is for the second draw alone.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
        sampler: Sampler of the draws; null is the model's own.
    """
    model, network, layout = diffusion_model(problem.model), problem.network, problem.model.layout
    sampler = sampler or model.sampler
    template = condition_on(problem, guidance)
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale)
    inflate = analysis_inflation(inflation, rtps, 0)
    move = mover(problem, model, sampler, template, covariance, s_inflation, taper, inflate, route)
    look = observed_ahead(problem, model, sampler, move)
    joint = both_cycles(problem, model, guidance, look)

    def init(x: Members) -> Window:
        nothing = Observation(jnp.zeros(()), jnp.zeros(network.size, layout.dtype))
        return _window_of(x, x, nothing)._replace(begun=jnp.zeros((), bool))

    def step(key: Key[Array, ""], carry: Window, obs: Observation) -> tuple[Window, Info]:
        draw_keys, analysis = split_key(key, len(carry.x))
        look_keys, again = split_key(analysis, len(carry.x))
        again_keys, _ = split_key(again, len(carry.x))

        # x_k-1 ~ p(x_k-1 | y_1..k+1), and x_k likewise where it has no ancestor
        mu, _ = forecast_mean(problem, look_keys, carry.x, obs.time, sampler)
        hx = observed(network, mu)
        before, x = carry.before, carry.x
        if ancestors == "moved":
            departures = move.departures(hx, obs)
            before, x = move.move(before, departures), move.move(x, departures)

        # x_k ~ p(x_k | x_k-1, y_k, y_k+1)
        both = known_of_both(carry, obs, move)
        window = joint._replace(h=stacked(network, look, obs), y=both.y, present=both.present)
        drawn, counts = draw.members(
            again_keys, model, before, both.time, sampler, problem.batch, window
        )
        x = jnp.where(carry.begun, drawn, x)

        # x_k+1 ~ p(x_k+1 | x_k, y_k+1)
        condition = template._replace(y=obs.y, present=obs.present)
        x_next, last = draw.members(
            draw_keys, model, x, obs.time, sampler, problem.batch, condition
        )
        info = _costs(counts, last) | Info(background_obs=hx.mean(0))
        return _window_of(x_next, x, obs), info

    return Filter(init, step, least=2)


def _window_of(x: Members, before: Members, obs: Observation) -> Window:
    """Two cycles that have the observations of the second."""
    time = obs.time.astype(wide())
    return Window(x, before, time, obs.y, present(obs), jnp.ones((), bool))


LookAhead = Callable[[Float[Array, "state"], Observation], Float[Array, "obs"]]
"""(x, observations of x') -> S^-½ h(μ(x))."""


def observed_ahead(
    problem: Problem, model: DiffusionModel, sampler: Sampler, move: Mover
) -> LookAhead:
    """The observations of the next cycle as they are seen from a state, in units of S."""
    level = sampler.sigma_max

    def look(x: Float[Array, "state"], obs: Observation) -> Float[Array, "obs"]:
        rows = x[None]
        pure = jnp.zeros((1, model.target_size), x.dtype)
        D = model.denoiser(jnp.asarray(level, x.dtype))(pure, model.condition(rows, obs.time))
        hx = problem.network.h(model.next_state(D, rows)[0])
        return move.whiten(hx[None].astype(wide()), obs.present)[0].astype(x.dtype)

    return look


def stacked(network: Network, look: LookAhead, obs: Observation) -> Observe:
    """h of two cycles: what is observed of a state, and of the next as it is seen from there.

    Arguments:
        obs: Observations of the next state.
    """
    return lambda x: jnp.concatenate([network.h(x), look(x, obs)])


def both_cycles(
    problem: Problem, model: DiffusionModel, guidance: GuidanceSettings, look: LookAhead
) -> Condition:
    """The condition on the observations of two cycles, those of the second in units of S."""
    network = problem.network
    h = stacked(network, look, Observation(jnp.zeros((), wide()), jnp.zeros(network.size)))
    std = np.concatenate([network.error_std, np.ones(network.size)])
    return prepare(model, h, std, replace(guidance, prior_variance=None), problem.climate)


def known_of_both(carry: Window, obs: Observation, move: Mover) -> Observation:
    """The observations of both cycles, the second in units of S, at the time of the first."""
    ahead = move.whiten(obs.y[None].astype(wide()), obs.present)[0].astype(carry.y.dtype)
    there = jnp.concatenate([carry.present, present(obs)])
    return Observation(carry.time, jnp.concatenate([carry.y, ahead]), there)


def present(obs: Observation) -> Bool[Array, "obs"]:
    """Whether each observation is there."""
    return jnp.ones(obs.y.shape, bool) if obs.present is None else obs.present


def _costs(first: draw.Counts, second: draw.Counts) -> Info:
    """The work of both draws: H of the first runs the denoiser once more, forward and back."""
    info = Info(**second)
    info["evaluations"] = first["evaluations"] + second["evaluations"] + 1
    info["products"] = 3 * first["products"] + second["products"]
    return info

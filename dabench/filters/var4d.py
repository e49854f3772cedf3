"""4D-Var: the trajectory through a window that fits its observations and its background best."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from dabench.core import devices
from dabench.core.bounds import Positive, Times
from dabench.core.precision import wide
from dabench.core.types import Members, Time
from dabench.diffusion.batches import batch_by_batch
from dabench.diffusion.krylov import solve
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.base import Filter, Info, Limits, Problem, split_key
from dabench.filters.forecast import diffusion_model
from dabench.filters.local.moments import perturbations
from dabench.filters.static import StaticCovariance, forecast_errors
from dabench.observe.network import Network, Observation

Control = Float[Array, "member control"]
Add = Callable[[Members, Float[Array, "member noise"]], Members]
"""(x, v) -> x + U v, for v standard normal."""
SEARCH_SPACE = {
    "window": "1..3 whole",
    "background_scale": "0.1..10 log",
    "noise_scale": "0.1..10 log",
}
"""Settings that `dabench tune` searches."""


class Member(NamedTuple):
    """What the 4D-Var of a member starts from, a row a member.

    Arguments:
        start: Background x_b of the state at the beginning of the window.
        y: Observations at the end of every cycle, with perturbations of its own; NaN where one is
            missing.
        prior: Mean of v: 0 for the background, a draw of the model's errors for every w.
    """

    start: Members
    y: Float[Array, "member cycle obs"]
    prior: Control


class Cycles(NamedTuple):
    """The cycles of a window: their valid times, and which of them there are.

    Cycles before the first one of a run are not used.
    """

    time: Float[Array, "cycle"]
    used: Bool[Array, "cycle"]


class Dynamics(NamedTuple):
    """The model of a window.

    Arguments:
        advance: (x, time) -> M(x), the mean of the forecast to that time.
        background: x + B^½ v.
        noise: x + Q^½ w; None: the strong constraint, for which the model is perfect.
        size: Length of v_0, and of every w.
    """

    advance: Callable[[Members, Time], Members]
    background: Add
    noise: Add | None
    size: int


class Carry(NamedTuple):
    """The last analyses, oldest first, and the observations since the first of them.

    Arguments:
        x: The last analysis.
        past: The analyses before it that windows to come begin with.
        y, cycles: Observations and cycles of the window, without the one to come.
    """

    x: Members
    past: Float[Array, "member cycle state"]
    y: Float[Array, "member cycle obs"]
    cycles: Cycles


def var4d(
    problem: Problem,
    *,
    constraint: Literal["weak", "strong"] = "weak",
    window: Times = 2,
    background_scale: Positive = 1.0,
    noise_scale: Positive = 1.0,
    outer: Times = 2,
    inner: Times = 20,
    sampler: Sampler | None = None,
) -> Filter:
    r"""An ensemble of 4D-Vars over the last L cycles; the end of the window is the analysis.

        J(v) = ½ |v - prior|² + ½ Σ_l |R^-½ (y_l - h(x_l))|²,    v = (v_0, w_1, .., w_L)
        x_0 = x_b + B^½ v_0,    x_l = M(x_{l-1}) + Q^½ w_l

    M is the mean of a forecast, one denoiser evaluation of z = 0 at sigma_max. A member's x_b is
    its analysis from L cycles before, and its observations and its model errors are perturbed; so
    windows overlap, but none uses an observation that its background has seen. B and Q are static
    multiples of the covariance of forecasts from states of the climate, in the last frame.

    Arguments:
        constraint: Whether the model errs (`weak`) or not (`strong`: no w).
        window: Number of cycles L. M is a mean and blurs, so that long windows do harm.
        background_scale, noise_scale: Variances of B and Q over that of a forecast.
        outer: Number of linearisations.
        inner: Number of steps of conjugate gradients for each, at two Jacobian products a cycle.
        sampler: Sampler whose highest noise level M has; null is the model's own.
    Source: Trémolet (2006), QJRMS 132, 2483-2504, in terms of model errors.
    """
    model, network = diffusion_model(problem.model), problem.network
    covariance = forecast_errors(problem)
    dynamics = Dynamics(
        mean_forecast(model, (sampler or model.sampler).sigma_max),
        adder(model, covariance, background_scale),
        adder(model, covariance, noise_scale) if constraint == "weak" else None,
        model.layout.shape[1] * int(covariance.modes.ends[-1]),
    )

    def init(x: Members) -> Carry:
        past = jnp.repeat(x[:, None], window - 1, 1)
        y = jnp.zeros((len(x), window - 1, network.size), x.dtype)
        return Carry(x, past, y, Cycles(jnp.zeros(window - 1, wide()), jnp.zeros(window - 1, bool)))

    def step(key: Key[Array, ""], carry: Carry, obs: Observation) -> tuple[Carry, Info]:
        members, cycles, states = extended(key, carry, obs, network, dynamics)

        def analyse(part: Member) -> tuple[Members, Float[Array, "member"]]:
            v = minimise(dynamics, network, part, cycles, outer, inner)
            trajectory = run(dynamics, part.start, cycles, v)
            return trajectory[:, -1], cost(network, part, cycles, v, trajectory)

        x, J = devices.share(lambda m: batch_by_batch(analyse, m, problem.batch), members)
        info: Any = Info(
            evaluations=jnp.asarray((outer + 1) * window),
            products=jnp.asarray(outer * (2 * inner + 1) * window),
        )
        used = in_use(network, members, cycles)
        count = used[0].sum() * (network.size // used.shape[-1])
        info["cost_per_observation"] = 2 * J.mean() / count
        after = Cycles(cycles.time[1:], cycles.used[1:])
        return Carry(x, states[:, 1:], members.y[:, 1:], after), info

    return Filter(init, step, limits=Limits(uninformed=constraint == "weak"))


def extended(
    key: Key[Array, ""], carry: Carry, obs: Observation, network: Network, dynamics: Dynamics
) -> tuple[Member, Cycles, Float[Array, "member cycle state"]]:
    """The window that ends with an observation, and the analyses that it may begin with."""
    n, dtype = len(carry.x), carry.x.dtype
    _, key = split_key(key, n)
    key_y, key_w = jax.random.split(key)
    e = perturbations(key_y, n, network.size) * jnp.asarray(network.error_std)[None]
    observed = obs.y if obs.present is None else jnp.where(obs.present, obs.y, jnp.nan)
    y = jnp.concatenate([carry.y, (observed[None] + e).astype(dtype)[:, None]], 1)
    time = jnp.append(carry.cycles.time, obs.time.astype(wide()))
    cycles = Cycles(time, jnp.append(carry.cycles.used, True))
    errors = 0 if dynamics.noise is None else y.shape[1]
    w = perturbations(key_w, n, errors * dynamics.size).astype(dtype)
    prior = jnp.concatenate([jnp.zeros((n, dynamics.size), dtype), w], 1)
    states = jnp.concatenate([carry.past, carry.x[:, None]], 1)
    return Member(states[:, 0], y, prior), cycles, states


def mean_forecast(model: DiffusionModel, level: float) -> Callable[[Members, Time], Members]:
    """M; what it computes in between is computed anew for every product."""

    @jax.checkpoint
    def advance(x: Members, time: Time) -> Members:
        z = jnp.zeros((len(x), model.target_size), x.dtype)
        D = model.denoiser(jnp.asarray(level, x.dtype))(z, model.condition(x, time))
        return model.next_state(D, x)

    return advance


def adder(model: DiffusionModel, covariance: StaticCovariance, scale: float) -> Add:
    """x + √scale U v, in the last frame of x."""

    def add(x: Members, v: Float[Array, "member noise"]) -> Members:
        frames = model.layout.unflatten(x)
        change = covariance.root(v.reshape(len(v), frames.shape[2], -1))
        return frames.at[:, -1].add(scale**0.5 * change).reshape(x.shape)

    return add


def run(
    dynamics: Dynamics, start: Members, cycles: Cycles, v: Control
) -> Float[Array, "member cycle+1 state"]:
    """x_0 .. x_L; cycles that are not used change nothing."""
    v_0, *w = jnp.split(v, v.shape[1] // dynamics.size, axis=1)
    states = [dynamics.background(start, v_0)]
    for l, (time, used) in enumerate(zip(*cycles, strict=True)):
        x = dynamics.advance(states[-1], time)
        x = x if dynamics.noise is None else dynamics.noise(x, w[l])
        states.append(jnp.where(used, x, states[-1]))
    return jnp.stack(states, 1)


def misfit(
    network: Network, member: Member, cycles: Cycles, trajectory: Array
) -> Float[Array, "member all_obs"]:
    """R^-½ (y_l - h(x_l)) of all cycles; 0 where a cycle is not used."""
    hx = jax.vmap(jax.vmap(network.h))(trajectory[:, 1:])
    d = (member.y - hx) / jnp.asarray(network.error_std, hx.dtype)[None, None]
    return jnp.where(in_use(network, member, cycles), d, 0).reshape(len(hx), -1)


def in_use(network: Network, member: Member, cycles: Cycles) -> Bool[Array, "row cycle use"]:
    """Whether the observations of a window are used, as few as tell them apart.

    That is one row and one a cycle, where no observation is ever missing.
    """
    used = cycles.used[None, :, None]
    return used & ~jnp.isnan(member.y) if network.gaps else used


def minimise(
    dynamics: Dynamics, network: Network, member: Member, cycles: Cycles, outer: int, inner: int
) -> Control:
    """The v of the smallest J, by Gauss-Newton: (I + GᵀG) δ = Gᵀ d - (v - prior).

    d is the misfit and -G its Jacobian in v. The matrix is the identity and a covariance, which
    conjugate gradients need no other preconditioner for.
    """

    def departures(v: Control) -> Float[Array, "member all_obs"]:
        return misfit(network, member, cycles, run(dynamics, member.start, cycles, v))

    def update(_: int, v: Control) -> Control:
        d, push = jax.linearize(departures, v)
        pull = jax.linear_transpose(push, v)

        def apply(p: Control) -> tuple[Control, Control]:
            return p + pull(push(p))[0], p

        right = -pull(d)[0] - (v - member.prior)
        return v + solve(apply, right, "cg", inner).image

    return jax.lax.fori_loop(0, outer, update, member.prior)


def cost(
    network: Network, member: Member, cycles: Cycles, v: Control, trajectory: Array
) -> Float[Array, "member"]:
    """J of every member."""
    d = misfit(network, member, cycles, trajectory)
    return 0.5 * ((v - member.prior) ** 2).sum(1) + 0.5 * (d**2).sum(1)

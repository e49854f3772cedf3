"""The forecast step that methods share: the model's own draw, or a draw by denoising."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.core import devices
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Keys, Members, Time
from dabench.diffusion import draw
from dabench.diffusion.guidance import Condition, GuidanceSettings, prepare
from dabench.diffusion.model import DiffusionModel, ForecastModel, Model, Sampler
from dabench.filters.base import Info, Problem
from dabench.observe.network import Network
from dabench.observe.withheld import moments


def forecast(
    problem: Problem,
    keys: Keys,
    x: Members,
    time: Time,
    sampler: Sampler | None = None,
) -> tuple[Members, Info]:
    """One draw a member from p(x' | x), and its cost where it calls a denoiser.

    Arguments:
        sampler: Sampler of a draw by denoising. None: the model's own `forecast` if it has one,
            else a draw with the model's own sampler.
    """
    own = problem.model
    if sampler is None and isinstance(own, ForecastModel):
        return devices.share(lambda m: own.forecast(m[0], m[1], time), (keys, x)), Info()
    model = diffusion_model(own)
    x_next, counts = draw.members(keys, model, x, time, sampler or model.sampler, problem.batch)
    return x_next, Info(**counts)


def observed(network: Network, x: Members) -> Float[Array, "member obs"]:
    """h(x) of all members in float64, the whole of it on every device."""
    return devices.gather(devices.share(jax.vmap(network.h), x)).astype(wide())


def forecast_mean(
    problem: Problem, keys: Keys, x: Members, time: Time, sampler: Sampler | None = None
) -> tuple[Members, Info]:
    """E[x' | x] of every member, from one denoiser evaluation, and its cost.

    Where the model has no denoiser it is a draw, which is the mean if the model has no noise.

    Arguments:
        keys: Keys of the noise that is denoised.
        sampler: Sampler whose highest noise level it has; None: the model's own.
    """
    model = problem.model
    if not isinstance(model, DiffusionModel):
        return forecast(problem, keys, x, time, sampler)
    how = sampler or model.sampler
    start = draw.Start(keys, x, draw.contexts(model, x, time, problem.batch))

    def evaluate(start: draw.Start) -> Members:
        z = draw.expected_target(start, model, time, how, problem.batch)
        return model.next_state(z, start.x)

    return devices.share(evaluate, start), Info(evaluations=jnp.ones((), int))


def diffusion_model(model: Model) -> DiffusionModel:
    """The model, if it can be conditioned on observations; UserError if not."""
    if not isinstance(model, DiffusionModel):
        raise UserError(
            "this method or setting (guidance, sampler) needs a diffusion model, and this system's "
            "is a plain forecast model; systems with model error (noise_std > 0) have one"
        )
    return model


def condition_on(problem: Problem, guidance: GuidanceSettings) -> Condition:
    """What draws are conditioned on, without y; UserError if settings do not suit the errors."""
    network = problem.network
    if network.combined and guidance.units == "climate":
        raise UserError(
            "guidance.units: climate needs independent errors; use units: innovations or errors"
        )
    model = diffusion_model(problem.model)
    return prepare(model, network.h, network.error_std, guidance, problem.climate)


def background(hx: Float[Array, "member obs"], x: Members) -> Info:
    """The forecast, and its mean and variance in observation space, for the archive."""
    mean, var = moments(hx)
    return Info(background=x, background_obs=mean, background_var=var)

"""The forecast step that methods share: the model's own, or with another sampler."""

import jax
from jaxtyping import Array, Float

from dabench.core import devices
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Keys, Members, Time
from dabench.diffusion import draw
from dabench.diffusion.model import DiffusionModel, ForecastModel, Sampler
from dabench.filters.base import Info, Problem
from dabench.observe.network import Network
from dabench.observe.withheld import moments


def forecast(
    problem: Problem,
    keys: Keys,
    x: Members,
    time: Time,
    sampler: Sampler | None,
) -> tuple[Members, Info]:
    """Draws from p(x' | x), with the model's own forecast where no sampler is given."""
    if sampler is None:
        return devices.share(lambda m: problem.model.forecast(m[0], m[1], time), (keys, x)), {}
    model = diffusion_model(problem.model)
    return draw.draw(keys, model, x, time, sampler, problem.batch)


def observed(network: Network, x: Members) -> Float[Array, "member obs"]:
    """h(x) of all members in float64, on every device."""
    return devices.gather(devices.share(jax.vmap(network.h), x)).astype(wide())


def diffusion_model(model: ForecastModel) -> DiffusionModel:
    """The model, if it can be conditioned on observations; UserError if not."""
    if not isinstance(model, DiffusionModel):
        raise UserError(
            "this method or setting (guidance, sampler) needs a diffusion model, and this system's "
            "is a plain forecast model; systems with model error (noise_std > 0) have one"
        )
    return model


def background(hx: Float[Array, "member obs"], x: Members) -> Info:
    """The forecast, and its mean and variance in observation space, for the archive."""
    return {"background": x} | moments(hx, "background")

"""The forecast step that methods share: the model's own, or with another sampler."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench import devices, diffusion
from dabench.errors import UserError
from dabench.filters.base import Info, Problem
from dabench.filters.moments import wide
from dabench.observe import Network
from dabench.systems.base import DiffusionModel, ForecastModel, Keys, Members, Sampler, Time


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
    return diffusion.draw(keys, model, x, time, sampler, problem.batch)


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


def moments(hx: Float[Array, "member obs"], name: str) -> Info:
    """Mean and variance of h(x), as `<name>_obs` and `<name>_var`."""
    hx = hx.astype(wide())
    return {
        f"{name}_obs": hx.mean(0),
        f"{name}_var": jnp.var(hx, 0, ddof=min(1, len(hx) - 1)),
    }

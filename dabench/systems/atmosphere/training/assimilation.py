"""A few cycles of a guided ensemble: whether a network's Jacobian is good enough to assimilate."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings, prepare
from dabench.systems.atmosphere.model import BATCH
from dabench.systems.atmosphere.training.skill import Rows, States, area_mean
from dabench.systems.base import System

ERROR_KELVIN = 0.1
AMPLITUDE = 0.3  # of the first ensemble's perturbations, in standard deviations of the climate
SETTINGS = GuidanceSettings("cg", 2, sigma_guide=2.0, prior_variance=0.25)


def guided_cycles(system: System, states: States, members: int, cycles: int) -> Rows:
    """Errors of the ensemble mean by cycle, over the climate's standard deviation.

    Temperature is observed at the surface and on all levels at every point but the poles, with
    errors of 0.1 K. `temperature` is the mean over its channels, `rest` that over all others.
    """
    index = _temperature(system)
    model: Any = system.model
    error_std = np.full(len(index), ERROR_KELVIN)
    climate = jnp.asarray(system.climate)
    condition = prepare(model, lambda x: x[index], error_std, SETTINGS, climate)

    @jax.jit
    def step(keys: Array, x: Array, y: Float[Array, "obs"]) -> Array:
        given_y = condition._replace(y=y)
        time = jnp.zeros(())  # plays no role in a climate without seasons
        return draw.members(keys, model, x, time, model.sampler, BATCH, given_y)[0]

    keys = jax.random.split(jax.random.key(2000), members)
    x = jnp.stack([system.perturb(key, jnp.asarray(states[0]), AMPLITUDE) for key in keys])
    rows: Rows = []
    for cycle in range(1, cycles + 1):
        key, noise = jax.random.split(jax.random.key(3000 + cycle))
        truth = jnp.asarray(states[cycle])
        y = truth[index] + ERROR_KELVIN * jax.random.normal(noise, index.shape, truth.dtype)
        x = step(jax.random.split(key, members), x, y)
        rows.append({"cycle": cycle} | _errors(system, np.asarray(x), states[cycle]))
    return rows


def _errors(
    system: System, ensemble: Float[np.ndarray, "member state"], truth: Float[np.ndarray, "state"]
) -> dict[str, float]:
    layout, mean = system.layout, area_mean(system)
    variance = mean(layout.now(np.asarray(system.climate)).var(0, ddof=1))
    square = mean((layout.now(ensemble).mean(0) - layout.now(truth)) ** 2)
    ratio = np.sqrt(square / variance)
    observed = np.array(["temperature" in c.name for c in layout.channels])
    return {"temperature": float(ratio[observed].mean()), "rest": float(ratio[~observed].mean())}


def _temperature(system: System) -> np.ndarray:
    """Places in the state of every temperature now, but at the poles."""
    layout = system.layout
    place = np.arange(layout.size).reshape(layout.frames, len(layout.channels), layout.points)
    away = np.abs(layout.positions["latitude"]) < 90
    rows = [i for i, c in enumerate(layout.channels) if "temperature" in c.name]
    return place[-1][rows][:, away].ravel()

"""What a network's forecasts are worth: scores after 12 hours, and a free run of weeks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.ensemble import fair_crps
from dabench.diffusion import draw
from dabench.systems.atmosphere.atmosphere import LMAX
from dabench.systems.atmosphere.grid import sphere_noise
from dabench.systems.atmosphere.model import BATCH
from dabench.systems.base import System
from dabench.systems.sphere.gaussian import area_weights
from dabench.systems.sphere.harmonics import degrees

BANDS = ((1, 5), (6, 10), (11, 15), (16, 20), (21, 25))  # degrees whose power is compared
Rows = list[dict[str, Any]]
States = Float[np.ndarray, "cycle state"]
Area = Callable[[Any], Float[np.ndarray, "*axes"]]


def area_mean(system: System) -> Area:
    """The function (..., point) -> area-weighted mean."""
    lat, lon = system.layout.coords.values()
    weight = np.repeat(area_weights(lat) / 2 / len(lon), len(lon))
    return lambda x: np.asarray(x, np.float64) @ weight


def forecaster(system: System) -> Callable[[Array, Array], Array]:
    """The function (keys, members) -> members 12 hours later, by the model's own sampler."""
    model: Any = system.model

    @jax.jit
    def forecast(keys: Array, x: Array) -> Array:
        time = jnp.zeros(())  # plays no role in a climate without seasons
        return draw.members(keys, model, x, time, model.sampler, BATCH)[0]

    return forecast


def one_step(system: System, states: States, cases: int, members: int) -> Rows:
    """Scores of the 12-hour forecast by channel, over `cases` spread over `states`.

    rmse is of the ensemble mean; crps is fair; spread_skill has the factor (n + 1) / n; all
    area-weighted. `persistence` and `climatology` (its mean, its draws) are the references.
    """
    layout, mean, forecast = system.layout, area_mean(system), forecaster(system)
    climate = layout.now(np.asarray(system.climate))
    sums: dict[str, Any] = {}
    for case, k in enumerate(np.linspace(0, len(states) - 2, cases).astype(int)):
        keys = jax.random.split(jax.random.key(case), members)
        x = jnp.repeat(jnp.asarray(states[k])[None], members, 0)
        ensemble = layout.now(np.asarray(forecast(keys, x)))
        parts = _parts(mean, ensemble, climate, layout.now(states[k]), layout.now(states[k + 1]))
        sums = {name: sums.get(name, 0) + value / cases for name, value in parts.items()}
    root = {name: np.sqrt(sums[name]) for name in ("square", "persistence", "climatology")}
    table = {
        "rmse": root["square"],
        "rmse_persistence": root["persistence"],
        "rmse_climatology": root["climatology"],
        "over_persistence": root["square"] / root["persistence"],
        "crps": sums["crps"],
        "crps_persistence": sums["crps_persistence"],
        "crps_climatology": sums["crps_climatology"],
        "spread_skill": np.sqrt(sums["variance"] * (members + 1) / members) / root["square"],
    }
    return by_channel(system, table)


def _parts(
    mean: Area, ensemble: np.ndarray, climate: np.ndarray, before: np.ndarray, after: np.ndarray
) -> dict[str, Float[np.ndarray, "channel"]]:
    """Area means that the scores are made of."""
    return {
        "square": mean((ensemble.mean(0) - after) ** 2),
        "variance": mean(ensemble.var(0, ddof=1)),
        "crps": mean(fair_crps(jnp.asarray(ensemble), jnp.asarray(after))),
        "persistence": mean((before - after) ** 2),
        "crps_persistence": mean(np.abs(before - after)),
        "climatology": mean((climate.mean(0) - after) ** 2),
        "crps_climatology": mean(fair_crps(jnp.asarray(climate), jnp.asarray(after))),
    }


class FreeRun(NamedTuple):
    """Forecasts without observations against the climate: by day, and at the end by channel."""

    days: Rows
    channels: Rows


def free_run(system: System, states: States, members: int, days: int) -> FreeRun:
    """`members` forecasts of `days` from starts spread over `states`.

    By day, each a mean over the channels of ratios: bias and sd are of all members' fields against
    the climate's mean and standard deviation, increments of 12-hour differences against those
    of `states`.
    By channel, over the second half: sd likewise, power of the anomalies in bands of degrees
    against the climate's, and drift, the root mean square of the change of the global mean from
    the start to the end, in the climate's standard deviations.
    """
    layout, mean, forecast = system.layout, area_mean(system), forecaster(system)
    climate = layout.now(np.asarray(system.climate))
    center, spread = climate.mean(0), mean(climate.var(0, ddof=1))
    usual = mean((np.diff(layout.now(states), axis=0) ** 2).mean(0))
    x = jnp.asarray(states[np.linspace(0, len(states) - 1, members).astype(int)])
    first, rows, late = mean(layout.now(np.asarray(x))), [], []
    for cycle in range(2 * days):
        x = forecast(jax.random.split(jax.random.key(1000 + cycle), members), x)
        fields = layout.unflatten(np.asarray(x))
        away = fields[:, 1] - center
        if cycle >= days:
            late.append(away)
        if cycle % 4 == 3:
            change = mean(((fields[:, 1] - fields[:, 0]) ** 2).mean(0))
            rows.append(
                {
                    "day": (cycle + 1) / 2,
                    "bias": float(np.sqrt(np.mean(mean(away).mean(0) ** 2 / spread))),
                    "sd": float(np.mean(np.sqrt(mean((away**2).mean(0)) / spread))),
                    "increments": float(np.mean(np.sqrt(change / usual))),
                }
            )
    anomalies = np.concatenate(late)
    drift = mean(layout.now(np.asarray(x))) - first
    table = {
        "sd": np.sqrt(mean((anomalies**2).mean(0)) / spread),
        "drift": np.sqrt((drift**2).mean(0) / spread),
    } | power_ratios(system, anomalies, climate - center)
    return FreeRun(rows, by_channel(system, table))


def power_ratios(
    system: System, run: Float[np.ndarray, "draw channel point"], climate: np.ndarray
) -> dict[str, Float[np.ndarray, "channel"]]:
    """Power of the run's anomalies over that of the climate's, in bands of degrees."""
    lon = system.layout.coords["longitude"]
    analyse = jax.jit(sphere_noise(float(lon[1] - lon[0])).analyse)

    def power(fields: np.ndarray) -> Float[np.ndarray, "channel coefficient"]:
        return np.mean([np.asarray(analyse(f)) ** 2 for f in fields], axis=0)

    ours, theirs = power(run), power(climate) * len(climate) / (len(climate) - 1)
    degree = degrees(LMAX)
    bands = {f"degree_{a}_{b}": (degree >= a) & (degree <= b) for a, b in BANDS}
    return {n: ours[:, band].sum(-1) / theirs[:, band].sum(-1) for n, band in bands.items()}


def by_channel(system: System, table: dict[str, Float[np.ndarray, "channel"]]) -> Rows:
    """One row a channel."""
    return [
        {"variable": c.name, "level": c.level} | {n: float(v[i]) for n, v in table.items()}
        for i, c in enumerate(system.layout.channels)
    ]

"""One number for a run: its errors, in climatological standard deviations."""

from collections.abc import Mapping

import numpy as np

from dabench.core.errors import UserError
from dabench.scores.metrics.regions import area_weights, spatial_mean
from dabench.scores.record import Cell, Scores
from dabench.systems.base import System

METRICS = "crps", "rmse"  # of a search; the first is the default


def climate_std(system: System) -> dict[Cell, float]:
    """Root of the global mean variance of every variable and level over the states of the climate.

    UserError where there are not two of them.
    """
    draws = np.asarray(system.climate)
    if len(draws) < 2:
        raise UserError(f"{system.name} has no states of the climate to measure errors by")
    data = system.layout.to_dataset(system.layout.now(draws), ("draw",))
    stds: dict[Cell, float] = {}
    for name, field in data.data_vars.items():
        mean = spatial_mean(field.var("draw", ddof=1), area_weights(data, ["global"]))
        levels = mean["level"].values if "level" in mean.dims else [None]
        std = np.sqrt(mean.isel(region=0).values).reshape(-1)
        stds |= {
            (str(name), None if p is None else float(p)): float(s)
            for p, s in zip(levels, std, strict=True)
        }
    return stds


def objective(scores: Scores, std: Mapping[Cell, float], metric: str) -> float | None:
    """Mean over all variables and levels of the global metric over the standard deviation there.

    None where the run diverged, or a cell has no value (a single member's CRPS is its error).
    """
    total, cells = 0.0, 0
    for cell, scale in std.items():
        if scale > 0:
            value = scores.value(cell, metric)
            if value is None:
                return None
            total, cells = total + value / scale, cells + 1
    return total / cells if cells else None

"""The network of an embedded atmosphere as a diffusion model, with noise and output in its band."""

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from dabench.diffusion.model import Sampler
from dabench.systems.atmosphere.atmosphere import Atmosphere, Ground, Statistics, mean_and_std
from dabench.systems.atmosphere.grid import grid, sphere_noise
from dabench.systems.gencast import normalise
from dabench.systems.gencast.checkpoint import Checkpoint
from dabench.systems.gencast.model import GenCast

BATCH = 4  # members at a time: the fastest on a CPU
SAMPLER = Sampler("dpmpp_2m", levels=12, sigma_max=60.0, sigma_min=0.01)


def model(
    atmosphere: Atmosphere,
    checkpoint: Checkpoint,
    statistics: Statistics,
    ground: Ground,
    resolution: float,
) -> GenCast:
    """p(x' | x) of a small GenCast, D projected on the band of the noise.

    Arguments:
        statistics: The normalisation the network was trained with.
        ground: Coefficients of the static fields, in physical units.
        resolution: Grid spacing in degrees; any, since nothing in the weights depends on it.
    """
    lat, lon = grid(resolution)
    sphere = sphere_noise(resolution)
    static = {n: np.asarray(sphere.synthesise(jnp.asarray(c))) for n, c in ground.items()}
    gencast = GenCast(
        checkpoint,
        tables(atmosphere, statistics, ground),
        lat,
        lon,
        static,
        noise=sphere,
        project=True,
        batch=BATCH,
    )
    gencast.sampler = SAMPLER
    return gencast


def tables(atmosphere: Atmosphere, statistics: Statistics, ground: Ground) -> normalise.Statistics:
    """The normalisation in GenCast's own form."""
    fields = {name: mean_and_std(coefficients) for name, coefficients in ground.items()}
    mean, std = ({name: xr.DataArray(pair[i]) for name, pair in fields.items()} for i in (0, 1))
    return normalise.Statistics(
        mean=xr.Dataset(mean | _by_level(atmosphere, statistics.mean)),
        stddev=xr.Dataset(std | _by_level(atmosphere, statistics.std)),
        diffs_stddev=xr.Dataset(_by_level(atmosphere, statistics.diff_std)),
        min=xr.Dataset(),
    )


def _by_level(
    atmosphere: Atmosphere, values: Float[np.ndarray, "channel"]
) -> dict[str, xr.DataArray]:
    """One value a variable, or one a level."""
    table: dict[str, dict[float | None, float]] = {}
    for channel, value in zip(atmosphere.channels, values, strict=True):
        table.setdefault(channel.name, {})[channel.level] = float(value)
    return {
        name: xr.DataArray(row[None])
        if None in row
        else xr.DataArray(list(row.values()), {"level": list(row)}, ("level",))
        for name, row in table.items()
    }

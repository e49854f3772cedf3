"""The network of an embedded atmosphere as a diffusion model, with noise and output in its band."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dabench.core.layout import Layout
from dabench.diffusion.model import Sampler
from dabench.systems.atmosphere.atmosphere import Atmosphere, Ground, Statistics, normalised
from dabench.systems.atmosphere.coasts import Coasts
from dabench.systems.atmosphere.grid import grid, sphere_noise
from dabench.systems.atmosphere.means import ConservingNoise, Relation
from dabench.systems.gencast import channels
from dabench.systems.gencast.checkpoint import Checkpoint
from dabench.systems.gencast.model import GenCast
from dabench.systems.gencast.normalise import Normaliser
from dabench.systems.sphere.noise import SphereNoise

BATCH = 4  # members at a time: the fastest on a CPU
SAMPLER = Sampler("dpmpp_2m", levels=12, sigma_max=60.0, sigma_min=0.01)


def model(
    atmosphere: Atmosphere,
    checkpoint: Checkpoint,
    statistics: Statistics,
    ground: Ground,
    resolution: float,
    coasts: Coasts | None = None,
    means: Relation | None = None,
) -> GenCast:
    """p(x' | x) of a small GenCast, D projected on the band of the noise.

    Arguments:
        statistics: The normalisation the network was trained with.
        ground: Coefficients of the static fields, in physical units.
        resolution: Grid spacing in degrees; any, since nothing in the weights depends on it.
        coasts: Maps that states have and the network never sees; none by default.
        means: Relation that the global means of targets obey; none by default.
    """
    sphere = sphere_noise(resolution) if means is None else ConservingNoise(resolution, means)
    latitude, longitude = grid(resolution)
    layout = Layout(
        atmosphere.channels,
        {"latitude": latitude, "longitude": longitude},
        frames=2,
        land=_field(sphere, ground["land_sea_mask"]) > 0.5 if "land_sea_mask" in ground else None,
    )
    inputs = channels.inputs(checkpoint.config.task_config)
    return GenCast(
        checkpoint,
        normaliser(inputs, atmosphere, statistics, coasts),
        layout,
        {name: _field(sphere, normalised(field)) for name, field in ground.items()},
        sampler=SAMPLER,
        noise=sphere,
        project=True,
    )


def normaliser(
    inputs: Sequence[channels.Field],
    atmosphere: Atmosphere,
    statistics: Statistics,
    coasts: Coasts | None,
) -> Normaliser:
    """The normalisation of the changing fields; static ones are normalised before they are inputs.

    Every target is the 12-hour difference over its standard deviation.
    """
    row = {(c.name, c.level): i for i, c in enumerate(atmosphere.channels)}

    def known(values: Float[np.ndarray, "channel #point"], static: float) -> np.ndarray:
        constant = np.full_like(values[0], static)
        rows = [
            constant if f.name in atmosphere.static else values[row[f.name, f.level]]
            for f in inputs
        ]
        return np.array(rows, np.float32)

    mean = statistics.mean[:, None] if coasts is None else statistics.mean[:, None] + coasts
    scale = np.asarray(statistics.diff_std, np.float32)[:, None]
    return Normaliser(
        mean=known(mean, 0.0),
        std=known(statistics.std[:, None], 1.0),
        offset=np.zeros_like(scale),
        scale=scale,
        target_std=np.asarray(statistics.std, np.float32)[:, None],
        residual=np.ones(scale.shape, bool),
        fill=0.0,
    )


def _field(
    sphere: SphereNoise, coefficients: Float[np.ndarray, "coefficient"]
) -> Float[np.ndarray, "point"]:
    """A field on the grid, float32."""
    return np.asarray(sphere.synthesise(jnp.asarray(coefficients, jnp.float32)))

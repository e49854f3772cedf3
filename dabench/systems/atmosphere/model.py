"""The network of an embedded atmosphere as a diffusion model, with noise and output in its band."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.layout import Layout
from dabench.core.types import Members, Time
from dabench.core.units import GRAVITY
from dabench.diffusion.model import Sampler
from dabench.systems.atmosphere.atmosphere import Atmosphere, Ground, Statistics, normalised
from dabench.systems.atmosphere.calibration import Calibration
from dabench.systems.atmosphere.coasts import Coasts
from dabench.systems.atmosphere.grid import grid, sphere_noise
from dabench.systems.atmosphere.means import ConservingNoise, Relation
from dabench.systems.gencast import channels
from dabench.systems.gencast.checkpoint import Checkpoint
from dabench.systems.gencast.model import GenCast, Targets
from dabench.systems.gencast.normalise import Normaliser
from dabench.systems.sphere.noise import SphereNoise

BATCH = 4  # members at a time: the fastest on a CPU


def model(
    atmosphere: Atmosphere,
    checkpoint: Checkpoint,
    statistics: Statistics,
    ground: Ground,
    resolution: float,
    sampler: Sampler,
    coasts: Coasts | None = None,
    means: Relation | None = None,
    calibration: Calibration | None = None,
) -> GenCast:
    """p(x' | x) of a small GenCast, D projected on the band of the noise.

    Arguments:
        statistics: The normalisation the network was trained with.
        ground: Coefficients of the static fields, in physical units.
        resolution: Grid spacing in degrees; any, since nothing in the weights depends on it.
        sampler: Sampler of the model's own draws.
        coasts: Maps that states have and the network never sees; none by default.
        means: Relation that the global means of targets obey; none by default.
        calibration: Calibration of the output; none by default.
    """
    sphere = sphere_noise(resolution) if means is None else ConservingNoise(resolution, means)
    latitude, longitude = grid(resolution)
    fields = {name: _field(sphere, field) for name, field in ground.items()}
    layout = Layout(
        atmosphere.channels,
        {"latitude": latitude, "longitude": longitude},
        frames=2,
        land=fields["land_sea_mask"] > 0.5 if "land_sea_mask" in fields else None,
        height=fields["geopotential_at_surface"] / GRAVITY,
    )
    inputs = channels.inputs(checkpoint.config.task_config)
    network = (
        checkpoint,
        normaliser(inputs, atmosphere, statistics, coasts),
        layout,
        {name: _field(sphere, normalised(field)) for name, field in ground.items()},
    )
    settings: dict[str, Any] = {"sampler": sampler, "noise": sphere, "project": True}
    if calibration is None:
        return GenCast(*network, **settings)
    return CalibratedGenCast(calibration, *network, **settings)


class CalibratedGenCast(GenCast):
    """A GenCast whose D is calibrated; its context holds the last frame's coefficients too."""

    def __init__(self, calibration: Calibration, *network: Any, **settings: Any) -> None:
        super().__init__(*network, **settings)
        self.calibration = calibration
        inputs = channels.inputs(self.task)
        place = {(f.name, float(f.level or 0), f.hours): i for i, f in enumerate(inputs)}
        last = [place[c.name, float(c.level or 0), 0] for c in self.layout.channels]
        self._last = np.array(last)

    def condition(self, x: Members, time: Time) -> tuple[Array, Array]:
        """The known channels' part of the network, and the coefficients of the last frame."""
        features = self.known(x, time)
        last = self.sphere.analyse(jnp.swapaxes(features[..., self._last], 1, 2))
        return self.network.condition(self.params, features), last

    def denoiser(
        self, sigma: Float[Array, ""]
    ) -> Callable[[Targets, tuple[Array, Array]], Targets]:
        """Calibrated D at one noise level."""
        denoise, calibrate = super().denoiser(sigma), self.calibration.at(sigma)

        def calibrated(z: Targets, context: tuple[Array, Array]) -> Targets:
            condition, last = context
            output = denoise(z, condition).reshape(-1, *self.fields)
            output = calibrate(self.sphere.analyse(output), last)
            return self.sphere.synthesise(output).reshape(z.shape)

        return calibrated


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

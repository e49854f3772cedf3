"""A network in GenCast's format as a diffusion model of states in physical units.

    x (frames) --known--> network.condition        z --denoiser--> D --next_state--> x'

`channels` says what is stacked where, a `Normaliser` how physical units become the network's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.core.types import Members, Time
from dabench.core.units import GRAVITY
from dabench.diffusion.model import NoiseFactor, Sampler
from dabench.systems.gencast import channels, clock
from dabench.systems.gencast.checkpoint import Checkpoint, SamplerConfig
from dabench.systems.gencast.network.denoiser import DenoiserNetwork
from dabench.systems.gencast.normalise import Normaliser, Statistics
from dabench.systems.sphere.noise import SphereNoise

Targets = Float[Array, "member target"]
FRAME_SECONDS = 3600 * channels.FRAME_HOURS


class GenCast:
    """p(x' | x) of a network in GenCast's format.

    The state holds all target variables at the last frames, 12 hours apart: precipitation too,
    which the network does not read. Where the layout calls a field undefined (sea-surface
    temperature on land) it is a constant, never NaN. The target is (channel, point), normalised.

    Arguments:
        checkpoint: Weights and configuration.
        normaliser: Normalisation that the network was trained with.
        layout: Layout of the state, on the global grid of the network.
        static: Static inputs by name, in the units that the normaliser takes.
        sampler: Sampler of the model's own draws; the checkpoint's by default.
        noise: Noise of the diffusion; GenCast's own on this grid by default.
        project: Whether to project D on the range of the noise's covariance.
        land_free: Whether undefined fields are forecast like any other, and may be observed; what
            the network reads is the constant all the same.
        precision: Precision of matrix products, as `DenoiserNetwork` takes it.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        normaliser: Normaliser,
        layout: Layout,
        static: Mapping[str, Float[np.ndarray, "point"]],
        *,
        sampler: Sampler | None = None,
        noise: SphereNoise | None = None,
        project: bool = False,
        land_free: bool = False,
        precision: str = "highest",
    ):
        latitude, longitude = layout.coords["latitude"], layout.coords["longitude"]
        grid_size = checkpoint.metadata.get("training_grid_size")
        self.task = checkpoint.config.task_config
        self.network = DenoiserNetwork(checkpoint.config, latitude, longitude, grid_size, precision)
        self.params = jax.tree.map(jnp.asarray, checkpoint.params)
        self.sampler = sampler or own_sampler(checkpoint.config.sampler_config)
        noise_levels = checkpoint.config.noise_config
        self.trained_on = (
            noise_levels.training_min_noise_level,
            noise_levels.training_max_noise_level,
        )
        self.sphere = SphereNoise(latitude, longitude) if noise is None else noise
        self.normaliser, self.undefined, self.land_free = normaliser, layout.undefined, land_free
        self.layout = replace(layout, undefined=None) if land_free else layout
        self.static, self.project = dict(static), project
        self.fields = layout.shape[1:]
        self.target_size = int(np.prod(self.fields))

    def condition(self, x: Members, time: Time) -> Float[Array, "member point feature"]:
        """The known channels' part of the network; `time` in seconds since 1970."""
        return self.network.condition(self.params, self.known(x, time))

    def known(self, x: Members, time: Time) -> Float[Array, "member point known"]:
        """Inputs, then forcings, normalised, in the order of `channels`."""
        frames = self.fill(self.layout.unflatten(x))
        index = {(c.name, c.level): i for i, c in enumerate(self.layout.channels)}

        def values(field: channels.Field) -> Float[Array, "#member point"]:
            if field.name in channels.STATIC:
                return jnp.asarray(self.static[field.name], x.dtype)[None]
            hours = field.hours or 0
            if field.name in channels.CLOCK:
                valid = time + (hours - channels.FRAME_HOURS) * 3600
                return self._clock(valid)[field.name][None].astype(x.dtype)
            frame = hours // channels.FRAME_HOURS + self.layout.frames - 1
            return frames[:, frame, index[field.name, field.level]]

        stacked = (*channels.inputs(self.task), *channels.forcings(self.task))
        shape = (len(x), self.layout.points)
        stack = jnp.stack([jnp.broadcast_to(values(f), shape) for f in stacked], axis=-1)
        mean, std = self.normaliser.mean.T, self.normaliser.std.T
        return (stack - mean[None]) / std[None]

    def denoiser(self, sigma: Float[Array, ""]) -> Callable[[Targets, Array], Targets]:
        """D at one noise level."""
        level = self.network.at_level(self.params, jnp.asarray(sigma, jnp.float32))

        def denoise(z: Targets, condition: Array) -> Targets:
            fields = jnp.swapaxes(z.reshape(-1, *self.fields), 1, 2)
            out = self.network.denoise(self.params, level, condition, fields)
            out = jnp.swapaxes(out, 1, 2)
            out = self.sphere.project(out) if self.project else out
            return out.reshape(z.shape)

        return denoise

    def noise(self, key: Key[Array, ""]) -> Float[Array, "target"]:
        """One draw of e ~ N(0, C)."""
        return self.sphere.draw(key, self.fields[0]).ravel()

    def noise_cov(self, w: Targets) -> Targets:
        """C w, field by field."""
        return self.sphere.covariance(w.reshape(-1, *self.fields)).reshape(w.shape)

    @property
    def noise_factor(self) -> NoiseFactor:
        """B of C = B Bᵀ, whose modes are those of the sphere."""
        return self.sphere.factor(self.fields[0])

    def next_state(self, z: Targets, x: Members) -> Members:
        """The frames of x but the first, and the frame that the target z makes of the last."""
        frames = self.fill(self.layout.unflatten(x))
        base, scale = self._base(frames[:, -1]), self.normaliser.scale[None]
        new = base + scale * z.reshape(-1, *self.fields)
        new = new if self.land_free else self.fill(new)
        return jnp.concatenate([frames[:, 1:], new[:, None]], axis=1).reshape(x.shape)

    def target(self, x: Members, x_next: Members) -> Targets:
        """The normalised target that `next_state` turns into the last frame of x_next."""
        now, new = (self.fill(self.layout.now(state)) for state in (x, x_next))
        return ((new - self._base(now)) / self.normaliser.scale[None]).reshape(len(x), -1)

    @property
    def climate_std(self) -> Float[np.ndarray, "state"]:
        """Standard deviation of every variable in the climate, in physical units."""
        return np.broadcast_to(self.normaliser.target_std, self.layout.shape).ravel()

    def fill(self, frames: Float[Array, "*axes channel point"]) -> Array:
        """The frames with the normaliser's constant wherever the layout has no value."""
        if self.undefined is None:
            return frames
        undefined = self.undefined.reshape((1,) * (frames.ndim - 2) + self.fields)
        return jnp.where(undefined, jnp.asarray(self.normaliser.fill, frames.dtype), frames)

    def _base(self, now: Float[Array, "member channel point"]) -> Array:
        """What a target of zero makes of the last frame."""
        residual = jnp.where(self.normaliser.residual[None], now, 0)
        return residual + self.normaliser.offset[None]

    def _clock(self, seconds: Time) -> dict[str, Float[Array, "point"]]:
        """Time of year and of day at every point."""
        waves = clock.features(seconds, self.layout.coords["longitude"])
        rows = len(self.layout.coords["latitude"])
        return {name: jnp.tile(wave, rows) for name, wave in waves.items()}


def on_grid(
    checkpoint: Checkpoint,
    statistics: Statistics,
    latitude: Float[np.ndarray, "lat"],
    longitude: Float[np.ndarray, "lon"],
    static: Mapping[str, Float[np.ndarray, "point"]],
    no_sea: Bool[np.ndarray, "point"] | None = None,
    **settings: Any,
) -> GenCast:
    """A checkpoint trained on ERA5, on a grid with ERA5's static fields.

    Arguments:
        checkpoint: Weights and configuration.
        statistics: Statistics of the variables that the network was trained with.
        latitude, longitude: Degrees, ascending.
        static: Static inputs by name, in physical units.
        no_sea: Where sea-surface temperature has no meaning; None: nowhere.
        settings: Further arguments of `GenCast`.
    """
    task = checkpoint.config.task_config
    land = static["land_sea_mask"] > 0.5 if "land_sea_mask" in static else None
    surface = static.get("geopotential_at_surface")
    height = None if surface is None else surface / GRAVITY
    layout = channels.layout(task, latitude, longitude, land, no_sea, height)
    return GenCast(checkpoint, Normaliser.of(task, statistics), layout, static, **settings)


def own_sampler(config: SamplerConfig) -> Sampler:
    """The sampler that a checkpoint asks for; UserError if it limits churn from above."""
    if config.churn_max_noise_level < config.max_noise_level:
        raise UserError(
            f"checkpoint: churn_max_noise_level {config.churn_max_noise_level} is below "
            f"max_noise_level {config.max_noise_level}; churn can only be limited from below"
        )
    return Sampler(
        "dpmpp_2s",
        levels=config.num_noise_levels,
        sigma_max=config.max_noise_level,
        sigma_min=config.min_noise_level,
        rho=config.rho,
        churn=config.stochastic_churn_rate,
        churn_min=config.churn_min_noise_level,
        inflation=config.noise_level_inflation_factor,
    )

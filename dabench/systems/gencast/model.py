"""GenCast as a diffusion model of the state: two frames 12 hours apart, in physical units."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Key

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.core.types import Members, Time
from dabench.diffusion.model import NoiseFactor, Sampler
from dabench.systems.gencast import batches, channels, checkpoint, clock
from dabench.systems.gencast.checkpoint import Checkpoint, SamplerConfig
from dabench.systems.gencast.network.denoiser import Network
from dabench.systems.gencast.normalise import SST, Normaliser, Statistics, load_statistics
from dabench.systems.sphere.noise import SphereNoise

Targets = Float[Array, "member target"]
FRAME_SECONDS = 3600 * channels.FRAME_HOURS


class GenCast:
    """p(x' | x) of a GenCast checkpoint.

    The state holds all target variables at t - 12 h and t, so precipitation too, which the network
    does not read. Where there is no sea, sea-surface temperature is a constant, never NaN; `land`
    says where. The target is (channel, point), normalised.

    Arguments:
        checkpoint: The network.
        statistics: The normalisation it was trained with.
        latitude, longitude: The grid in degrees, both ascending.
        static: Static inputs by name, in physical units.
        land: Where sea-surface temperature has no meaning; nowhere by default.
        noise: Of the diffusion; GenCast's own by default.
        project: Whether to project D on the range of the noise's covariance.
        precision: Of matrix products.
        batch: How many members to hold in the network at once in `forecast`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        statistics: Statistics,
        latitude: Float[np.ndarray, "lat"],
        longitude: Float[np.ndarray, "lon"],
        static: Mapping[str, Float[np.ndarray, "point"]],
        land: Bool[np.ndarray, "point"] | None = None,
        noise: SphereNoise | None = None,
        project: bool = False,
        precision: str = "highest",
        batch: int = 1,
    ):
        self.task = checkpoint.config.task_config
        stacked = channels.targets(self.task)
        units = [batches.UNITS.get(field.name, "1") for field in stacked]
        self.no_sea = _where_no_sea(stacked, land, len(latitude) * len(longitude))
        self.layout = Layout(
            tuple(Channel(f.name, u, f.level) for f, u in zip(stacked, units, strict=True)),
            {"latitude": np.asarray(latitude), "longitude": np.asarray(longitude)},
            frames=channels.frames(self.task),
            land=static["land_sea_mask"] > 0.5 if "land_sea_mask" in static else None,
            undefined=self.no_sea,
        )
        self.sampler = sampler(checkpoint.config.sampler_config)
        self.network = Network(
            checkpoint.config,
            np.asarray(latitude),
            np.asarray(longitude),
            checkpoint.metadata.get("training_grid_size"),
            precision,
        )
        self.params = jax.tree.map(jnp.asarray, checkpoint.params)
        self.sphere = SphereNoise(latitude, longitude) if noise is None else noise
        self.normaliser = Normaliser.of(self.task, statistics)
        self.static, self.project, self.batch = dict(static), project, batch
        self.fields = self.layout.shape[1:]
        self.target_size = int(np.prod(self.fields))

    def condition(self, x: Members, time: Time) -> Float[Array, "member point feature"]:
        """The known channels' part of the network; `time` in seconds since 1970."""
        known = jnp.swapaxes(self.known(x, time), 1, 2)
        return self.network.condition(self.params, known)

    def known(self, x: Members, time: Time) -> Float[Array, "member known point"]:
        """Inputs, then forcings, normalised, in the order of `channels`."""
        frames = self.fill(self.layout.unflatten(x))
        place = {(c.name, c.level): i for i, c in enumerate(self.layout.channels)}
        waves = {
            hours: self._clock(time + (hours - channels.FRAME_HOURS) * 3600)
            for hours in range(channels.FRAME_HOURS, -self.layout.frames * 12, -12)
        }

        def field(f: channels.Field) -> Float[Array, "#member point"]:
            if f.name in channels.STATIC:
                return jnp.asarray(self.static[f.name], x.dtype)[None]
            if f.name in channels.CLOCK:
                return waves[f.hours or 0][f.name][None].astype(x.dtype)
            frame = (f.hours or 0) // channels.FRAME_HOURS + self.layout.frames - 1
            return frames[:, frame, place[f.name, f.level]]

        stacked = (*channels.inputs(self.task), *channels.forcings(self.task))
        shape = (len(x), self.layout.points)
        known = jnp.stack([jnp.broadcast_to(field(f), shape) for f in stacked], axis=1)
        return (known - self.normaliser.mean[None]) / self.normaliser.std[None]

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
        """The last frame of x, and the frame that the target z makes of it."""
        frames = self.fill(self.layout.unflatten(x))
        now, scale = self._base(frames[:, -1]), self.normaliser.scale[None]
        new = self.fill(now + scale * z.reshape(-1, *self.fields))
        return jnp.concatenate([frames[:, 1:], new[:, None]], axis=1).reshape(x.shape)

    def target(self, x: Members, x_next: Members) -> Targets:
        """The normalised target that `next_state` turns into the last frame of x_next."""
        now, new = (self.fill(self.layout.now(each)) for each in (x, x_next))
        return ((new - self._base(now)) / self.normaliser.scale[None]).reshape(len(x), -1)

    def _base(self, now: Float[Array, "member channel point"]) -> Array:
        residual = jnp.where(self.normaliser.residual[None], now, 0)
        return residual + self.normaliser.offset[None]

    def fill(self, frames: Float[Array, "*axes channel point"]) -> Array:
        mask = self.no_sea.reshape((1,) * (frames.ndim - 2) + self.fields)
        return jnp.where(mask, jnp.asarray(self.normaliser.fill, frames.dtype), frames)

    def _clock(self, seconds: Time) -> dict[str, Float[Array, "point"]]:
        waves = clock.features(seconds, self.layout.coords["longitude"])
        repeat = len(self.layout.coords["latitude"])
        return {name: jnp.tile(wave, repeat) for name, wave in waves.items()}


def _where_no_sea(
    stacked: Sequence[channels.Field], land: np.ndarray | None, points: int
) -> Bool[np.ndarray, "channel point"]:
    no_sea = np.zeros(points, bool) if land is None else land
    return np.array([f.name == SST for f in stacked])[:, None] & no_sea[None]


def sampler(config: SamplerConfig) -> Sampler:
    """A checkpoint's own sampler."""
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


def open_model(
    checkpoint_path: str | Path, statistics_folder: str | Path, batch: xr.Dataset, **settings
) -> tuple[GenCast, Float[np.ndarray, "state"], int]:
    """The model of a checkpoint on a batch's grid, the batch's state, and its next valid time.

    Arguments:
        batch: In the official files' layout; its first frames are the state.
        settings: Further arguments of `GenCast`.
    Returns:
        The model, the state (filled where there is no sea) and seconds since 1970 of x'.
    """
    loaded = checkpoint.load(checkpoint_path)
    task = loaded.config.task_config
    times = range(channels.frames(task))
    frames = np.stack([batches.frame(batch, task, time) for time in times])
    index = [i for i, field in enumerate(channels.targets(task)) if field.name == SST]
    land = np.asarray(np.isnan(frames[:, index]).any(axis=(0, 1)))
    ordered = batch.sortby("lat")
    model = GenCast(
        loaded,
        load_statistics(statistics_folder),
        ordered["lat"].values,
        ordered["lon"].values,
        batches.static(batch, task),
        land,
        **settings,
    )
    state = np.asarray(model.fill(jnp.asarray(frames))).ravel()
    return model, state, batches.seconds(batch, times[-1]) + FRAME_SECONDS

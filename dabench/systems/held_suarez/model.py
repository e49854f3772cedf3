"""The embedded GenCast as a diffusion model of the state, with noise and output in its band."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.layout import Layout
from dabench.core.types import Members, Time
from dabench.diffusion.model import NoiseFactor, Sampler
from dabench.systems.atmosphere.atmosphere import Statistics, normalised
from dabench.systems.atmosphere.grid import grid, sphere_noise
from dabench.systems.gencast import channels as gencast
from dabench.systems.gencast.checkpoint import Checkpoint
from dabench.systems.gencast.network.denoiser import Network
from dabench.systems.held_suarez.channels import HELD_SUAREZ
from dabench.systems.sphere.noise import SphereNoise

BATCH = 4  # members at a time: the fastest on a CPU
SAMPLER = Sampler("dpmpp_2m", levels=12, sigma_max=60.0, sigma_min=0.01)
Targets = Float[Array, "member target"]


def static_input(sphere: SphereNoise) -> Float[Array, "point"]:
    """Surface geopotential, normalised by its area mean and standard deviation."""
    geopotential = HELD_SUAREZ.ground(HELD_SUAREZ.files)["geopotential_at_surface"]
    return sphere.synthesise(jnp.asarray(normalised(geopotential), jnp.float32))


def stack_inputs(
    fields: tuple[gencast.Field, ...],
    previous: Float[Array, "member channel point"],
    now: Float[Array, "member channel point"],
    static: Float[Array, "point"],
) -> Float[Array, "member point known"]:
    """The network's known channels, all normalised, in the order of `fields`."""
    place = {(c.name, c.level): i for i, c in enumerate(HELD_SUAREZ.channels)}
    frames = {-gencast.FRAME_HOURS: previous, 0: now}
    ground = jnp.broadcast_to(static[None], (len(now), *static.shape))
    known = [
        ground if f.hours is None else frames[f.hours][:, place[f.name, f.level]] for f in fields
    ]
    return jnp.stack(known, axis=-1)


class HeldSuarezModel:
    """p(x' | x) of the embedded atmosphere: two 12-hourly frames of 24 channels.

    The target is the 12-hour difference over its standard deviation, (channel, point). Noise is
    isotropic on the sphere with equal power in degrees 0 to 31, and D is projected on that band.

    Arguments:
        checkpoint: The network.
        statistics: The normalisation it was trained with.
        resolution: Grid spacing in degrees; any, since nothing in the weights depends on it.
        project: Whether to project D on the band of the noise.
    """

    sampler = SAMPLER

    def __init__(
        self,
        checkpoint: Checkpoint,
        statistics: Statistics,
        resolution: float = 4.0,
        project: bool = True,
    ) -> None:
        lat, lon = grid(resolution)
        self.params = jax.tree.map(jnp.asarray, checkpoint.params)
        trained_on = checkpoint.metadata.get("training_grid_size")
        self.network = Network(checkpoint.config, lat, lon, trained_on)
        self.sphere = sphere_noise(resolution)
        self.layout = Layout(HELD_SUAREZ.channels, {"latitude": lat, "longitude": lon}, frames=2)
        self.mean, self.std, self.diff_std = (
            jnp.asarray(a, jnp.float32)[None, :, None] for a in statistics
        )
        self.static = static_input(self.sphere)
        self.inputs = gencast.inputs(checkpoint.config.task_config)
        self.shape = self.layout.shape[1:]
        self.target_size = int(np.prod(self.shape))
        self.project = project

    def condition(self, x: Members, time: Time) -> Float[Array, "member point feature"]:
        """The known channels' part of the network; `time` plays no role in this climate."""
        frames = self.layout.unflatten(x)
        previous, now = ((frames[:, i] - self.mean) / self.std for i in (0, 1))
        known = stack_inputs(self.inputs, previous, now, self.static)
        return self.network.condition(self.params, known)

    def denoiser(self, sigma: Float[Array, ""]) -> Callable[[Targets, Array], Targets]:
        """D at one noise level, projected on the band."""
        level = self.network.at_level(self.params, jnp.asarray(sigma, jnp.float32))

        def denoise(z: Targets, condition: Array) -> Targets:
            fields = jnp.swapaxes(z.reshape(-1, *self.shape), 1, 2)
            out = self.network.denoise(self.params, level, condition, fields)
            out = jnp.swapaxes(out, 1, 2)
            if self.project:
                out = self.sphere.project(out)
            return out.reshape(len(z), -1)

        return denoise

    def noise(self, key: Key[Array, ""]) -> Float[Array, "target"]:
        """One draw of e ~ N(0, C)."""
        return self.sphere.draw(key, self.shape[0]).ravel()

    def noise_cov(self, w: Targets) -> Targets:
        """C w, field by field."""
        return self.sphere.covariance(w.reshape(-1, *self.shape)).reshape(len(w), -1)

    @property
    def noise_factor(self) -> NoiseFactor:
        """B of C = B Bᵀ, whose modes are those of the sphere."""
        return self.sphere.factor(self.shape[0])

    def next_state(self, z: Targets, x: Members) -> Members:
        """(now, now + 12-hour difference)."""
        now = self.layout.now(x)
        new = now + self.diff_std * z.reshape(-1, *self.shape)
        return jnp.stack([now, new], axis=1).reshape(len(x), -1)

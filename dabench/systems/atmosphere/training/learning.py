"""Training the embedded GenCast on the nature run, in the coefficients of its band.

Targets, noise and (after projection) the denoiser's output lie in the band of degree <= 31, where
the area-weighted mean square of a field is the sum of squares of its coefficients over 4π: the
loss needs no grid. Needs the optional package `optax` (extra `train`).
"""

import csv
import io
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dabench.core.files import replace
from dabench.systems.atmosphere.atmosphere import SURFACE, Atmosphere, Ground, normalised
from dabench.systems.atmosphere.grid import grid, sphere_noise
from dabench.systems.atmosphere.means import Relation
from dabench.systems.atmosphere.training.pairs import Batch, TrainingFrames
from dabench.systems.atmosphere.training.state import (
    TrainSettings,
    TrainState,
    initial_state,
    load_state,
    optimiser,
    save_state,
)
from dabench.systems.gencast import channels as gencast
from dabench.systems.gencast import checkpoint
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

log = logging.getLogger(__name__)

BEAT_SECONDS = 30.0
"""Time between two lines of the log on how far a training is."""

VALIDATION_SIGMAS = (0.1, 0.5, 1.5, 5.0, 15.0, 50.0)


def network_config(atmosphere: Atmosphere, width: int = 64, mesh: int = 3) -> checkpoint.Config:
    """The small GenCast of four layers: `width` features a node, a mesh refined `mesh` times."""
    targets = (*SURFACE, *atmosphere.upper)
    task = checkpoint.TaskConfig(
        input_variables=(*targets, *atmosphere.static),
        target_variables=targets,
        pressure_levels=atmosphere.levels,
    )
    transformer = checkpoint.TransformerConfig(
        attention_k_hop=1, d_model=width, num_layers=4, num_heads=4, ffw_hidden=2 * width
    )
    size = checkpoint.DenoiserConfig(
        transformer,
        mesh_size=mesh,
        latent_size=width,
        grid2mesh_aggregate_normalization=10.24,  # mean in-degree of a mesh node at 4 degrees
        node_output_size=len(atmosphere.channels),
    )
    sampler = checkpoint.SamplerConfig(max_noise_level=60.0, stochastic_churn_rate=0.0)
    return checkpoint.Config(task, size, sampler)


class Trainer:
    """Loss and update of one network on one grid.

    Arguments:
        ground: Coefficients of the static fields, in physical units.
        means: Relation that the global means of targets obey.
        resolution: Grid spacing in degrees.
    """

    def __init__(
        self,
        settings: TrainSettings,
        config: checkpoint.Config,
        ground: Ground,
        means: Relation,
        resolution: float = 4.0,
    ) -> None:
        lat, lon = grid(resolution)
        self.settings, self.config, self.means = settings, config, means
        self.network = DenoiserNetwork(config, lat, lon)
        self.sphere = sphere_noise(resolution)
        self.static = {
            name: self.sphere.synthesise(jnp.asarray(normalised(field), jnp.float32))
            for name, field in ground.items()
        }
        self.inputs = gencast.inputs(config.task_config)
        targets = gencast.targets(config.task_config)
        self.place = {(f.name, f.level): i for i, f in enumerate(targets)}
        self.rule = optimiser(settings)
        self.update = jax.jit(self._update, donate_argnums=0)
        self.errors = jax.jit(self._errors)

    def start(self, params: checkpoint.Params | None = None) -> TrainState:
        """Before the first step, from `params` or from fresh random ones."""
        return initial_state(self.settings, self.config, params)

    def denoise(
        self, params: checkpoint.Params, batch: Batch, noisy: Array, sigma: Float[Array, "pair"]
    ) -> Float[Array, "pair channel coefficient"]:
        """Coefficients of D, projected on the band, with means that obey their relation."""
        previous, now, z = (self.sphere.synthesise(c) for c in (batch.previous, batch.now, noisy))
        level = self.network.at_level(params, sigma)
        condition = self.network.condition(params, self.known(previous, now))
        out = self.network.denoise(params, level, condition, jnp.swapaxes(z, 1, 2))
        inside = self.sphere.analyse(jnp.swapaxes(out, 1, 2))
        means = inside[:, :, 0] @ jnp.asarray(self.means.T, jnp.float32)
        return inside.at[:, :, 0].set(means)

    def known(
        self,
        previous: Float[Array, "pair channel point"],
        now: Float[Array, "pair channel point"],
    ) -> Float[Array, "pair point known"]:
        """The network's known channels, all normalised, in GenCast's order."""
        frames = {-gencast.FRAME_HOURS: previous, 0: now}

        def field(f: gencast.Field) -> Array:
            if f.hours is None:
                return jnp.broadcast_to(self.static[f.name][None], now[:, 0].shape)
            return frames[f.hours][:, self.place[f.name, f.level]]

        return jnp.stack([field(f) for f in self.inputs], axis=-1)

    def noisy(self, key: Array, target: Array, sigma: Float[Array, "pair"]) -> Array:
        """Coefficients of target + sigma e, e isotropic with equal power in every degree."""
        noise = jax.random.normal(key, target.shape, jnp.float32)
        return (
            target
            + sigma[:, None, None] * noise * jnp.asarray(self.sphere.std, jnp.float32)[None, None]
        )

    def _update(self, state: TrainState, batch: Batch, key: Array) -> tuple[TrainState, Array]:
        key_level, key_noise = jax.random.split(key)
        sigma = self._levels(key_level, len(batch.target))
        noisy = self.noisy(key_noise, batch.target, sigma)

        def loss(params):
            error = self.denoise(params, batch, noisy, sigma) - batch.target
            square = (error**2).sum(-1).mean(-1) / (4 * np.pi)
            return jnp.mean(square * (1 + sigma**-2))  # EDM's weight 1 / c_out^2

        value, slope = jax.value_and_grad(loss)(state.params)
        change, optimiser = self.rule.update(slope, state.optimiser)
        params: Any = optax.apply_updates(state.params, change)
        done = state.step.astype(jnp.float32)
        decay = jnp.minimum(self.settings.ema, (1 + done) / (10 + done))
        average = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, state.average, params)
        return TrainState(params, average, optimiser, state.step + 1), value

    def _levels(self, key: Array, size: int) -> Float[Array, "pair"]:
        """Noise levels, uniform in the logarithm and stratified over the batch."""
        low, high = math.log(self.settings.sigma_min), math.log(self.settings.sigma_max)
        u = jax.random.uniform(key, (), jnp.float32)
        return jnp.exp(low + (high - low) * (jnp.arange(size, dtype=jnp.float32) + u) / size)

    def _errors(
        self, params: checkpoint.Params, batch: Batch, sigma: Array, key: Array
    ) -> Float[Array, "channel"]:
        """Mean square error of D over pairs and area, in units of the 12-hour difference."""
        levels = jnp.full(len(batch.target), sigma, jnp.float32)
        out = self.denoise(params, batch, self.noisy(key, batch.target, levels), levels)
        return ((out - batch.target) ** 2).sum(-1).mean(0) / (4 * np.pi)


def validate(
    trainer: Trainer, params: checkpoint.Params, held_out: TrainingFrames, size: int = 24
) -> dict[str, float]:
    """Root-mean-square error of D on fixed held-out pairs and noise, for each noise level.

    Over all channels, in units of the 12-hour difference's standard deviation; `persistence` is
    the same of no change at all.
    """
    index = np.linspace(0, len(held_out) - 1, size).astype(int)
    batches = [held_out.pairs(part) for part in np.array_split(index, -(-size // 8))]
    out = {}
    for i, sigma in enumerate(VALIDATION_SIGMAS):
        keys = jax.random.split(jax.random.key(i), len(batches))
        square = [
            trainer.errors(params, b, jnp.float32(sigma), k)
            for b, k in zip(batches, keys, strict=True)
        ]
        out[f"sigma_{sigma:g}"] = float(np.sqrt(np.mean(square)))
    still = [np.mean((b.target**2).sum(-1)) / (4 * np.pi) for b in batches]
    return out | {"persistence": float(np.sqrt(np.mean(still)))}


def fit(
    trainer: Trainer,
    training: TrainingFrames,
    held_out: TrainingFrames,
    out: Path,
    start: checkpoint.Params | None = None,
    progress: Callable[[dict], None] = lambda row: None,
) -> TrainState:
    """Train to `settings.steps`, going on from `out`/state.npz if it is there.

    Every step depends on the state and on (seed, step) alone, so an interrupted training ends
    bit-identical to an uninterrupted one. Validation goes to `out`/validation.csv.
    """
    settings, path = trainer.settings, out / "state.npz"
    out.mkdir(parents=True, exist_ok=True)
    state = trainer.start(start)
    if path.exists():
        state = load_state(path, state)
    root, losses, began = jax.random.key(settings.seed), [], time.perf_counter()
    beat = _Beat(int(state.step), settings.steps)
    for step in range(int(state.step), settings.steps):
        batch = training.draw(settings.seed, step, settings.batch, settings.input_error)
        state, value = trainer.update(state, batch, jax.random.fold_in(root, step))
        losses.append(value)
        done = step + 1
        beat(done)
        if done % settings.validate_every == 0 or done == settings.steps:
            row = {
                "step": done,
                "loss": float(np.mean(losses)),
                "rate": float(settings.rate(step)),
                "seconds_per_step": (time.perf_counter() - began) / len(losses),
            } | validate(trainer, state.average, held_out)
            append_row(out / "validation.csv", row)
            progress(row)
            losses, began = [], time.perf_counter()
        if done % settings.save_every == 0 or done == settings.steps:
            save_state(path, state)
    return state


class _Beat:
    """Logs how far a training is, with the time left, once in `BEAT_SECONDS`.

    Arguments:
        done: Steps that were there at the start.
        steps: Steps of the whole training.
    """

    def __init__(self, done: int, steps: int):
        self.done, self.steps = done, steps
        self.began = self.last = time.perf_counter()
        if done < steps:
            log.info("training: step %d of %d, compiling", done, steps)

    def __call__(self, done: int) -> None:
        """Take up the number of steps that are done."""
        now = time.perf_counter()
        if now - self.last < BEAT_SECONDS:
            return
        self.last = now
        left = (now - self.began) / (done - self.done) * (self.steps - done) / 60
        log.info("training: step %d of %d, %.0f min left", done, self.steps, left)


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add one line to a CSV file, dropping lines of steps that are being repeated."""
    rows = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if int(r["step"]) < row["step"]]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerows([*rows, {k: f"{v:.5g}" if k != "step" else v for k, v in row.items()}])
    replace(path, text.getvalue().encode())

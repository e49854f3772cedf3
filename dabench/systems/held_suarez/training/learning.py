"""Training the embedded GenCast on the nature run, in the coefficients of its band.

Targets, noise and (after projection) the denoiser's output lie in the band of degree <= 31, where
the area-weighted mean square of a field is the sum of squares of its coefficients over 4π: the
loss needs no grid. Needs the optional package `optax` (extra `train`).
"""

import csv
import dataclasses
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from dabench.core import files
from dabench.systems.gencast import channels as gencast
from dabench.systems.gencast import checkpoint
from dabench.systems.gencast.network import parameters
from dabench.systems.gencast.network.denoiser import Network
from dabench.systems.held_suarez import channels, harmonics
from dabench.systems.held_suarez.model import grid, sphere_noise, stack_inputs, static_input

log = logging.getLogger(__name__)

_DEGREE = harmonics.degrees()
_SHARE = (_DEGREE + 1.0) ** -2 / (2 * _DEGREE + 1)
ERROR_STD = np.sqrt(4 * np.pi * _SHARE / _SHARE.sum()).astype(np.float32)
VALIDATION_SIGMAS = (0.1, 0.5, 1.5, 5.0, 15.0, 50.0)


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """Everything that determines the weights, besides the data and the network's configuration.

    The learning rate rises over `warmup` steps, stays at `peak_rate` and falls linearly to zero
    over the last `decay_share` of `steps`, so a run may be prolonged before its decay begins.
    `input_error` are the least and the largest size of the errors that inputs carry; see
    `Frames.draw`.
    """

    steps: int = 20000
    batch: int = 4
    peak_rate: float = 3e-3
    warmup: int = 100
    decay_share: float = 0.25
    ema: float = 0.999
    clip: float = 1.0
    sigma_min: float = 0.02
    sigma_max: float = 88.0
    input_error: tuple[float, float] = (0.01, 0.3)
    seed: int = 7
    save_every: int = 250
    validate_every: int = 500

    def rate(self, step: Any) -> Any:
        """Learning rate of a step, counted from zero."""
        step = jnp.asarray(step, jnp.float32)
        rise = jnp.minimum(1.0, (step + 1) / self.warmup)
        fall = jnp.clip((self.steps - step) / (self.decay_share * self.steps), 0.0, 1.0)
        return self.peak_rate * rise * fall


class Batch(NamedTuple):
    """Normalised coefficients: the two input frames, and their target (`pair` x channel x ...)."""

    previous: Float[Array, "pair channel coefficient"]
    now: Float[Array, "pair channel coefficient"]
    target: Float[Array, "pair channel coefficient"]


class Frames:
    """Normalised, consecutive frames of several members, from which pairs are drawn."""

    def __init__(
        self, members: list[channels.Coefficients], statistics: channels.Statistics
    ) -> None:
        mean, std, diff_std = (a[:, None].astype(np.float32) for a in statistics)
        self.members = []
        for frames in members:
            normal = frames / std
            normal[:, :, :1] -= mean / std * np.float32(np.sqrt(4 * np.pi))
            self.members.append(normal)
        self.scale = std / diff_std
        self.starts = [(m, k) for m, rows in enumerate(members) for k in range(len(rows) - 2)]

    def __len__(self) -> int:
        return len(self.starts)

    def pairs(self, index: np.ndarray) -> Batch:
        """The batch of the given starting points."""
        rows = np.stack([self.members[m][k : k + 3] for m, k in (self.starts[i] for i in index)])
        target = (rows[:, 2] - rows[:, 1]) * self.scale
        return Batch(*map(jnp.asarray, (rows[:, 0], rows[:, 1], target)))

    def draw(self, seed: int, step: int, size: int, error: tuple[float, float]) -> Batch:
        """The batch of one step, a function of (seed, step) alone.

        Inputs carry random errors, which the target takes away again. The climate alone does not
        tell what follows a state that is off it (one of another mass, say), and without them such
        errors grew from cycle to cycle. They are of large scale (variance falling with degree l as
        (l + 1)^-2), independent in every channel, and on the first frame a random share of those on
        the second. Their size is uniform in the logarithm between the two of `error`, in standard
        deviations of the 12-hour difference.
        """
        rng = np.random.default_rng([seed, step])
        clean = self.pairs(rng.choice(len(self), size, replace=False))
        low, high = np.log(error)
        sizes = np.exp(rng.uniform(low, high, (size, 1, 1)))
        shape = clean.target.shape
        target = (sizes * rng.standard_normal(shape) * ERROR_STD).astype(np.float32)
        now = (target / self.scale).astype(np.float32)
        previous = rng.uniform(size=(size, 1, 1)).astype(np.float32) * now
        return Batch(clean.previous + previous, clean.now + now, clean.target - target)


class TrainState(NamedTuple):
    """All that changes during training, and so all that resuming needs."""

    params: checkpoint.Params
    average: checkpoint.Params
    optimiser: Any
    step: Array


def network_config() -> checkpoint.Config:
    """The small GenCast: mesh 3, width 64, four layers."""
    upper, surface = tuple(channels.UPPER), tuple(channels.SURFACE)
    task = checkpoint.TaskConfig(
        input_variables=(*surface, *upper, "geopotential_at_surface"),
        target_variables=(*surface, *upper),
        pressure_levels=channels.LEVELS,
    )
    transformer = checkpoint.TransformerConfig(
        attention_k_hop=1, d_model=64, num_layers=4, num_heads=4, ffw_hidden=128
    )
    size = checkpoint.DenoiserConfig(
        transformer,
        mesh_size=3,
        latent_size=64,
        grid2mesh_aggregate_normalization=10.24,  # mean in-degree of a mesh node at 4 degrees
        node_output_size=len(channels.channels()),
    )
    sampler = checkpoint.SamplerConfig(max_noise_level=60.0, stochastic_churn_rate=0.0)
    return checkpoint.Config(task, size, sampler)


class Trainer:
    """Loss and update of one network on one grid."""

    def __init__(
        self, settings: TrainSettings, config: checkpoint.Config, resolution: float = 4.0
    ) -> None:
        lat, lon = grid(resolution)
        self.settings, self.config = settings, config
        self.network = Network(config, lat, lon)
        self.sphere = sphere_noise(resolution)
        self.static = static_input(self.sphere)
        self.inputs = gencast.inputs(config.task_config)
        rule = optax.chain(
            optax.clip_by_global_norm(settings.clip),
            optax.scale_by_adam(),
            optax.scale_by_learning_rate(settings.rate),
        )
        self.rule = rule
        self.update = jax.jit(self._update, donate_argnums=0)
        self.errors = jax.jit(self._errors)

    def start(self, params: checkpoint.Params | None = None) -> TrainState:
        """Before the first step, from `params` or from fresh random ones."""
        if params is None:
            params = parameters.initialise(
                jax.random.key(self.settings.seed), self.config, output_scale=0.1
            )
        first: Any = jax.tree.map(jnp.asarray, params)
        average = jax.tree.map(jnp.array, first)
        return TrainState(first, average, self.rule.init(first), jnp.zeros((), jnp.int32))

    def denoise(
        self, params: checkpoint.Params, batch: Batch, noisy: Array, sigma: Float[Array, "pair"]
    ) -> Float[Array, "pair channel coefficient"]:
        """Coefficients of D, projected on the band."""
        previous, now, z = (self.sphere.synthesise(c) for c in (batch.previous, batch.now, noisy))
        known = stack_inputs(self.inputs, previous, now, self.static)
        level = self.network.at_level(params, sigma)
        condition = self.network.condition(params, known)
        out = self.network.denoise(params, level, condition, jnp.swapaxes(z, 1, 2))
        return self.sphere.analyse(jnp.swapaxes(out, 1, 2))

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


def validate(trainer: Trainer, params: checkpoint.Params, held_out: Frames, size: int = 24) -> dict:
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


def save_state(path: Path, state: TrainState) -> None:
    """Write everything needed to resume, so that the file is either absent or whole."""
    leaves = jax.tree.leaves(state)
    files.save(path, {f"leaf_{i:04d}": np.asarray(leaf) for i, leaf in enumerate(leaves)})


def load_state(path: Path, like: TrainState) -> TrainState:
    """What `save_state` wrote, in the structure of `like`."""
    with np.load(path) as file:
        leaves = [jnp.asarray(file[name]) for name in sorted(file.files)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def fit(
    trainer: Trainer,
    training: Frames,
    held_out: Frames,
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
    for step in range(int(state.step), settings.steps):
        batch = training.draw(settings.seed, step, settings.batch, settings.input_error)
        state, value = trainer.update(state, batch, jax.random.fold_in(root, step))
        losses.append(value)
        done = step + 1
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


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add one line to a CSV file, dropping lines of steps that are being repeated."""
    rows = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if int(r["step"]) < row["step"]]
    draft = path.with_suffix(".part")
    with draft.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([*rows, {k: f"{v:.5g}" if k != "step" else v for k, v in row.items()}])
    draft.replace(path)

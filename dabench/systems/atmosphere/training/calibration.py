"""Fit of the weights that calibrate a trained network, on frames that it was trained on.

The last frame carries errors, as in training, and errors of small scale besides, as a network's
own: the fit then knows how a state that is off the climate returns to it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dabench.systems.atmosphere.atmosphere import LMAX
from dabench.systems.atmosphere.calibration import Calibration
from dabench.systems.atmosphere.training.learning import Trainer
from dabench.systems.atmosphere.training.pairs import Batch, TrainingFrames
from dabench.systems.gencast.checkpoint import Params
from dabench.systems.sphere.harmonics import degrees

LEVELS = 12
SIGMA = 0.01, 60.0  # least and largest noise level
BATCH = 8
LARGE_SCALE = (0.01, 0.3)  # least and largest size of an error, in 12-hour standard deviations
SMALL_SCALE = (0.003, 0.1)
RIDGE = 1e-8  # of the features' mean square: keeps channels without power where they are


def fit(trainer: Trainer, params: Params, frames: TrainingFrames, pairs: int = 72) -> Calibration:
    """Weights by least squares at `LEVELS` noise levels, each on `pairs` pairs of frames."""
    sigma = np.geomspace(*SIGMA, LEVELS)
    batches = [_batch(trainer, frames, step) for step in range(-(-pairs // BATCH))]
    denoise = jax.jit(trainer.denoise)

    def weights(level: float, seed: int) -> Float[np.ndarray, "channel degree 2"]:
        left, right = 0.0, 0.0
        for step, batch in enumerate(batches):
            key = jax.random.fold_in(jax.random.key(seed), step)
            levels = jnp.full(len(batch.target), level, jnp.float32)
            noisy = trainer.noisy(key, batch.target, levels)
            output = denoise(params, batch, noisy, levels)
            products = _products(output, batch)
            left, right = left + products[0], right + products[1]
        return _solve(np.asarray(left), np.asarray(right))

    table = [weights(level, seed) for seed, level in enumerate(sigma)]
    return Calibration(sigma, np.array(table, np.float32))


def _batch(trainer: Trainer, frames: TrainingFrames, step: int) -> Batch:
    """Pairs of which the last frame has errors of large and of small scale."""
    size = min(BATCH, len(frames))
    batch = frames.draw(trainer.settings.seed, step, size, LARGE_SCALE)
    rng = np.random.default_rng([trainer.settings.seed, step, 1])
    low, high = np.log(SMALL_SCALE)
    sizes = np.exp(rng.uniform(low, high, (size, 1, 1)))
    errors = sizes * rng.standard_normal(batch.target.shape) * trainer.sphere.std
    return frames.with_errors(batch, errors, rng.uniform(size=(size, 1, 1)))


def _products(output: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Sums over pairs and orders: features by features, features by target; float64."""
    features = [np.asarray(a, np.float64) for a in (output, batch.now)]
    target = np.asarray(batch.target, np.float64)
    left = [[_by_degree(f * g) for g in features] for f in features]
    return np.array(left), np.array([_by_degree(f * target) for f in features])


def _by_degree(products: Float[np.ndarray, "pair channel coefficient"]) -> np.ndarray:
    """Sums over pairs and the orders of a degree: (channel, degree)."""
    starts = np.searchsorted(degrees(LMAX), np.arange(LMAX + 1))
    return np.add.reduceat(products.sum(0), starts, axis=-1)


def _solve(
    left: Float[np.ndarray, "2 2 channel degree"], right: Float[np.ndarray, "2 channel degree"]
) -> Float[np.ndarray, "channel degree 2"]:
    """The weights a and b of every channel and degree; 1 and 0 for means."""
    matrix, vector = np.moveaxis(left, (0, 1), (-2, -1)), np.moveaxis(right, 0, -1)
    size = np.trace(matrix, axis1=-2, axis2=-1)[..., None, None]
    ridge = (RIDGE * size + np.finfo(float).tiny) * np.eye(2)
    weights = np.linalg.solve(matrix + ridge, vector[..., None])[..., 0]
    weights[:, 0] = 1, 0
    return weights

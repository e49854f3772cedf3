"""Pairs of consecutive frames, normalised, as training draws them."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.atmosphere.atmosphere import LMAX, Coefficients, Statistics
from dabench.systems.atmosphere.means import Relation
from dabench.systems.sphere.harmonics import degrees

_DEGREE = degrees(LMAX)
_SHARE = (_DEGREE + 1.0) ** -2 / (2 * _DEGREE + 1)
ERROR_STD = np.sqrt(4 * np.pi * _SHARE / _SHARE.sum()).astype(np.float32)


class Batch(NamedTuple):
    """Normalised coefficients: the two input frames, and their target (`pair` x channel x ...)."""

    previous: Float[Array, "pair channel coefficient"]
    now: Float[Array, "pair channel coefficient"]
    target: Float[Array, "pair channel coefficient"]


class TrainingFrames:
    """Normalised, consecutive frames of several members, from which pairs are drawn.

    Arguments:
        members: Frames in physical units.
        means: Relation that the global means of the inputs' errors obey, as those of targets do.
    """

    def __init__(
        self, members: list[Coefficients], statistics: Statistics, means: Relation
    ) -> None:
        mean, std, diff_std = (a[:, None].astype(np.float32) for a in statistics)
        self.members = []
        for frames in members:
            normal = frames / std
            normal[:, :, :1] -= mean / std * np.float32(np.sqrt(4 * np.pi))
            self.members.append(normal)
        self.scale, self.means = std / diff_std, means
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
        tell what follows a state that is off it (one of another humidity, say), and without them
        such errors grew from cycle to cycle. They are of large scale (variance falling with degree
        l as (l + 1)^-2), independent in every channel but for their means, and on the first frame a
        random share of those on the second. Their size is uniform in the logarithm between the two
        of `error`, in standard deviations of the 12-hour difference.
        """
        rng = np.random.default_rng([seed, step])
        clean = self.pairs(rng.choice(len(self), size, replace=False))
        low, high = np.log(error)
        sizes = np.exp(rng.uniform(low, high, (size, 1, 1)))
        shape = clean.target.shape
        errors = sizes * rng.standard_normal(shape) * ERROR_STD
        return self.with_errors(clean, errors, rng.uniform(size=(size, 1, 1)))

    def with_errors(
        self,
        clean: Batch,
        errors: Float[np.ndarray, "pair channel coefficient"],
        share: Float[np.ndarray, "pair 1 1"],
    ) -> Batch:
        """The batch whose second frames have errors, their first ones a share of these.

        Arguments:
            errors: In standard deviations of the 12-hour difference; their means are made to obey
                the relation.
        """
        target = errors.astype(np.float32)
        target[:, :, 0] = target[:, :, 0] @ self.means.T
        now = (target / self.scale).astype(np.float32)
        previous = share.astype(np.float32) * now
        return Batch(clean.previous + previous, clean.now + now, clean.target - target)

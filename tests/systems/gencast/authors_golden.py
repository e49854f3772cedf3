"""Where numbers of the FA-APF authors' own program lie, and a folder of them as tests read it.

Folders: tests/data/authors and those in DABENCH_AUTHORS_GOLDEN (os.pathsep separated), with
everything below them. Checkpoint, statistics and example batch are those of the golden folder of
GenCast (see `gencast_golden`) with the same grid, channels and network. Land is forecast and
observed as if it were sea, as their program has it.
"""

import copy
import os
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import gencast_golden
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gencast_golden import Case, targets
from jaxtyping import Array, Float

from dabench.core.layout import Layout
from dabench.diffusion.guidance import (
    Condition,
    GuidanceSettings,
    kalman_update,
    posterior_mean,
    prepare,
)
from dabench.diffusion.krylov import solve
from dabench.diffusion.model import Sampler
from dabench.observe.stations import block_means
from dabench.systems.gencast.model import GenCast

HERE = Path(__file__).parents[2] / "data" / "authors"
LAST = "/decoder_nodes_grid_nodes_mlp/~/linear_1"
GUIDANCE = GuidanceSettings("bicgstab", 2, "vjp", "identity", "climate", guarded=False)
SIGMA_MAX, SIGMA_MIN, RHO = 88.0, 2e-5, 6.0


def folders(pattern: str) -> list[Path]:
    """Every folder with a file of this pattern."""
    extra = os.environ.get("DABENCH_AUTHORS_GOLDEN", "").split(os.pathsep)
    roots = [HERE, *map(Path, filter(None, extra))]
    below = [d for root in roots for d in (root, *sorted(root.rglob("*/"))) if d.is_dir()]
    return [d for d in dict.fromkeys(below) if any(d.glob(pattern))]


def files(pattern: str) -> list[Path]:
    """Every file of this pattern, in all folders."""
    return [file for folder in folders(pattern) for file in sorted(folder.glob(pattern))]


def name(file: Path) -> str:
    """The name of a file with its folder's."""
    return "-".join((file.parent.name, file.stem))


def damped(params: Any) -> Any:
    """The weights with a last layer of 2^-9 of its size."""
    return {
        path: {k: a * 2.0**-9 for k, a in arrays.items()} if path.endswith(LAST) else arrays
        for path, arrays in params.items()
    }


class SetUp(NamedTuple):
    """Observations in physical units."""

    index: Float[np.ndarray, "obs corner"]
    weight: Float[np.ndarray, "obs corner"]
    error_std: Float[np.ndarray, "obs"]
    y: Float[np.ndarray, "obs"]

    def operator(self, layout: Layout):
        """h."""

        def h(x):
            values = layout.now(x).ravel()[self.index]
            return (values * jnp.asarray(self.weight, values.dtype)).sum(-1)

        return h


class Authors:
    """A folder of the authors' numbers; asking for what it lacks skips the test."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._guided: dict[str, Any] = {}

    def arrays(self, file: str) -> dict[str, np.ndarray]:
        path = self.folder / file
        if not path.exists():
            pytest.skip(f"no {file} in {self.folder}")
        with np.load(path) as stored:
            return dict(stored)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(lat, lon, channel) of the fields."""
        for pattern, key in (("noise_*.npz", "init_noise"), ("guided_shared.npz", "D")):
            for file in self.folder.glob(pattern):
                with np.load(file) as stored:
                    return stored[key].shape[-3:]
        return self.arrays("weights.npz")["expected_state"].shape[-3:]

    @cached_property
    def case(self) -> Case:
        """The golden folder of the network: with the same fields, and the nearest D."""
        cases = [Case(d) for d in self._candidates() if (d / "example_batch.nc").exists()]
        cases = [c for c in cases if c.denoiser["noisy_targets"].shape[-3:] == self.shape]
        if not cases:
            pytest.skip(f"no golden folder of GenCast with fields {self.shape} for {self.folder}")
        return cases[0] if len(cases) == 1 else min(cases, key=self._distance)

    def _candidates(self) -> list[Path]:
        near = [self.folder, self.folder.parent, *sorted(self.folder.parent.iterdir())]
        beside = [d for d in near if d.is_dir() and (d / "tiny_checkpoint.npz").exists()]
        return list(dict.fromkeys([*gencast_golden.directories("tiny_checkpoint.npz"), *beside]))

    def _distance(self, case: Case) -> float:
        stored, (model, x, time) = self.arrays("guided_shared.npz"), case.opened
        sigma, z = jnp.asarray(stored["sigma"][0]), targets(stored["noisy_targets"][:1])
        D = jax.jit(lambda: model.denoiser(sigma)(z, model.condition(x, jnp.asarray(time))))()
        return float(jnp.abs(D - targets(stored["D"][:1])).max())

    @cached_property
    def opened(self) -> tuple[GenCast, Array, int]:
        """Model with land as sea, state and time."""
        model, x, time = self.case.opened
        model = copy.copy(model)
        model.land_free = True
        return model, x, time

    @cached_property
    def params(self) -> dict[str, Any]:
        """Weights by name: `plain` and `damped`."""
        params = self.opened[0].params
        return {"plain": params, "damped": damped(params)}

    def set_up(self, setup: str) -> SetUp:
        stored, layout = self.arrays(f"guided_{setup}.npz"), self.opened[0].layout
        channel, row, column = stored["channel_row_column"].astype(int).T
        rows, columns = self.shape[:2]
        if "factor" in stored:
            size = int(stored["factor"])
            means = block_means(size, layout)
            block = row * -(-columns // size) + column
            point, weight = means.index[block], means.weight[block]
        else:
            point, weight = (row * columns + column)[:, None], np.ones((len(row), 1))
        index = channel[:, None] * rows * columns + point
        y = stored["y_physical"].astype(np.float32)
        return SetUp(index, weight, stored["std_physical"], y)

    def condition(self, setup: str) -> Condition:
        """The condition of a set-up with the authors' settings."""
        (model, x, _), observed = self.opened, self.set_up(setup)
        h = observed.operator(model.layout)
        return prepare(model, h, observed.error_std, GUIDANCE, x)._replace(
            y=jnp.asarray(observed.y)
        )

    def guided(self, setup: str):
        """(params, sigma, z, v) -> D, D_y and the linear system; z and v of one member."""
        if setup not in self._guided:
            self._guided[setup] = jax.jit(self._guide(setup))
        return self._guided[setup]

    def _guide(self, setup: str):
        (model, x, time), condition = self.opened, self.condition(setup)

        def guide(params, sigma, z, v):
            own = copy.copy(model)
            own.params = params
            denoiser, context = own.denoiser(sigma), own.condition(x, jnp.asarray(time))
            rest = (lambda z: denoiser(z, context), sigma, z, x)
            assert condition.units is not None
            unit = jnp.asarray(condition.units(sigma), z.dtype)
            update = kalman_update(own, condition, *rest, unit)

            def apply(u):
                return update.apply(u)[0], u

            u = solve(apply, update.innovation, "bicgstab", 2, floor=None).image
            return {
                "D": update.mean,
                "b": update.innovation,
                "A_v_given": apply(v)[0],
                "v": u,
                "D_y": posterior_mean(own, condition, *rest)[0],
            }

        return guide

    @cached_property
    def free(self):
        """(params, sigma, z, x) -> D."""
        model, _, time = self.opened

        @jax.jit
        def denoise(params, sigma, z, x):
            own = copy.copy(model)
            own.params = params
            return own.denoiser(sigma)(z, own.condition(x, jnp.asarray(time)))

        return denoise


def sampler(levels: np.ndarray, corrected: bool) -> Sampler:
    """The authors' sampler with these noise levels, the last of which is 0."""
    return Sampler(
        "ab3",
        levels=len(levels) - 1,
        sigma_max=float(levels[0]),
        sigma_min=float(levels[-2]),
        rho=RHO,
        correctors=2 if corrected else 0,
        tau=0.1,
        corrector_at="after",
        corrector_shift=1e-4,
        last="step",
    )

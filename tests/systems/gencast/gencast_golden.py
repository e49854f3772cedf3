"""Where golden vectors of GenCast lie, and one directory of them as the tests read it.

Directories: tests/data/gencast and those in DABENCH_GENCAST_GOLDEN (os.pathsep separated), with
everything below them. A stage whose file a directory lacks is skipped there.
"""

import os
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from official_batch import open_model

from dabench.systems.gencast import channels
from dabench.systems.gencast.checkpoint import Checkpoint, Params, load
from dabench.systems.gencast.model import GenCast
from dabench.systems.gencast.network.denoiser import DenoiserNetwork, Level

HERE = Path(__file__).parents[2] / "data" / "gencast"


def directories(pattern: str) -> list[Path]:
    """Every golden directory with a file of this pattern."""
    given = os.environ.get("DABENCH_GENCAST_GOLDEN", "").split(os.pathsep)
    roots = [HERE, *map(Path, filter(None, given))]
    found = [d for root in roots for d in (root, *sorted(root.rglob("*/"))) if d.is_dir()]
    return [d for d in dict.fromkeys(found) if any(d.glob(pattern))]


def name(directory: Path) -> str:
    return "-".join(directory.parts[-2:])


class Case:
    """A directory of golden vectors; asking for what it lacks skips the test."""

    def __init__(self, directory: Path):
        self.directory = directory

    def path(self, name: str) -> Path:
        if not (self.directory / name).exists():
            pytest.skip(f"no {name} in {self.directory}")
        return self.directory / name

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.path(name)) as file:
            return dict(file)

    def dataset(self, name: str) -> xr.Dataset:
        return xr.load_dataset(self.path(name))

    @cached_property
    def checkpoint(self) -> Checkpoint:
        return load(self.path("tiny_checkpoint.npz"))

    @cached_property
    def params(self) -> Params:
        return jax.tree.map(jnp.asarray, self.checkpoint.params)

    @cached_property
    def denoiser(self) -> dict[str, np.ndarray]:
        return self.arrays("denoiser.npz")

    @cached_property
    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        return grid(*self.denoiser["noisy_targets"].shape[1:3])

    @cached_property
    def network(self) -> DenoiserNetwork:
        return DenoiserNetwork(self.checkpoint.config, *self.grid)

    @cached_property
    def level(self) -> Level:
        """Of every noise level at once."""
        return jax.jit(self.network.at_level)(self.params, jnp.asarray(self.denoiser["sigma"]))

    @cached_property
    def known(self) -> jax.Array:
        """Known channels of every noise level's evaluation, all the same."""
        task, stored = self.checkpoint.config.task_config, self.denoiser
        union = channels.forcings_and_targets(task)
        forcing = [i for i, f in enumerate(union) if f.name not in task.target_variables]
        parts = stored["norm_inputs_stacked"], stored["norm_forcings_stacked"][..., forcing]
        known = np.concatenate(parts, -1).reshape(self.network.grid_nodes, -1)
        return jnp.asarray(np.stack([known] * len(stored["sigma"])))

    @cached_property
    def opened(self) -> tuple[GenCast, jax.Array, int]:
        """Model, state (1, state) and valid time of the next state, from the example batch."""
        self.path("mean_by_level.nc")
        batch = self.dataset("example_batch.nc")
        path = self.path("tiny_checkpoint.npz")
        opened, x, time = open_model(path, self.directory, batch)
        return opened, jnp.asarray(x)[None], time


def grid(nlat: int, nlon: int) -> tuple[np.ndarray, np.ndarray]:
    """Degrees; poles included."""
    latitude = np.linspace(-90, 90, nlat).astype(np.float32)
    return latitude, (np.arange(nlon) * (360 / nlon)).astype(np.float32)


def close(found: object, expected: np.ndarray, tolerance: float, scale: float = 1.0) -> None:
    """Absolute agreement; `tolerance` is for arrays of magnitude `scale` and grows with theirs."""
    largest = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1, largest / scale))


def unit(largest: float) -> float:
    """The distance between float32 numbers as large as this: one unit in the last place."""
    return float(np.spacing(np.float32(largest)))


PLACE_TOLERANCE = np.rad2deg(2 * unit(np.pi)) + unit(180) / 2 + unit(360) / 2
"""Degrees by which float32 may move a mesh node: its arc cosine or tangent is within two units, and
half a unit is lost on the way to degrees and when they are taken from 90 or modulo 360."""

POSITION_TOLERANCE = np.deg2rad(PLACE_TOLERANCE) + 2 * (unit(2 * np.pi) / 2 + 3.5 * unit(0.5))
"""Components by which float32 may change the offset between a mesh and a grid node: the mesh node's
place, and for either end half a unit of its radians, and 1.5 units of its sine, of its cosine and
half a unit of their product. A feature of an edge is off by this over the longest edge."""


def nodes(array: np.ndarray) -> jax.Array:
    """(..., lat, lon, channel) to (..., node, channel)."""
    return jnp.asarray(array.reshape(*array.shape[:-3], -1, array.shape[-1]))


def targets(array: np.ndarray) -> jax.Array:
    """(..., lat, lon, channel) to the model's flattened targets (..., channel · node)."""
    by_channel = jnp.moveaxis(nodes(array), -1, -2)
    return by_channel.reshape(*by_channel.shape[:-2], -1)

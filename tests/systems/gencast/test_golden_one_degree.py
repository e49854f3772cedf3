"""GenCast's graphs and denoiser on the true 1-degree grid, against its authors' own code."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gencast_golden import POSITION_TOLERANCE, close, directories, grid, name, nodes, unit

from dabench.systems.gencast import checkpoint
from dabench.systems.gencast.network import graph, mesh
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

pytestmark = pytest.mark.golden

GRAPHS = [
    f for d in directories("graph_1deg_mesh*.npz") for f in sorted(d.glob("graph_1deg_mesh*"))
]
GAIN = 7
"""D per unit of a feature: features changed at random by up to 3.2e-5 (mesh 4) and 6.4e-5 (mesh 5)
changed D by at most 2.1e-4 and 4.0e-4. A wrong face changes it by some tenths at its node."""
FILE, WEIGHTS = "denoiser_1deg.npz", "tiny_checkpoint_1deg.npz"


def number(text: str) -> int:
    return int(text.rpartition("mesh")[2])


def full(size: int) -> tuple[pytest.MarkDecorator, ...]:
    """The mesh of the full model is slow; that of Mini has all that can be wrong with it."""
    return (pytest.mark.slow,) if size > 4 else ()


def outputs() -> list:
    found = []
    for directory in directories(FILE):
        with np.load(directory / FILE) as file:
            keys = sorted(key for key in file.files if key.startswith("denoised_mesh"))
        found += [
            pytest.param(directory, k, id=f"{name(directory)}-{k}", marks=full(number(k)))
            for k in keys
        ]
    return found


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_gencast_one_degree_graph_is_exact(path: Path):
    size = number(path.stem)
    with np.load(path) as file:
        stored = dict(file)
    latitude, longitude = one_degree(len(stored["mesh2grid_senders"]))
    built = graph.build(latitude, longitude, size, 0.6)
    refined = mesh.icosahedron()
    for _ in range(size):
        refined = mesh.refine(refined)
    np.testing.assert_array_equal(mesh.permutation(refined), stored["permutation"])
    np.testing.assert_array_equal(built.mesh.faces, stored["mesh_faces"])
    radius = graph.query_radius(built.mesh, 0.6)
    np.testing.assert_allclose(radius, stored["query_radius"], rtol=5 * unit(1) / 2)
    np.testing.assert_array_equal(
        built.mesh2grid.senders.reshape(-1, 3), stored["mesh2grid_senders"]
    )
    order = np.lexsort((stored["grid2mesh_senders"], stored["grid2mesh_receivers"]))
    np.testing.assert_array_equal(built.grid2mesh.senders, stored["grid2mesh_senders"][order])
    np.testing.assert_array_equal(built.grid2mesh.receivers, stored["grid2mesh_receivers"][order])


def one_degree(points: int) -> tuple[np.ndarray, np.ndarray]:
    """The grid with poles and nlon = 2 (nlat - 1) that has this many points."""
    nlat = round((1 + (1 + 2 * points) ** 0.5) / 2)
    return grid(nlat, 2 * (nlat - 1))


@pytest.mark.compiled
@pytest.mark.parametrize(("directory", "key"), outputs())
def test_gencast_one_degree_denoiser(directory: Path, key: str):
    with np.load(directory / FILE) as file:
        names = ("norm_inputs_stacked", "norm_forcings_stacked", "noisy_targets", key)
        inputs, forcings, noisy, expected = (file[n].astype(np.float32) for n in names)
        sigma = jnp.asarray(file["sigma"])
    loaded = checkpoint.load(directory / WEIGHTS)
    size = replace(loaded.config.denoiser_architecture_config, mesh_size=number(key))
    config = replace(loaded.config, denoiser_architecture_config=size)
    network = DenoiserNetwork(config, *grid(*noisy.shape[:2]))
    known = nodes(np.concatenate([inputs, forcings], axis=-1))[None]

    @jax.jit
    def denoise(params, known, z):
        level = network.at_level(params, sigma)
        return network.denoise(params, level, network.condition(params, known), z)

    params = jax.tree.map(jnp.asarray, loaded.params)
    out = denoise(params, known, nodes(noisy)[None])
    longest = graph.query_radius(network.graph.mesh, 0.6)  # a bound from below
    tolerance = 5e-5 + GAIN * POSITION_TOLERANCE / longest
    close(out[0], nodes(expected), tolerance, scale=6)

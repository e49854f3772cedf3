"""Every stage of GenCast against numbers of its authors' own code (see tests/data/gencast).

Tolerances are those observed between independent float32 implementations, times about six. Edges
are compared exactly, geometry within what float32 may do to it in the authors' code.
"""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gencast_golden import (
    PLACE_TOLERANCE,
    POSITION_TOLERANCE,
    Case,
    close,
    directories,
    name,
    nodes,
    targets,
    unit,
)
from replay import replay as replay_noise

from dabench.diffusion import samplers
from dabench.systems.gencast import batches, channels, checkpoint, clock
from dabench.systems.gencast.network import graph, mesh, parameters
from dabench.systems.gencast.network.denoiser import noise_features
from dabench.systems.sphere.noise import SphereNoise

pytestmark = pytest.mark.golden

open_case = functools.cache(Case)


@pytest.fixture(params=directories("tiny_checkpoint.npz"), ids=name)
def case(request) -> Case:
    return open_case(request.param)


def unpermuted(size: int) -> mesh.Mesh:
    refined = mesh.icosahedron()
    for _ in range(size):
        refined = mesh.refine(refined)
    return refined


def pairs(senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
    """Edges in a fixed order, and the order that makes it."""
    order = np.lexsort((receivers, senders))
    return np.stack([senders, receivers], -1)[order]


def test_gencast_mesh_is_exact(case):
    stored = case.arrays("graph.npz")
    size = case.checkpoint.config.denoiser_architecture_config.mesh_size
    plain, banded = unpermuted(size), mesh.icosphere(size)
    np.testing.assert_array_equal(plain.vertices, stored["mesh_vertices_unpermuted"])
    np.testing.assert_array_equal(plain.faces, stored["mesh_faces_unpermuted"])
    np.testing.assert_array_equal(mesh.permutation(plain), stored["permutation"])
    np.testing.assert_array_equal(banded.vertices, stored["mesh_vertices"])
    np.testing.assert_array_equal(banded.faces, stored["mesh_faces"])
    latitude, longitude = mesh.lat_lon(banded.vertices)
    np.testing.assert_allclose(latitude, stored["mesh_lat"], rtol=0, atol=PLACE_TOLERANCE)
    np.testing.assert_allclose(longitude, stored["mesh_lon"], rtol=0, atol=PLACE_TOLERANCE)
    edges = pairs(stored["mesh_senders"], stored["mesh_receivers"])
    np.testing.assert_array_equal(mesh.edges(banded), edges)


def test_gencast_graphs_are_exact(case):
    stored, network = case.arrays("graph.npz"), case.network.config.denoiser_architecture_config
    built = graph.build(
        stored["grid_lat"],
        stored["grid_lon"],
        network.mesh_size,
        network.radius_query_fraction_edge_length,
    )
    radius = graph.query_radius(built.mesh, network.radius_query_fraction_edge_length)
    # differences, squares, their sum, its root and the product with the fraction are rounded
    np.testing.assert_allclose(radius, stored["query_radius"], rtol=5 * unit(1) / 2)
    for edges, kind in ((built.grid2mesh, "grid2mesh"), (built.mesh2grid, "mesh2grid")):
        expected = pairs(stored[f"{kind}_senders"], stored[f"{kind}_receivers"])
        np.testing.assert_array_equal(pairs(edges.senders, edges.receivers), expected)
    corners = stored["mesh2grid_senders"]
    np.testing.assert_array_equal(built.mesh2grid.senders, corners)  # in the order of the face
    hops = network.sparse_transformer_config.attention_k_hop
    reach = graph.within_hops(built.mesh, hops).toarray()
    np.testing.assert_array_equal(reach, stored["attention_mask"])


def test_gencast_structural_features(case):
    stored, built = case.arrays("graph.npz"), case.network.graph
    for edges, kind in ((built.grid2mesh, "grid2mesh"), (built.mesh2grid, "mesh2grid")):
        theirs = np.lexsort((stored[f"{kind}_receivers"], stored[f"{kind}_senders"]))
        ours = np.lexsort((edges.receivers, edges.senders))
        np.testing.assert_allclose(
            edges.features[ours],
            stored[f"{kind}_edge_features"][theirs],
            rtol=0,
            atol=POSITION_TOLERANCE / longest_edge(case, kind),
        )
        close(built.grid_features, stored[f"{kind}_grid_nodes_features"], POSITION_TOLERANCE)
        close(built.mesh_features, stored[f"{kind}_mesh_nodes_features"], POSITION_TOLERANCE)


def longest_edge(case: Case, kind: str) -> float:
    """Chord of the longest edge of a graph, by which its features are divided."""
    lat, lon = (a.ravel() for a in np.meshgrid(*map(np.deg2rad, case.grid), indexing="ij"))
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    vertices, edges = case.network.graph.mesh.vertices, getattr(case.network.graph, kind)
    senders, receivers = (points, vertices) if kind == "grid2mesh" else (vertices, points)
    return np.linalg.norm(senders[edges.senders] - receivers[edges.receivers], axis=-1).max()


def test_gencast_parameter_names_and_shapes(case):
    expected = json.loads(case.path("parameter_shapes.json").read_text())
    shapes = parameters.shapes(case.checkpoint.config)
    found = {
        f"{path}:{name}": list(s) for path, arrays in shapes.items() for name, s in arrays.items()
    }
    assert found == expected
    parameters.check(case.checkpoint.params, case.checkpoint.config)


def test_gencast_checkpoint_is_written_as_it_was_read(case, tmp_path):
    checkpoint.save(tmp_path / "copy.npz", case.checkpoint)
    with np.load(case.path("tiny_checkpoint.npz")) as a, np.load(tmp_path / "copy.npz") as b:
        assert set(a.files) == set(b.files)
        for key in a.files:
            np.testing.assert_array_equal(a[key], b[key])
            assert a[key].dtype == b[key].dtype


def test_gencast_channel_order(case):
    expected, task = (
        json.loads(case.path("channels.json").read_text()),
        case.checkpoint.config.task_config,
    )
    for key, stacked in (
        ("input_channels", channels.inputs(task)),
        ("forcing_and_noisy_target_channels", channels.forcings_and_targets(task)),
        ("output_channels", channels.targets(task)),
    ):
        assert [str(field) for field in stacked] == expected[key]


def test_gencast_inputs_and_target_are_normalised(case):
    model, x, time = case.opened
    known = np.asarray(model.known(x, jnp.asarray(time)))[0]
    close(known, np.asarray(case.known[0]), 1e-6)
    new = batches.frame(case.dataset("example_batch.nc"), model.task, model.layout.frames)
    x_next = jnp.concatenate([x[:, new.size :], jnp.asarray(new).reshape(1, -1)], axis=1)
    expected = targets(case.denoiser["clean_target_normalised"])
    close(model.target(x, x_next)[0], np.asarray(expected), 1e-6)


def test_gencast_grid_node_inputs(case):
    stored, network = case.denoiser, case.network
    level = network.at_level(case.params, jnp.asarray(stored["sigma"]))
    for b in range(len(stored["sigma"])):
        expected = stored[f"grid_node_input_features_sigma{b}"]
        close(case.known[b], expected[:, network._known_rows], 1e-6)
        scaled = level.c_in[:, b] * nodes(stored["noisy_targets"])[b]
        close(scaled, expected[:, network._noisy_rows], 1e-6)


@pytest.mark.compiled
def test_gencast_noise_encoding(case):
    stored, network = case.denoiser, case.network
    sigma = jnp.asarray(stored["sigma"])
    features = noise_features(sigma, network.config.noise_encoder_config)
    close(features, stored["noise_fourier_features"], 1e-5)
    close(network.encode_noise(case.params, sigma), stored["noise_encoding"], 1e-5)


@pytest.mark.compiled
def test_gencast_latents_and_raw_output(case):
    stored, network, params = case.denoiser, case.network, case.params
    level = case.level
    condition = network.condition(params, case.known)

    @jax.jit
    def stages(z):
        mesh, grid = network.encode(params, level, condition, level.c_in * jnp.swapaxes(z, 0, 1))
        processed = network.process(params, level, mesh)
        return mesh, grid, processed, network.decode(params, level, processed, grid)

    on_mesh, on_grid, processed, raw = stages(nodes(stored["noisy_targets"]))
    for found, key in (
        (on_mesh, "latent_mesh_after_encoder"),
        (on_grid, "latent_grid_after_encoder"),
        (processed, "latent_mesh_after_transformer"),
        (raw, "decoder_output"),
    ):
        close(jnp.swapaxes(found, 0, 1), stored[key], 3e-5, scale=8)


@pytest.mark.compiled
def test_gencast_denoiser_and_its_derivatives(case):
    stored, network, params = case.denoiser, case.network, case.params
    level = case.level
    condition = network.condition(params, case.known)

    @jax.jit
    def derivatives(z, tangent, cotangent):
        def denoise(z):
            return network.denoise(params, level, condition, z)

        return *jax.jvp(denoise, (z,), (tangent,)), *jax.vjp(denoise, z)[1](cotangent)

    inputs = (nodes(stored[k]) for k in ("noisy_targets", "tangent", "cotangent"))
    out, jvp, vjp = derivatives(*inputs)
    close(out, nodes(stored["denoised"]), 3e-5, scale=8)
    close(jvp, nodes(stored["jvp"]), 3e-5, scale=5)
    close(vjp, nodes(stored["vjp"]), 3e-5, scale=5)
    assert out.dtype == jvp.dtype == vjp.dtype == jnp.float32


@pytest.mark.compiled
def test_gencast_denoiser_at_one_level_for_all_members(case):
    stored, network, params = case.denoiser, case.network, case.params
    condition, z = network.condition(params, case.known), nodes(stored["noisy_targets"])

    @jax.jit
    def denoise(sigma, condition, z):
        return network.denoise(params, network.at_level(params, sigma), condition, z)

    for b, sigma in enumerate(stored["sigma"]):
        out = denoise(jnp.asarray(sigma), condition, z)
        close(out[b], nodes(stored["denoised"])[b], 3e-5, scale=8)


def test_gencast_noise_field_and_covariance(case):
    stored = case.arrays("white_noise.npz")
    nlat, nlon = stored["nodal_field"].shape
    noise = SphereNoise(np.linspace(-90, 90, nlat), np.arange(nlon) * 360 / nlon)
    place = {(l, m): i for i, (l, m) in enumerate(zip(*_degree_and_order(noise), strict=True))}
    w = np.zeros(len(place), np.float32)
    for row, l in zip(stored["white_coefficients"], stored["total_wavenumber"], strict=True):
        for value, m in zip(row, stored["longitude_wavenumber"], strict=True):
            if abs(m) <= l:
                w[place[l, m]] = value
    close(noise.colour(jnp.asarray(w)), stored["nodal_field"].ravel(), 1e-5)
    if "covariance" in stored:
        eye = jnp.eye(nlat * nlon, dtype=jnp.float32)
        close(noise.covariance(eye), stored["covariance"], 5e-5)


def _degree_and_order(noise: SphereNoise) -> tuple[np.ndarray, np.ndarray]:
    from dabench.systems.sphere import harmonics

    return harmonics.degrees(noise.harmonics.lmax), harmonics.orders(noise.harmonics.lmax)


def replay(model, x, time, initial, churn):
    """States after each noise level, and x'."""
    count = len(churn)
    noise = jnp.zeros((2 * count - 1, 1, model.target_size), jnp.float32)
    noise = noise.at[::2, 0].set(targets(churn))
    condition = model.condition(x, jnp.asarray(time))
    z = _replay(model)(condition, targets(initial)[None], noise)
    after = jnp.concatenate([z[1:-1:2], z[-1:]])
    return after[:, 0], model.next_state(after[-1], x)


@functools.cache
def _replay(model):
    return jax.jit(lambda c, e, n: replay_noise(model, c, model.sampler, e, n))


def physical(model, x) -> np.ndarray:
    """The last frame (channel, point) with NaN where there is no sea."""
    return np.where(model.layout.undefined, np.nan, model.layout.now(x)[0])


def close_in_deviations(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Agreement in units of each field's standard deviation, and the same NaN."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    deviation = np.nanstd(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found / deviation, expected / deviation, rtol=0, atol=tolerance)


def test_gencast_noise_levels_and_churn(case):
    stored, (model, _, _) = case.arrays("sampler.npz"), case.opened
    levels = samplers.noise_levels(model.sampler)
    np.testing.assert_allclose([*levels, 0], stored["noise_levels"], rtol=1e-12)
    churned = samplers.steps(model.sampler).sigma[::2]
    np.testing.assert_allclose(churned / levels - 1, stored["per_step_churn_rates"], atol=1e-12)


@pytest.mark.compiled
def test_gencast_sampler_trajectory_and_prediction(case):
    stored, (model, x, time) = case.arrays("sampler.npz"), case.opened
    after, x_next = replay(model, x, time, stored["init_noise"], stored["churn_noise"])
    for found, expected in zip(after, targets(stored["states_after_step"]), strict=True):
        close(found / np.abs(expected).max(), expected / np.abs(expected).max(), 1e-4)
    expected = batches.frame(case.dataset("prediction.nc"), model.task, 0)
    close_in_deviations(physical(model, x_next), expected, 1e-4)


@pytest.mark.compiled
def test_gencast_two_step_rollout(case):
    stored, (model, x, time) = case.arrays("rollout2_noise.npz"), case.opened
    predictions = case.dataset("rollout2_prediction.nc")
    forcings = case.dataset("rollout2_forcings.nc")
    for step, (initial, churn) in enumerate(
        zip(stored["init_noise"], stored["churn_noise"], strict=True)
    ):
        waves = clock.features(jnp.asarray(time), model.layout.coords["longitude"])
        for variable in forcings.data_vars:
            wave = forcings[variable].values[0, step]
            close(waves[str(variable)], np.broadcast_to(wave, waves[str(variable)].shape), 1e-6)
        _, x = replay(model, x, time, initial, churn)
        expected = batches.frame(predictions, model.task, step)
        close_in_deviations(physical(model, x), expected, 1e-4)
        time += 12 * 3600

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse.csgraph import reverse_cuthill_mckee

from dabench.core.errors import UserError
from dabench.systems.gencast import official
from dabench.systems.gencast.checkpoint import DenoiserConfig, TransformerConfig
from dabench.systems.gencast.network import graph, mesh

LATITUDE, LONGITUDE = np.linspace(-90, 90, 13), np.arange(24) * 15.0
SIZE = 2


@pytest.fixture(scope="module")
def built() -> graph.Graph:
    return graph.build(LATITUDE, LONGITUDE, SIZE, 0.6)


def grid_points() -> np.ndarray:
    """Unit vectors, latitude-major, by the textbook formula."""
    lat, lon = (
        a.ravel() for a in np.meshgrid(np.deg2rad(LATITUDE), np.deg2rad(LONGITUDE), indexing="ij")
    )
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_mesh_is_a_triangulated_sphere(size):
    m = mesh.icosphere(size)
    vertices, faces, edges = len(m.vertices), len(m.faces), len(mesh.edges(m)) // 2
    assert (vertices, faces) == (10 * 4**size + 2, 20 * 4**size)
    assert vertices - edges + faces == 2  # Euler
    np.testing.assert_allclose(np.linalg.norm(m.vertices, axis=1), 1, atol=2e-7)
    a, b, c = (m.vertices[m.faces[:, i]] for i in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a + b + c) > 0).all()  # outwards
    assert np.isclose(m.vertices[:, 2].mean(), 0, atol=1e-6)


def test_poles_lie_in_the_middle_of_faces():
    m = mesh.icosahedron()
    top = m.vertices[m.faces].mean(axis=1)
    highest = top[np.argmax(top[:, 2])]
    np.testing.assert_allclose(highest[:2], 0, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_band_is_that_of_scipy(size):
    """Which begins at vertex 0 too, though its sort promises nothing of equal degrees."""
    m = mesh.icosahedron()
    for _ in range(size):
        m = mesh.refine(m)
    order, theirs = mesh.permutation(m), reverse_cuthill_mckee(mesh.adjacency(m), True)
    assert order[-1] == 0
    if theirs[-1] == 0:
        np.testing.assert_array_equal(order, theirs)
    position = np.argsort(order)
    senders, receivers = mesh.edges(m).T
    assert np.abs(position[senders] - position[receivers]).max() < 5 * 2**size + 3


def test_grid_nodes_send_to_all_mesh_nodes_within_reach(built):
    edge = mesh.edges(built.mesh)
    length = np.linalg.norm(np.diff(built.mesh.vertices[edge], axis=1), axis=-1).max()
    distance = np.linalg.norm(grid_points()[:, None] - built.mesh.vertices[None], axis=-1)
    found = np.zeros(distance.shape, bool)
    found[built.grid2mesh.senders, built.grid2mesh.receivers] = True
    tie = np.abs(distance - 0.6 * length) < 1e-6  # float32 positions decide
    np.testing.assert_array_equal(found[~tie], (distance <= 0.6 * length)[~tie])
    assert (np.diff(built.grid2mesh.receivers) >= 0).all()


def test_grid_nodes_receive_from_the_face_above_them(built):
    corners = built.mesh.vertices[built.mesh2grid.senders].reshape(-1, 3, 3).astype(float)
    np.testing.assert_array_equal(built.mesh2grid.receivers, np.repeat(np.arange(len(corners)), 3))
    # the ray from the centre leaves through a combination of the corners without negative parts
    share = np.linalg.solve(np.swapaxes(corners, 1, 2), grid_points()[:, :, None])[..., 0]
    assert share.min() > -1e-6


def test_edge_features_are_offsets_in_the_receivers_frame(built):
    """Lengths do not change, and a sender straight north of its receiver is seen so."""
    for edges, start, end in (
        (built.grid2mesh, grid_points(), built.mesh.vertices),
        (built.mesh2grid, built.mesh.vertices, grid_points()),
    ):
        length = np.linalg.norm(start[edges.senders] - end[edges.receivers], axis=-1)
        np.testing.assert_allclose(edges.features[:, 0], length / length.max(), atol=1e-5)
        np.testing.assert_allclose(
            np.linalg.norm(edges.features[:, 1:], axis=-1), edges.features[:, 0], atol=1e-6
        )
    south = np.array([0.0], np.float32), np.array([30.0], np.float32)
    north = np.array([50.0], np.float32), np.array([30.0], np.float32)
    zero = np.zeros(1, int)
    (seen,) = graph.edge_features(north, south, zero, zero)
    angle = np.deg2rad(50)
    expected = np.array([np.cos(angle) - 1, 0, np.sin(angle)]) / (2 * np.sin(angle / 2))
    np.testing.assert_allclose(seen, [1, *expected], atol=1e-6)


def test_hops_count_edges(built):
    adjacency = mesh.adjacency(built.mesh).toarray()
    distance = np.where(np.eye(len(adjacency), dtype=bool), 0, np.inf)
    for hops in range(1, 4):
        reached = (distance < np.inf).astype(int) @ adjacency > 0
        distance = np.where(reached & np.isinf(distance), hops, distance)
        found = graph.within_hops(built.mesh, hops).toarray()
        np.testing.assert_array_equal(found, distance <= hops)


def test_the_digest_tells_every_edge(built):
    _, _, features = built.mesh2grid
    for name in ("grid2mesh", "mesh2grid"):
        edges = getattr(built, name)
        senders = edges.senders.copy()
        senders[7] += 1
        changed = replace(built, **{name: edges._replace(senders=senders)})
        assert changed.digest != built.digest
    assert replace(built, mesh2grid=built.mesh2grid._replace(features=-features)).digest == (
        built.digest
    )
    assert graph.build(LATITUDE, LONGITUDE, SIZE, 0.6).digest == built.digest


PUBLISHED = [
    pytest.param(*key, marks=pytest.mark.slow if key == (0.25, 6) else ())
    for key in official.GRAPHS
]


@pytest.mark.golden
@pytest.mark.parametrize(("spacing", "size"), PUBLISHED)
def test_published_grids_and_meshes_have_the_published_graph(spacing, size):
    latitude = np.linspace(-90, 90, round(180 / spacing) + 1)
    longitude = np.arange(round(360 / spacing)) * spacing
    built = graph.build(latitude, longitude, size, official.RADIUS_FRACTION)
    network = DenoiserConfig(TransformerConfig(16, 512), mesh_size=size)
    official.check_graph(spacing, network, built.digest)
    assert built.digest == official.GRAPHS[spacing, size]


def test_another_graph_of_a_published_model_is_refused():
    network = DenoiserConfig(TransformerConfig(16, 512), mesh_size=5)
    with pytest.raises(
        UserError, match=r"another graph .* 1\.0 degrees and mesh 5 .*NumPy .*SciPy"
    ):
        official.check_graph(1.0, network, "0" * 64)
    official.check_graph(2.0, network, "0" * 64)  # nobody published that
    official.check_graph(1.0, replace(network, radius_query_fraction_edge_length=0.7), "0" * 64)

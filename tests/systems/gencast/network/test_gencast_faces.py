"""The face of each grid node against all faces, and the orders that break ties against theirs."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.systems.gencast.network import faces, mesh, search_tree
from dabench.systems.gencast.network.mesh import Mesh


def nodes(nlat: int, nlon: int) -> tuple[np.ndarray, np.ndarray]:
    """Degrees of a grid with poles, latitude-major."""
    lat, lon = np.meshgrid(
        np.linspace(-90, 90, nlat), np.arange(nlon) * (360 / nlon), indexing="ij"
    )
    return lat.ravel(), lon.ravel()


def distances(points: np.ndarray, m: Mesh) -> np.ndarray:
    """(point, face) to the triangles: to the plane where the foot is inside, else to the sides."""
    triangles = m.vertices[m.faces].astype(float)
    a, b, c = (triangles[:, i] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    height = np.einsum("pfi,fi->pf", points[:, None] - a, normal)
    foot = points[:, None] - height[..., None] * normal
    inside = np.ones(height.shape, bool)
    nearest_side = np.full(height.shape, np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        inside &= np.einsum("pfi,fi->pf", foot - start, np.cross(normal, end - start)) >= 0
        along = np.einsum("pfi,fi->pf", points[:, None] - start, end - start)
        share = np.clip(along / np.sum((end - start) ** 2, axis=1), 0, 1)
        side = start + share[..., None] * (end - start)
        nearest_side = np.fmin(nearest_side, np.linalg.norm(points[:, None] - side, axis=-1))
    return np.where(inside, np.abs(height), nearest_side)


@pytest.mark.parametrize(
    ("size", "nlat", "nlon"), [(0, 7, 12), (1, 10, 18), (2, 19, 36), (3, 13, 7)]
)
def test_no_face_is_nearer(size, nlat, nlon):
    m, (lat, lon) = mesh.icosphere(size), nodes(nlat, nlon)
    azimuth, height = np.deg2rad(lon), np.deg2rad(lat)
    flat = np.cos(height)
    points = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(height)], -1)
    everywhere = distances(points, m)
    corners = faces.containing_faces(lat, lon, m)
    chosen = (corners[:, None] == m.faces).all(-1).argmax(axis=1)
    own = np.take_along_axis(everywhere, chosen[:, None], axis=1)[:, 0]
    # float32 positions are off by up to three units in the last place, and so are distances
    np.testing.assert_allclose(own, everywhere.min(axis=1), rtol=0, atol=4e-7)


def test_sines_and_cosines_are_within_a_unit_and_a_half():
    angle = np.deg2rad(np.arange(0, 360, 0.05).astype(np.float32))
    exact = np.sin(angle.astype(float)), np.cos(angle.astype(float))
    for rounded, true in zip(faces._sine_cosine(angle), exact, strict=True):
        assert rounded.dtype == np.float32
        unit = np.spacing(np.abs(true).astype(np.float32))
        assert np.max(np.abs(rounded - true) / unit) < 1.5


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_networks_and_introsort_sort(keys):
    keys = np.array(keys, float)
    for order in (search_tree.sort(keys[None])[0][: len(keys)], search_tree.introsort(keys)):
        assert sorted(order) == list(range(len(keys)))
        np.testing.assert_array_equal(keys[order], np.sort(keys))


def test_a_network_leaves_ties_where_its_exchanges_bring_them():
    """Worked by hand: eight keys, exchanges of 0-3 and 1-2, then 0-7, 1-6, 2-5, 3-4, and so on."""
    order = search_tree.sort(np.array([[5.0, 1.0, 1.0, 9.0]]))[0]
    # blocks of two: 1 5 | 1 9; mirrored 0-3: 1 9, 1-2: 5 1 exchanges; then 0-1: 1 1 stays
    np.testing.assert_array_equal(order, [1, 2, 0, 3])
    order = search_tree.sort(np.array([[1.0, 5.0, 1.0, 0.0]]))[0]
    # blocks: 1 5 | 0 1; 0-3: 1 1 stays, 1-2: 5 0 exchanges; 0-1: 1 0, and 2-3: 5 1 exchange
    np.testing.assert_array_equal(order, [3, 0, 2, 1])


@pytest.mark.skipif(sys.platform != "linux", reason="other C++ libraries sort ties differently")
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_tree_has_the_order_of_libspatialindex(size):
    rtree = pytest.importorskip("rtree")
    m = mesh.icosphere(size)
    triangles = m.vertices[m.faces].astype(float)
    low, high = triangles.min(axis=1), triangles.max(axis=1)
    boxes = ((i, box, None) for i, box in enumerate(np.concatenate([low, high], axis=1)))
    tree = rtree.index.Index(boxes, properties=rtree.index.Property(dimension=3))
    np.testing.assert_array_equal(
        search_tree.order(low, high), list(tree.intersection((-2, -2, -2, 2, 2, 2)))
    )

"""The icosahedral mesh GenCast's transformer lives on (GenCast specification, section 5.1).

Vertices are float32 to the last bit as the published networks know them, since ties between faces
hang on them. They are made by sums, products, quotients and square roots alone, which IEEE 754
rounds in one way on every processor; sines, cosines and products of matrices are not.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float32, Int
from scipy.sparse.csgraph import breadth_first_order

GOLDEN_RATIO = (1 + np.sqrt(5)) / 2

ICOSAHEDRON_FACES = [
    (0, 1, 2), (0, 6, 1), (8, 0, 2), (8, 4, 0), (3, 8, 2),
    (3, 2, 7), (7, 2, 1), (0, 4, 6), (4, 11, 6), (6, 11, 5),
    (1, 5, 7), (4, 10, 11), (4, 8, 10), (10, 8, 3), (10, 3, 9),
    (11, 10, 9), (11, 9, 5), (5, 9, 7), (9, 3, 7), (1, 6, 5),
]  # fmt: skip


class Mesh(NamedTuple):
    """A triangulated sphere: unit vectors, and the vertices of each face, anticlockwise."""

    vertices: Float32[np.ndarray, "vertex 3"]
    faces: Int[np.ndarray, "face 3"]


def icosahedron() -> Mesh:
    """The icosahedron with a face centred on each pole."""
    corners = [
        corner
        for s1 in (1.0, -1.0)
        for s2 in (GOLDEN_RATIO, -GOLDEN_RATIO)
        for corner in ((s1, s2, 0.0), (0.0, s1, s2), (s2, 0.0, s1))
    ]
    x, y, z = np.array(corners, np.float32).T / np.float32(np.sqrt(1 + GOLDEN_RATIO**2))
    cos = GOLDEN_RATIO / np.sqrt(3)  # of the turn about y that brings a face to each pole
    sin = np.sqrt(1 - cos**2)
    vertices = np.stack([x * cos - z * sin, y.astype(float), x * sin + z * cos], axis=-1)
    return Mesh(vertices.astype(np.float32), np.array(ICOSAHEDRON_FACES))


def refine(mesh: Mesh) -> Mesh:
    """Split each face in four at the midpoints of its edges, numbered as they are first met."""
    edges = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], -1).reshape(-1, 2)
    _, first, edge = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_inverse=True
    )
    number = np.argsort(np.argsort(first)) + len(mesh.vertices)
    midpoints = _normalise(mesh.vertices[edges[np.sort(first)]].mean(axis=1))

    a, b, c = mesh.faces.T
    ab, bc, ca = number[edge.ravel()].reshape(-1, 3).T
    children = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    faces = np.stack([np.stack(child, -1) for child in children], axis=1).reshape(-1, 3)
    return Mesh(np.concatenate([mesh.vertices, midpoints]), faces)


def _normalise(points: Float32[np.ndarray, "point 3"]) -> Float32[np.ndarray, "point 3"]:
    # The mesh is defined to the last bit (ties in the graphs hang on it): float32 squares, a
    # float64 sum and a float32 root, as BLAS has it.
    square = (points * points).sum(axis=1, keepdims=True, dtype=np.float64)
    return points / np.sqrt(square.astype(np.float32))


def edges(mesh: Mesh) -> Int[np.ndarray, "edge 2"]:
    """Every edge of the mesh in both directions, sorted."""
    forward = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], -1).reshape(-1, 2)
    return np.unique(np.concatenate([forward, forward[:, ::-1]]), axis=0)


def adjacency(mesh: Mesh) -> scipy.sparse.csr_array:
    """(vertex, vertex) boolean matrix of the mesh's edges, without self loops."""
    senders, receivers = edges(mesh).T
    ones = np.ones(len(senders), bool)
    return scipy.sparse.csr_array((ones, (senders, receivers)), shape=(len(mesh.vertices),) * 2)


def permutation(mesh: Mesh) -> Int[np.ndarray, "vertex"]:
    """The reverse Cuthill-McKee order of the vertices, which makes the adjacency a narrow band.

    The last vertex of the order is the first of lowest degree; before a vertex come its neighbours
    from the highest degree to the lowest, of equal degrees the last one first.
    """
    table = adjacency(mesh)
    degree = np.diff(table.indptr)
    senders = np.repeat(np.arange(len(degree)), degree)
    by_degree = np.lexsort((table.indices, degree[table.indices], senders))
    table.indices = table.indices[by_degree]
    return breadth_first_order(table, np.argmin(degree), return_predecessors=False)[::-1]


def banded(mesh: Mesh) -> Mesh:
    """The same mesh with vertices in the order of `permutation`; faces stay where they were."""
    order = permutation(mesh)
    return Mesh(mesh.vertices[order], np.argsort(order)[mesh.faces])


def icosphere(mesh_size: int) -> Mesh:
    """The icosahedron refined `mesh_size` times, banded: 10 · 4^n + 2 vertices."""
    mesh = icosahedron()
    for _ in range(mesh_size):
        mesh = refine(mesh)
    return banded(mesh)


def lat_lon(
    points: Float32[np.ndarray, "point 3"],
) -> tuple[Float[np.ndarray, "point"], Float[np.ndarray, "point"]]:
    """Latitude and longitude (0 to 360) in degrees of unit vectors, in float64."""
    x, y, z = points.astype(float).T
    return 90 - np.rad2deg(np.arccos(z)), np.mod(np.rad2deg(np.arctan2(y, x)), 360)

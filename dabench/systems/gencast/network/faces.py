"""The face of the mesh that each grid node receives from, and the rule that breaks ties.

A grid node receives from the corners of the face of the polyhedron that is nearest to it. About one
node in a hundred lies on an edge of the mesh, so that two faces (at a vertex five or six) are
equally near, and rounding decides. The published networks learnt with the decisions of DeepMind's
program, which a rule of geometry alone cannot repeat: they follow from the order in which that
program's libraries (NumPy, trimesh, libspatialindex) add, multiply and sort. The rule is therefore
stated as arithmetic, every operation of which IEEE 754 rounds in one way on all processors:

1. Positions are float32: angles in radians, sines and cosines by polynomials (`_sine_cosine`).
2. Candidates are the faces whose bounding box meets the box around the node that reaches as far as
   the nearest vertex, in the order of a packed search tree (`search_tree.order`).
3. Squared distances of the candidates are float64, added up from first to last component.
4. The network of `search_tree.sort` sorts the candidates by them; the first is the nearest face.
5. If the first two differ by less than `NEAR` and both exceed it, the face is the one of the two
   whose normal has the smaller angle to the line from the surface to the node, or else the first.

Nodes away from edges get the face above them, which no rounding can change.
"""

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.spatial import KDTree

from dabench.systems.gencast.network import search_tree
from dabench.systems.gencast.network.mesh import Mesh

NEAR = 1e-8  # step 5: squared distances on the unit sphere count as equal
ZERO = 1e-13  # products of components this small count as zero in `_closest`
NODES_AT_ONCE = 4096  # some 100 MB of candidates
MOST_CANDIDATES = 64  # more than ever meet a box that reaches to the nearest vertex


def containing_faces(
    latitude: Float[np.ndarray, "grid"], longitude: Float[np.ndarray, "grid"], mesh: Mesh
) -> Int[np.ndarray, "grid 3"]:
    """Corners of the face nearest to each grid node, given in degrees."""
    points = _positions(latitude.astype(np.float32), longitude.astype(np.float32)).astype(float)
    search = _Search(mesh)
    blocks = np.array_split(points, -(-len(points) // NODES_AT_ONCE))
    return mesh.faces[np.concatenate([search.nearest(block) for block in blocks])]


class _Search:
    """Steps 2 to 5 on one mesh."""

    def __init__(self, mesh: Mesh):
        self.triangles = mesh.vertices[mesh.faces].astype(float)
        self.low, self.high = self.triangles.min(axis=1), self.triangles.max(axis=1)
        self.rank = np.argsort(search_tree.order(self.low, self.high))
        self.vertices = KDTree(mesh.vertices.astype(float))
        centres = self.triangles.mean(axis=1)
        self.centres = KDTree(centres)
        self.radius = np.linalg.norm(self.triangles - centres[:, None], axis=-1).max()
        sides = np.diff(self.triangles, axis=1)
        normals = np.cross(sides[:, 0], sides[:, 1])
        self.normals = normals / np.sqrt(_dot(normals, normals))[:, None]

    def nearest(self, points: Float[np.ndarray, "node 3"]) -> Int[np.ndarray, "node"]:
        """Number of the face of each point."""
        faces, is_candidate = self.candidates(points)
        offset = points[:, None] - _closest(points[:, None], self.triangles[faces])
        square = np.where(is_candidate, _dot(offset, offset), np.inf)
        best = search_tree.sort(square)[:, :2]
        faces, square = (np.take_along_axis(a, best, axis=1) for a in (faces, square))
        offset = np.take_along_axis(offset, best[:, :, None], axis=1)
        alike = (np.abs(np.diff(square)[:, 0]) < NEAR) & (square > NEAR).all(axis=1)
        length = np.sqrt(np.where(alike[:, None], square, 1.0))[:, :, None]
        alignment = _dot(self.normals[faces], offset / length)
        second = alike & (alignment[:, 1] > alignment[:, 0])
        return np.where(second, faces[:, 1], faces[:, 0])

    def candidates(
        self, points: Float[np.ndarray, "node 3"]
    ) -> tuple[Int[np.ndarray, "node face"], np.ndarray]:
        """Faces whose box meets that of a point, in the order of the tree, and which are such."""
        reach = np.asarray(self.vertices.query(points)[0])[:, None] + NEAR
        count = min(MOST_CANDIDATES, len(self.triangles))
        bound = np.sqrt(3) * reach.max() + self.radius
        near = np.asarray(self.centres.query(points, count, distance_upper_bound=bound)[1])
        if count == MOST_CANDIDATES and (near[:, -1] < len(self.triangles)).any():
            raise AssertionError("more faces near a grid node than a mesh of this kind has")
        faces = np.minimum(near, len(self.triangles) - 1)
        low, high = (points - reach)[:, None], (points + reach)[:, None]
        meets = ((self.low[faces] <= high) & (self.high[faces] >= low)).all(axis=-1)
        rank = np.where(meets & (near == faces), self.rank[faces], len(self.triangles))
        columns = np.argsort(rank, axis=1, kind="stable")
        columns = columns[:, : (rank < len(self.triangles)).sum(axis=1).max()]
        return np.take_along_axis(faces, columns, 1), np.take_along_axis(meets, columns, 1)


def _dot(a: Float[np.ndarray, "*n 3"], b: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
    product = a * b
    return (product[..., 0] + product[..., 1]) + product[..., 2]


def _closest(
    points: Float[np.ndarray, "*#n 3"], triangles: Float[np.ndarray, "*n 3 3"]
) -> Float[np.ndarray, "*n 3"]:
    """The point of each triangle that is closest to a point.

    Source: Ericson (2005), Real-Time Collision Detection, section 5.1.5, whose letters these are:
    d1 to d6 place the point along the sides from a, seen from a, b and c; va, vb and vc are
    proportional to the barycentric weights of its projection.
    """
    a, b, c = (triangles[..., i, :] for i in range(3))
    ab, ac = b - a, c - a
    d1, d2, d3, d4, d5, d6 = (_dot(side, points - x) for x in (a, b, c) for side in (ab, ac))
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    with np.errstate(divide="ignore", invalid="ignore"):  # of the branches not taken
        on_ab, on_ac = d1 / (d1 - d3), d2 / (d2 - d6)
        on_bc = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        scale = 1 / (va + vb + vc)
    inside = a + ab * (vb * scale)[..., None] + ac * (vc * scale)[..., None]
    regions = [
        ((d1 < ZERO) & (d2 < ZERO), a),
        ((d3 > -ZERO) & (d4 <= d3), b),
        ((vc < ZERO) & (d1 > -ZERO) & (d3 < ZERO), a + on_ab[..., None] * ab),
        ((d6 > -ZERO) & (d5 <= d6), c),
        ((vb < ZERO) & (d2 > -ZERO) & (d6 < ZERO), a + on_ac[..., None] * ac),
        ((va < ZERO) & (d4 - d3 > -ZERO) & (d5 - d6 > -ZERO), b + on_bc[..., None] * (c - b)),
    ]
    return np.select([where[..., None] for where, _ in regions], [x for _, x in regions], inside)


def _positions(
    latitude: Float32[np.ndarray, "node"], longitude: Float32[np.ndarray, "node"]
) -> Float32[np.ndarray, "node 3"]:
    """Unit vectors of places in degrees, rounded to float32 at every step."""
    sin_azimuth, cos_azimuth = _sine_cosine(np.deg2rad(longitude))
    sin_colatitude, cos_colatitude = _sine_cosine(np.deg2rad(90 - latitude))
    x, y = cos_azimuth * sin_colatitude, sin_azimuth * sin_colatitude
    return np.stack([x, y, cos_colatitude], axis=-1)


COSINE = ("0x1p+0", "-0x1p-1", "0x1.55553cp-5", "-0x1.6c06dcp-10", "0x1.98e616p-16")
SINE = ("-0x1.555556p-3", "0x1.11119ap-7", "-0x1.a06bbap-13", "0x1.7d3bbcp-19")
QUARTER_TURN = ("0x1.921fbp+0", "0x1.5110b4p-22", "0x1.846988p-48")  # pi / 2, in three parts


def _sine_cosine(
    angle: Float32[np.ndarray, "node"],
) -> tuple[Float32[np.ndarray, "node"], Float32[np.ndarray, "node"]]:
    """Sine and cosine of float32 radians as NumPy's kernels for AVX2 and AVX-512 round them.

    The angle less whole quarter turns goes through two polynomials in Horner's form, rounded to
    float32 after each step; at most 1.5 units in the last place off.
    """
    turns = np.rint(angle * np.float32(2 / np.pi))
    rest = angle
    for part in QUARTER_TURN:
        rest = _rounded(-turns * float.fromhex(part) + rest.astype(float))
    square = rest * rest
    cosine, sine = _polynomial(COSINE, square), _polynomial(SINE, square)
    sine = _rounded((sine * square).astype(float) * rest + rest)
    quarter = turns.astype(int) % 4
    return (
        np.choose(quarter, [sine, cosine, -sine, -cosine]),
        np.choose(quarter, [cosine, -sine, -cosine, sine]),
    )


def _polynomial(coefficients: tuple[str, ...], x: Float32[np.ndarray, "node"]) -> np.ndarray:
    *others, highest = (float.fromhex(c) for c in coefficients)
    value = np.full_like(x, highest)
    for coefficient in reversed(others):
        value = _rounded(value.astype(float) * x + coefficient)
    return value


def _rounded(x: Float[np.ndarray, "node"]) -> Float32[np.ndarray, "node"]:
    return x.astype(np.float32)

"""Which grid and mesh nodes exchange messages, and what they know of each other's place.

GenCast specification, sections 5.2 and 5.3. All is computed in float64 and features are rounded to
float32 once, so that no processor makes another graph; which edges there are at ties between faces
is the rule of `faces`. No tie is known at the radius: the pair of the published one-degree models
that is nearest to it is 7e-7 off, a hundred times what vertices in float32 are inexact by.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from dabench.systems.gencast.network import mesh as meshes
from dabench.systems.gencast.network.faces import containing_faces
from dabench.systems.gencast.network.mesh import Mesh


class Edges(NamedTuple):
    """A bipartite graph: edge e carries a message from `senders[e]` to `receivers[e]`."""

    senders: Int[np.ndarray, "edge"]
    receivers: Int[np.ndarray, "edge"]
    features: Float[np.ndarray, "edge 4"]


@dataclass(frozen=True, eq=False)
class Graph:
    """All geometry of one grid and one mesh; knows nothing of parameters.

    Arguments:
        mesh: The icosahedral mesh.
        grid2mesh: Edges from grid nodes to mesh nodes nearby, sorted by receiver.
        mesh2grid: Exactly three edges to each grid node, sorted by receiver: from the corners of
            the face that contains it.
        grid_features, mesh_features: sin(lat), cos(lon), sin(lon) of the nodes.
    """

    mesh: Mesh
    grid2mesh: Edges
    mesh2grid: Edges
    grid_features: Float[np.ndarray, "grid 3"]
    mesh_features: Float[np.ndarray, "mesh 3"]

    @cached_property
    def digest(self) -> str:
        """sha256 of all edges in their order: to the mesh, on it and from it, as int32 numbers."""
        on_mesh = meshes.edges(self.mesh).T
        ends = (*self.grid2mesh[:2], *on_mesh, *self.mesh2grid[:2])
        content = hashlib.sha256()
        for nodes in ends:
            content.update(nodes.astype("<i4").tobytes())
        return content.hexdigest()


def build(
    latitude: Float[np.ndarray, "lat"],
    longitude: Float[np.ndarray, "lon"],
    mesh_size: int,
    radius_fraction: float,
) -> Graph:
    """The graph between a latitude-longitude grid (degrees) and a mesh refined `mesh_size` times.

    Grid nodes are latitude-major. `radius_fraction` is the reach of a grid node in units of the
    longest mesh edge.
    """
    mesh = meshes.icosphere(mesh_size)
    grid_lat, grid_lon = _grid_nodes(latitude, longitude)
    mesh_lat, mesh_lon = meshes.lat_lon(mesh.vertices)
    points = positions(grid_lat, grid_lon)

    grid, nodes = nearby(points, mesh, query_radius(mesh, radius_fraction))
    by_receiver = np.argsort(nodes, kind="stable")
    grid, nodes = grid[by_receiver], nodes[by_receiver]
    corners = containing_faces(grid_lat, grid_lon, mesh).ravel()
    targets = np.repeat(np.arange(len(points)), 3)
    on_grid, on_mesh = (grid_lat, grid_lon), (mesh_lat, mesh_lon)
    return Graph(
        mesh,
        Edges(grid, nodes, edge_features(on_grid, on_mesh, grid, nodes)),
        Edges(corners, targets, edge_features(on_mesh, on_grid, corners, targets)),
        node_features(*on_grid),
        node_features(*on_mesh),
    )


def _grid_nodes(
    latitude: np.ndarray, longitude: np.ndarray
) -> tuple[Float[np.ndarray, "grid"], Float[np.ndarray, "grid"]]:
    """Degrees of every node, as float32 coordinates of a dataset have them."""
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    lat, lon = (a.ravel().astype(np.float32).astype(float) for a in (lat, lon))
    return lat, lon


def positions(
    latitude: Float[np.ndarray, "node"], longitude: Float[np.ndarray, "node"]
) -> Float[np.ndarray, "node 3"]:
    """Unit vectors of points given in degrees."""
    azimuth, colatitude = np.deg2rad(longitude), np.deg2rad(90 - latitude)
    x, y = np.cos(azimuth) * np.sin(colatitude), np.sin(azimuth) * np.sin(colatitude)
    return np.stack([x, y, np.cos(colatitude)], axis=-1)


def query_radius(mesh: Mesh, fraction: float) -> np.float32:
    """`fraction` of the longest edge of the mesh, as a chord of the unit sphere."""
    senders, receivers = meshes.edges(mesh).T
    vertices = mesh.vertices.astype(float)
    lengths = np.linalg.norm(vertices[senders] - vertices[receivers], axis=-1)
    return np.float32(fraction * lengths.max())


def nearby(
    points: Float[np.ndarray, "grid 3"], mesh: Mesh, radius: np.floating
) -> tuple[Int[np.ndarray, "edge"], Int[np.ndarray, "edge"]]:
    """(point, mesh node) for every pair within a straight-line distance, ordered by point."""
    in_reach = KDTree(mesh.vertices.astype(float)).query_ball_point(points, float(radius))
    counts = [len(nodes) for nodes in in_reach]
    return np.repeat(np.arange(len(points)), counts), np.concatenate(in_reach).astype(int)


def node_features(
    latitude: Float[np.ndarray, "node"], longitude: Float[np.ndarray, "node"]
) -> Float[np.ndarray, "node 3"]:
    """sin(lat), cos(lon), sin(lon)."""
    azimuth = np.deg2rad(longitude)
    sin_latitude = np.cos(np.deg2rad(90 - latitude))
    return np.stack([sin_latitude, np.cos(azimuth), np.sin(azimuth)], -1).astype(np.float32)


def edge_features(
    sender_place: tuple[np.ndarray, np.ndarray],
    receiver_place: tuple[np.ndarray, np.ndarray],
    senders: Int[np.ndarray, "edge"],
    receivers: Int[np.ndarray, "edge"],
) -> Float[np.ndarray, "edge 4"]:
    """Length and components of sender - receiver, seen from a receiver turned to (1, 0, 0).

    Places are (latitude, longitude) in degrees; lengths are relative to the longest edge.
    """
    origin, target = positions(*sender_place)[senders], positions(*receiver_place)[receivers]
    latitude, longitude = receiver_place
    azimuth, elevation = np.deg2rad(longitude)[receivers], np.deg2rad(latitude)[receivers]
    offset = _turn(origin, elevation, azimuth) - _turn(target, elevation, azimuth)
    length = np.linalg.norm(offset, axis=-1, keepdims=True)
    return (np.concatenate([length, offset], axis=-1) / length.max()).astype(np.float32)


def _turn(
    points: Float[np.ndarray, "edge 3"], elevation: np.ndarray, azimuth: np.ndarray
) -> Float[np.ndarray, "edge 3"]:
    x, y, z = points.T
    forward = np.cos(azimuth) * x + np.sin(azimuth) * y
    east = -np.sin(azimuth) * x + np.cos(azimuth) * y
    up = np.cos(elevation) * forward + np.sin(elevation) * z
    north = -np.sin(elevation) * forward + np.cos(elevation) * z
    return np.stack([up, east, north], axis=-1)


def within_hops(mesh: Mesh, hops: int) -> scipy.sparse.csr_array:
    """(mesh, mesh) boolean matrix: can be reached along at most `hops` edges; true of itself."""
    itself = scipy.sparse.csr_array(scipy.sparse.eye_array(len(mesh.vertices), dtype=bool))
    step, reached = meshes.adjacency(mesh) + itself, itself
    for _ in range(hops):
        reached = scipy.sparse.csr_array((reached @ step).astype(bool))
    reached.sort_indices()
    return reached

"""Nodes: points at which weights are computed, and the shares by which others interpolate them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from dabench.core.layout import Layout

BANDS = 32
"""Number of bands the nodes are split into; fewer where there are fewer blocks of them."""


class Nodes(NamedTuple):
    """Points where weights are computed, and who takes weights from them.

    Arguments:
        point: (node,) numbers of the points, ascending.
        near: (node, around) points that take weights from a node; arbitrary where `share` is 0.
        share: (node, around) factor of the node's weights there; over nodes they sum to one.
    """

    point: Int[np.ndarray, "node"]
    near: Int[np.ndarray, "node around"]
    share: Float[np.ndarray, "node around"]


def make_nodes(layout: Layout, stride: int) -> Nodes:
    """Every `stride`-th point each way, for (bi)linear interpolation in the coordinates.

    Source: Yang, Kalnay, Hunt & Bowler (2009), QJRMS 135, 251-262.
    """
    point, share = np.zeros(1, int), sparse.csr_matrix([[1.0]])
    for name, values in layout.coords.items():
        index, hats = nodes_along(values, stride, period(layout, name))
        point = (point[:, None] * len(values) + index).ravel()
        share = sparse.csr_matrix(sparse.kron(share, hats))
    count = np.diff(share.indptr)
    filled = np.arange(count.max()) < count[:, None]
    near, shares = np.zeros(filled.shape, int), np.zeros(filled.shape)
    near[filled], shares[filled] = share.indices, share.data
    return Nodes(point, near, shares)


def period(layout: Layout, name: str) -> float | None:
    """Length after which a coordinate repeats (sites of a ring, global longitudes), or None."""
    values = layout.coords[name]
    if name == "longitude":
        return 360.0 if values[0] + 360 - values[-1] < 1.5 * np.diff(values).max() else None
    return float(len(values)) if layout.periodic else None


def nodes_along(
    values: Float[np.ndarray, "place"], stride: int, period: float | None
) -> tuple[Int[np.ndarray, "node"], Float[np.ndarray, "node place"]]:
    """Nodes of one coordinate, and the piecewise linear function of each; an open end is a node."""
    node = np.arange(0, len(values), stride)
    if period is None:
        node = np.unique(np.append(node, len(values) - 1))
        return node, hats(values, values[node])
    functions = hats(values, np.append(values[node], values[0] + period))
    functions[0] += functions[-1]
    return node, functions[:-1]


def hats(
    values: Float[np.ndarray, "place"], nodes: Float[np.ndarray, "node"]
) -> Float[np.ndarray, "node place"]:
    """Piecewise linear functions, one at their own node and zero at all others."""
    return np.stack([np.interp(values, nodes, row) for row in np.eye(len(nodes))])


class Bands(NamedTuple):
    """Blocks of nodes by bands; the increments of a strip of points are in memory for each band.

    Bands and blocks are those of all parts, one part after the other.

    Arguments:
        first: First point of a band's strip, counted from the first point of its part.
        step: Number of points from there to the first one of the next band's strip.
        near, share: As in `Nodes`, for the units of each block; points are counted in the strip.
    """

    first: Int[np.ndarray, "band"]
    step: Int[np.ndarray, "band"]
    near: Int[np.ndarray, "block unit around"]
    share: Float[np.ndarray, "block unit around"]


def make_bands(
    nodes: Nodes, index: Int[np.ndarray, "block unit"], points: int, parts: int
) -> tuple[Bands, int]:
    """The bands of the blocks of `plan.blocks`, and the number of points of a strip.

    Arguments:
        points: Number of points of a state; parts share them, the last part may have fewer.
    """
    unit, points_a_part = np.minimum(index, len(nodes.point) - 1), -(-points // parts)
    part = np.arange(len(index)) // (len(index) // parts)
    near = nodes.near[unit] - part[:, None, None] * points_a_part
    used = _in_part(near, points_a_part) & (index < len(nodes.point))[..., None]
    used &= nodes.share[unit] > 0
    count = min(BANDS, len(index) // parts)
    by_band = np.where(used, near, -1).reshape(parts, count, -1)
    first, step, strip = strips(by_band, points_a_part)
    near = near - np.repeat(first, len(near) // len(first))[:, None, None]
    return Bands(first, step, np.where(used, near, 0), np.where(used, nodes.share[unit], 0)), strip


def _in_part(point: Int[np.ndarray, "*shape"], points: int) -> Bool[np.ndarray, "*shape"]:
    return (point >= 0) & (point < points)


def strips(
    near: Int[np.ndarray, "part band around"], points: int
) -> tuple[Int[np.ndarray, "band"], Int[np.ndarray, "band"], int]:
    """First points and steps of strips that never go back, and the least length for all of them.

    Arguments:
        near: Points that take weights from a band, counted in their part; negative: none.
        points: Number of points of a part.
    """
    least = np.where(near < 0, points, near).min(2)
    first = np.minimum.accumulate(least[:, ::-1], 1)[:, ::-1]
    first[:, 0] = 0
    length = int((near.max(2) + 1 - first).max())
    first = np.minimum(first, points - length)
    step = np.diff(first, append=first[:, -1:] + length)
    return first.ravel(), step.ravel(), length

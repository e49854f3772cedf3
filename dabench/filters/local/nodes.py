"""Points at which weights are computed; those of the points between are interpolated."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from dabench.core.layout import Layout

BANDS = 32
"""Into so many the nodes fall, in their order; fewer if there are fewer blocks of them."""


class Nodes(NamedTuple):
    """Every so many-th point each way.

    Arguments:
        point: (node,) their numbers, ascending.
        near: (node, around) the points that use the weights of a node; any where `share` is 0.
        share: (node, around) how much of them; the shares of a point sum to one.
    """

    point: Int[np.ndarray, "node"]
    near: Int[np.ndarray, "node around"]
    share: Float[np.ndarray, "node around"]


def make_nodes(layout: Layout, stride: int) -> Nodes:
    """Linear in the coordinates, bilinear on the sphere.

    Source: Yang, Kalnay, Hunt & Bowler (2009), QJRMS 135, 251-262.
    """
    number, share = np.zeros(1, int), sparse.csr_matrix([[1.0]])
    for name, values in layout.coords.items():
        chosen, hats = along(values, stride, period(layout, name))
        number = (number[:, None] * len(values) + chosen).ravel()
        share = sparse.csr_matrix(sparse.kron(share, hats))
    around = np.diff(share.indptr)
    filled = np.arange(around.max()) < around[:, None]
    near, shares = np.zeros(filled.shape, int), np.zeros(filled.shape)
    near[filled], shares[filled] = share.indices, share.data
    return Nodes(number, near, shares)


def period(layout: Layout, name: str) -> float | None:
    """After which a coordinate begins anew: sites of a ring, and longitudes of the whole globe."""
    values = layout.coords[name]
    if name == "longitude":
        return 360.0 if values[0] + 360 - values[-1] < 1.5 * np.diff(values).max() else None
    return float(len(values)) if layout.periodic else None


def along(
    values: Float[np.ndarray, "place"], stride: int, period: float | None
) -> tuple[Int[np.ndarray, "node"], Float[np.ndarray, "node place"]]:
    """Nodes of one coordinate, and the piecewise linear function of each; an open end is a node."""
    node = np.arange(0, len(values), stride)
    if period is None:
        node = np.unique(np.append(node, len(values) - 1))
        return node, hats(values, values[node])
    made = hats(values, np.append(values[node], values[0] + period))
    made[0] += made[-1]
    return node, made[:-1]


def hats(
    values: Float[np.ndarray, "place"], nodes: Float[np.ndarray, "node"]
) -> Float[np.ndarray, "node place"]:
    """One at their node and zero at all others."""
    return np.stack([np.interp(values, nodes, row) for row in np.eye(len(nodes))])


Around = tuple[
    Int[np.ndarray, "band"],
    Int[np.ndarray, "band"],
    Int[np.ndarray, "block unit around"],
    Float[np.ndarray, "block unit around"],
]
"""First point of the window of a band, and how far the next one's is; near and share of a block.

Bands and blocks are those of all parts, one part after the other.
"""


def around(
    nodes: Nodes, index: Int[np.ndarray, "block unit"], points: int, parts: int
) -> tuple[Around, int]:
    """The points around each unit of a block, counted in the window of its band; a window's length.

    Arguments:
        index: From `local.blocks`.
        points: In all; the parts share them, the last one may have fewer.
    """
    unit, own_points = np.minimum(index, len(nodes.point) - 1), -(-points // parts)
    part = np.arange(len(index)) // (len(index) // parts)
    near = nodes.near[unit] - part[:, None, None] * own_points
    own = (near >= 0) & (near < own_points) & (index < len(nodes.point))[..., None]
    own &= nodes.share[unit] > 0
    bands = min(BANDS, len(index) // parts)
    first, step, window = windows(np.where(own, near, -1).reshape(parts, bands, -1), own_points)
    near = near - np.repeat(first, len(near) // len(first))[:, None, None]
    return (first, step, np.where(own, near, 0), np.where(own, nodes.share[unit], 0)), window


def windows(
    near: Int[np.ndarray, "part band around"], points: int
) -> tuple[Int[np.ndarray, "band"], Int[np.ndarray, "band"], int]:
    """As short as they can be if they only go on; negative: no point."""
    least = np.where(near < 0, points, near).min(2)
    first = np.minimum.accumulate(least[:, ::-1], 1)[:, ::-1]
    first[:, 0] = 0
    window = int((near.max(2) + 1 - first).max())
    first = np.minimum(first, points - window)
    step = np.diff(first, append=first[:, -1:] + window)
    return first.ravel(), step.ravel(), window

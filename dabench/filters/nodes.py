"""Points at which weights are computed; those of the points between are interpolated."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from dabench.systems.base import Layout


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

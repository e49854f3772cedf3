"""Neighbours of observations, which the buddy check compares them with; lists made on the host."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from dabench.core.layout import Layout
from dabench.observe.errors import places
from dabench.observe.swaths import EARTH_RADIUS_KM
from dabench.scenario.checks import MOST_BUDDIES, Buddies
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group


class Neighbours(NamedTuple):
    """The nearest observations of the same group, variable and level, one row an observation.

    Arguments:
        index: Numbers of the neighbours, padded by any numbers.
        near: Whether an entry is a neighbour.
        least: Neighbours that a check by them needs.
    """

    index: Int[np.ndarray, "obs neighbour"]
    near: Bool[np.ndarray, "obs neighbour"]
    least: Int[np.ndarray, "obs"]


def neighbours(groups: Sequence[Group], table: pd.DataFrame, layout: Layout) -> Neighbours | None:
    """The neighbours in a network; None where no group has a buddy check.

    Arguments:
        groups: Groups of the network.
        table: Table of the network, one row an observation.
        layout: Layout of the states.
    Raises: Misfit where a radius is of another kind of system.
    """
    if all(group.buddies is None for group in groups):
        return None
    shape = len(table), MOST_BUDDIES
    lists = Neighbours(np.zeros(shape, int), np.zeros(shape, bool), np.full(len(table), 1))
    for i, group in enumerate(groups):
        if group.buddies is None:
            continue
        radius = _chord(i, group.buddies, layout)
        for rows in _alike(group, table):
            index, near = _within(places(table.iloc[rows], layout), radius)
            lists.index[rows, : index.shape[1]] = rows[index]
            lists.near[rows, : index.shape[1]] = near
            lists.least[rows] = group.buddies.least
    return lists


def _alike(group: Group, table: pd.DataFrame) -> Iterator[Int[np.ndarray, "n"]]:
    """Numbers of a group's observations of each variable and level."""
    rows = table[table["group"] == group.name]
    for _, part in rows.groupby(["variable", "level"], dropna=False, sort=False):
        yield part.index.to_numpy()


def _chord(i: int, rule: Buddies, layout: Layout) -> float:
    """The straight distance between places that are a radius apart, in the units of `places`."""
    own, other = (
        ("radius_km", "radius_sites") if layout.on_sphere else ("radius_sites", "radius_km")
    )
    radius = getattr(rule, own)
    if radius is None:
        text = f"is of another kind of system; use {own}"
        raise Misfit(("observations", i, "buddies", other), text)
    if not layout.on_sphere and not layout.periodic:
        return radius
    around = EARTH_RADIUS_KM if layout.on_sphere else layout.points / (2 * np.pi)
    return 2 * around * np.sin(min(radius / (2 * around), np.pi / 2))


def _within(
    where: Float[np.ndarray, "n axis"], radius: float
) -> tuple[Int[np.ndarray, "n k"], Bool[np.ndarray, "n k"]]:
    """The nearest other places of each one, and which of them lie within the radius."""
    count = min(MOST_BUDDIES + 1, len(where))
    pairs = KDTree(where).query(where, k=count)
    distance, index = (np.reshape(part, (len(where), count)) for part in pairs)
    near = (distance <= radius * (1 + 1e-9)) & (index != np.arange(len(where))[:, None])
    order = np.argsort(~near, axis=1, kind="stable")[:, :MOST_BUDDIES]  # the place itself is last
    return np.take_along_axis(index, order, 1), np.take_along_axis(near, order, 1)

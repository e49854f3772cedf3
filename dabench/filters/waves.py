"""Smooth functions on a layout's points, by degree: harmonics on the sphere, waves elsewhere."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.layout import Layout
from dabench.systems.sphere import harmonics

Map = Callable[[Float[Array, "row channel a"]], Float[Array, "row channel b"]]


def highest(layout: Layout) -> int:
    """The largest degree that a layout's points hold."""
    if layout.on_sphere:
        lat, lon = layout.coords.values()
        return min(len(lat) - 1, (len(lon) - 1) // 2)
    return layout.points // 2 if layout.periodic else layout.points - 1


def functions(
    layout: Layout, places: dict[str, np.ndarray], degree: int | None = None
) -> list[Float[np.ndarray, "place order"]]:
    """The functions of every degree from 0 on at some places.

    Arguments:
        degree: Largest degree; never more than the layout's points hold.
    """
    most = highest(layout) if degree is None else min(degree, highest(layout))
    if layout.on_sphere:
        Y = harmonics.at(places["latitude"], places["longitude"], most)
        return np.split(Y, np.arange(1, most + 1) ** 2, axis=1)
    n, site = layout.points, places["site"][:, None]
    if not layout.periodic:
        return [np.cos(np.pi * k * (site + 0.5) / n) for k in range(most + 1)]
    angle = 2 * np.pi * site / n
    waves = [np.hstack([np.cos(k * angle), np.sin(k * angle)]) for k in range(1, most + 1)]
    if 2 * most == n:  # the shortest wave of an even number of sites has no sine
        waves[-1] = waves[-1][:, :1]
    return [np.ones_like(angle), *waves]


class Modes(NamedTuple):
    """Coefficients of fields on all points, by functions of every degree that the points hold.

    Arguments:
        ends: End of each degree's coefficients among all.
        synthesise: Coefficients -> fields.
        adjoint: The transpose of `synthesise`.
        analyse: Fields -> coefficients, by least squares.
    """

    ends: np.ndarray
    synthesise: Map
    adjoint: Map
    analyse: Map


def modes(layout: Layout) -> Modes:
    """The modes of a layout's grid."""
    if layout.on_sphere:
        most = highest(layout)
        latitude, longitude = layout.coords.values()
        grid = harmonics.Harmonics(latitude, longitude, most)
        return Modes(np.arange(1, most + 2) ** 2, grid.synthesise, grid.adjoint, grid.analyse)
    by_degree = [f / np.linalg.norm(f, axis=0) for f in functions(layout, layout.positions)]
    F, ends = np.concatenate(by_degree, 1), np.cumsum([f.shape[1] for f in by_degree])
    return Modes(
        ends,
        lambda c: c @ jnp.asarray(F.T, c.dtype),
        lambda x: x @ jnp.asarray(F, x.dtype),
        lambda x: x @ jnp.asarray(F, x.dtype),  # the functions are orthonormal
    )

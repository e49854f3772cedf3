"""Observed variables of a group: channels of the state, or functions of two; and the operator h."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dabench.core.layout import Layout
from dabench.observe.stations import Stations
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group
from dabench.scenario.validate import suggest

SURFACE = {
    "temperature": "2m_temperature",
    "u_component_of_wind": "10m_u_component_of_wind",
    "v_component_of_wind": "10m_v_component_of_wind",
    "wind_speed": "10m_wind_speed",
}
"""The variable that `levels: [surface]` stands for, where it is not the variable itself."""

VECTORS = ("u_component_of_wind", "v_component_of_wind")
"""Endings of the names of variables that change sign across a pole."""


def speed(u: Array, v: Array) -> Array:
    """|(u, v)|, with the gradient at rest, where it is undefined, set to zero."""
    square = u**2 + v**2
    calm = square == 0
    return jnp.where(calm, 0.0, jnp.sqrt(jnp.where(calm, 1.0, square)))


PAIRS: dict[str, tuple[str, str, Callable[[Array, Array], Array]]] = {
    "wind_speed": (*VECTORS, speed),
    "10m_wind_speed": ("10m_u_component_of_wind", "10m_v_component_of_wind", speed),
}
"""Observed variable: the two state variables it is a function of, and the function."""


@dataclass(frozen=True)
class Target:
    """One observed variable at one level.

    Arguments:
        level: Pressure in hPa; None for variables without levels.
        channels: Channels that it is computed from: one, or two of a pair.
        units: Units of the variable and of `error_std`.
        error_std: Standard deviation of the observation error.
    """

    variable: str
    level: float | None
    channels: tuple[int, ...]
    units: str
    error_std: float


Cell = tuple[str, float | None]
"""Variable and level."""


class Rows(NamedTuple):
    """The observations of one group: every target at every station, target-major."""

    stations: Stations
    targets: list[Target]


def resolve(group: Group, layout: Layout) -> list[Target]:
    """The targets of a group, variable by variable; Misfit where the system lacks one."""
    channels = _observable(layout)
    cells: dict[Cell, None] = {}  # an ordered set
    for variable in group.variables or dict.fromkeys(c.name for c in layout.channels):
        for level in group.levels:
            cells |= dict.fromkeys(_expand(variable, level, channels))
    units = {cell: layout.channels[channels[cell][0]].units for cell in cells}
    if len(set(units.values())) > 1:
        listed = ", ".join(f"{name} in {units[name, level]}" for name, level in cells)
        raise Misfit(("variables",), f"differ in units ({listed}); give each a group of its own")
    std = _error_std(group, cells)
    return [Target(*cell, channels[cell], units[cell], std[cell]) for cell in cells]


def defined(target: Target, stations: Stations, layout: Layout) -> Bool[np.ndarray, "station"]:
    """Whether a target is defined at all corners of each station; Misfit if at none."""
    if layout.undefined is None:
        return np.ones(len(stations.index), bool)
    missing = layout.undefined[list(target.channels)][:, stations.index].any((0, 2))
    if missing.all():
        raise Misfit(("locations",), f"{target.variable} has no value at any of these stations")
    return np.logical_not(missing)


def _observable(layout: Layout) -> dict[Cell, tuple[int, ...]]:
    """The channels that each observable variable and level is computed from."""
    channels: dict[Cell, tuple[int, ...]] = {
        (c.name, c.level): (i,) for i, c in enumerate(layout.channels)
    }
    for name, (first, second, _) in PAIRS.items():
        for i, c in enumerate(layout.channels):
            if c.name == first and (second, c.level) in channels:
                channels[name, c.level] = (i, *channels[second, c.level])
    return channels


def _expand(variable: str, level: str | float, observable: Iterable[Cell]) -> list[Cell]:
    """The variables and levels that one entry of `levels` stands for."""
    if level == "surface":
        variable = SURFACE.get(variable, variable)
    levels = [hpa for name, hpa in observable if name == variable]
    if not levels:
        names = sorted({name for name, _ in observable})
        raise Misfit(("variables",), f"this system has no {variable!r}; {suggest(variable, names)}")
    if level == "all":
        return [(variable, hpa) for hpa in levels]
    hpa = level if isinstance(level, float) else None
    if hpa not in levels:
        listed = ", ".join("surface" if v is None else f"{v:g}" for v in levels)
        raise Misfit(("levels",), f"{variable} has no level {level}; its levels are {listed}")
    return [(variable, hpa)]


def _error_std(group: Group, cells: Iterable[Cell]) -> dict[Cell, float]:
    """The standard deviation of every variable and level; all entries by level must be used."""
    by_level = group.error_std
    if not isinstance(by_level, dict):
        return dict.fromkeys(cells, by_level)
    keys: dict[Cell, Any] = {cell: "surface" if cell[1] is None else cell[1] for cell in cells}
    if missing := set(keys.values()) - set(by_level):
        raise Misfit(("error_std",), f"has no entry for level {_listed(missing)}; add one")
    if unused := set(by_level) - set(keys.values()):
        text = f"names level {_listed(unused)}, which is not observed; leave it out"
        raise Misfit(("error_std",), text)
    return {cell: by_level[key] for cell, key in keys.items()}


def _listed(levels: set) -> str:
    return ", ".join(sorted(str(x) if x == "surface" else f"{x:g}" for x in levels))


def operator(
    groups: Sequence[Rows], layout: Layout
) -> tuple[Callable[[Float[Array, "state"]], Float[Array, "obs"]], bool]:
    """h, made of one gather from the state and the functions of pairs; and whether it is linear."""
    index, weight = _gather(groups, layout)
    functions = _pairs(groups)
    size = sum(len(g.targets) * len(g.stations.index) for g in groups)
    weighted = index.shape[1] > 1 or not (weight == 1).all()

    def h(x: Float[Array, "state"]) -> Float[Array, "obs"]:
        values = jnp.asarray(x).at[index].get(mode="promise_in_bounds")
        values = (values * jnp.asarray(weight, x.dtype)).sum(1) if weighted else values[:, 0]
        y = values[:size]
        for function, first, second in functions:
            y = y.at[first].set(function(values[first], values[second]))
        return y

    return h, not functions


def _gather(groups: Sequence[Rows], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Indices into the state and weights, (value, corner): first channels, then second ones."""
    corners = max(g.stations.index.shape[1] for g in groups)
    start = (layout.frames - 1) * len(layout.channels) * layout.points
    parts = []
    for which in (0, 1):
        for stations, targets in groups:
            for target in targets:
                if which < len(target.channels):
                    channel = target.channels[which]
                    weight = _signed(stations, layout.channels[channel].name)
                    index = start + channel * layout.points + stations.index
                    parts.append((_widen(index, corners), _widen(weight, corners, 0)))
    index, weight = (np.concatenate(p) for p in zip(*parts, strict=True))
    return index.astype(np.int32), weight


def _signed(stations: Stations, variable: str) -> np.ndarray:
    """Weights of the corners for one variable; components of vectors change sign across a pole."""
    flipped = variable.endswith(VECTORS) & stations.across
    return np.where(flipped, -stations.weight, stations.weight)


def _widen(corners: np.ndarray, n: int, fill: float | None = None) -> np.ndarray:
    """Corners padded to n, with the last one or with `fill`."""
    pad = ((0, 0), (0, n - corners.shape[1]))
    if fill is None:
        return np.pad(corners, pad, mode="edge")
    return np.pad(corners, pad, constant_values=fill)


def _pairs(groups: Sequence[Rows]) -> list[tuple[Callable, np.ndarray, np.ndarray]]:
    """For targets of two channels: function, rows of y, and positions of the second values."""
    row, second = 0, sum(len(g.targets) * len(g.stations.index) for g in groups)
    rows: dict[Callable, list[np.ndarray]] = {}
    for stations, targets in groups:
        station = np.arange(len(stations.index))
        for target in targets:
            if len(target.channels) == 2:
                function = PAIRS[target.variable][2]
                rows.setdefault(function, []).append(np.stack([row + station, second + station]))
                second += len(station)
            row += len(station)
    return [(function, *np.concatenate(parts, 1)) for function, parts in rows.items()]

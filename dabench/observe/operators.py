"""What a group observes there: channels of the state, or a function of some of them."""

from collections.abc import Callable, Sequence
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
"""What `levels: [surface]` of a variable means, where it does not mean the variable itself."""

VECTORS = ("u_component_of_wind", "v_component_of_wind")
"""Endings of the names of variables that change sign across a pole."""


def speed(u: Array, v: Array) -> Array:
    """|(u, v)|, with gradient zero at rest, where it has none."""
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
    """One observed variable at one level: the channels it needs (two where it is nonlinear)."""

    variable: str
    level: float | None
    channels: tuple[int, ...]
    units: str
    error_std: float


class Rows(NamedTuple):
    """The observations of one group: every target at every station, target-major."""

    stations: Stations
    targets: list[Target]


def resolve(group: Group, layout: Layout) -> list[Target]:
    """The targets of a group, variable by variable; Misfit where the system lacks one."""
    known = _observable(layout)
    wanted: dict[tuple[str, float | None], None] = {}
    for variable in group.variables or dict.fromkeys(c.name for c in layout.channels):
        for level in group.levels:
            wanted |= dict.fromkeys(_expand(variable, level, known))
    units = {key: layout.channels[known[key][0]].units for key in wanted}
    if len(set(units.values())) > 1:
        listed = ", ".join(f"{name} in {units[name, level]}" for name, level in wanted)
        raise Misfit(("variables",), f"differ in units ({listed}); give each a group of its own")
    std = _error_std(group, wanted)
    return [Target(*key, known[key], units[key], std[key]) for key in wanted]


def defined(target: Target, stations: Stations, layout: Layout) -> Bool[np.ndarray, "station"]:
    """Where a target has a meaning at all corners of a station; Misfit if nowhere."""
    if layout.undefined is None:
        return np.ones(len(stations.index), bool)
    missing = layout.undefined[list(target.channels)][:, stations.index].any((0, 2))
    if missing.all():
        raise Misfit(("locations",), f"{target.variable} has no value at any of these stations")
    return np.logical_not(missing)


def _observable(layout: Layout) -> dict[tuple[str, float | None], tuple[int, ...]]:
    """(variable, level) -> channels, for all that can be observed in a state."""
    known: dict[tuple[str, float | None], tuple[int, ...]] = {
        (c.name, c.level): (i,) for i, c in enumerate(layout.channels)
    }
    for name, (first, second, _) in PAIRS.items():
        for i, c in enumerate(layout.channels):
            if c.name == first and (second, c.level) in known:
                known[name, c.level] = (i, *known[second, c.level])
    return known


def _expand(variable: str, level: str | float, known: dict) -> list[tuple[str, float | None]]:
    """The (variable, level) pairs that one entry of `levels` stands for."""
    if level == "surface":
        variable = SURFACE.get(variable, variable)
    levels = [at for name, at in known if name == variable]
    if not levels:
        names = sorted({name for name, _ in known})
        raise Misfit(("variables",), f"this system has no {variable!r}; {suggest(variable, names)}")
    if level == "all":
        return [(variable, at) for at in levels]
    wanted = level if isinstance(level, float) else None
    if wanted not in levels:
        there = ", ".join("surface" if at is None else f"{at:g}" for at in levels)
        raise Misfit(("levels",), f"{variable} has no level {level}; its levels are {there}")
    return [(variable, wanted)]


def _error_std(group: Group, wanted: Sequence | dict) -> dict[tuple[str, float | None], float]:
    """The standard deviation of every target; each entry given per level must be used."""
    given = group.error_std
    if not isinstance(given, dict):
        return dict.fromkeys(wanted, given)
    keys: dict[tuple, Any] = {k: "surface" if k[1] is None else k[1] for k in wanted}
    if missing := set(keys.values()) - set(given):
        raise Misfit(("error_std",), f"gives none for level {_listed(missing)}")
    if unused := set(given) - set(keys.values()):
        raise Misfit(("error_std",), f"names level {_listed(unused)}, which is not observed")
    return {key: given[level] for key, level in keys.items()}


def _listed(levels: set) -> str:
    return ", ".join(sorted(str(x) if x == "surface" else f"{x:g}" for x in levels))


def operator(
    groups: Sequence[Rows], layout: Layout
) -> tuple[Callable[[Float[Array, "state"]], Float[Array, "obs"]], bool]:
    """(h, whether it is linear): one gather for all values, then the functions of pairs."""
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
    """(value, corner) indices into the state and weights: first channels, then second ones."""
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
    """Weights of the corners for one variable: vectors turn round at a pole."""
    turns = variable.endswith(VECTORS) & stations.across
    return np.where(turns, -stations.weight, stations.weight)


def _widen(corners: np.ndarray, n: int, fill: float | None = None) -> np.ndarray:
    """Pad to n corners: by repeating the last, or with `fill`."""
    pad = ((0, 0), (0, n - corners.shape[1]))
    if fill is None:
        return np.pad(corners, pad, mode="edge")
    return np.pad(corners, pad, constant_values=fill)


def _pairs(groups: Sequence[Rows]) -> list[tuple[Callable, np.ndarray, np.ndarray]]:
    """(function, rows of y, where the second values stand) for the targets of two channels."""
    row, second = 0, sum(len(g.targets) * len(g.stations.index) for g in groups)
    found: dict[Callable, list[np.ndarray]] = {}
    for stations, targets in groups:
        where = np.arange(len(stations.index))
        for target in targets:
            if len(target.channels) == 2:
                function = PAIRS[target.variable][2]
                found.setdefault(function, []).append(np.stack([row + where, second + where]))
                second += len(where)
            row += len(where)
    return [(function, *np.concatenate(parts, 1)) for function, parts in found.items()]

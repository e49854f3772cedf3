"""Observed variables of a group: channels of the state, or functions of some; and h."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from dabench.core.layout import Layout
from dabench.observe.functions import CALM, MAKERS, Function, site, weighted
from dabench.observe.stations import Stations
from dabench.scenario.derived import AT_SURFACE, DERIVED, DIRECTIONS, LAYER_MEAN, VECTORS, Derived
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group
from dabench.scenario.validate import suggest

MOST_DEGREES = 60
"""Largest error of a direction: one radian, beyond which sines are no measure of angles."""


@dataclass(frozen=True)
class Target:
    """One observed variable at one level.

    Arguments:
        level: Pressure in hPa; None for variables without levels.
        channels: Channels that it is computed from: its own, or those of its parts.
        units: Units of the variable and of `error_std`.
        error_std: Standard deviation of the observation error.
        derived: What it is computed from; None for a variable of the state.
        weights: Weight of each channel in a vertical average; empty: it is none.
    """

    variable: str
    level: float | None
    channels: tuple[int, ...]
    units: str
    error_std: float
    derived: Derived | None = None
    weights: tuple[float, ...] = ()

    @property
    def linear(self) -> bool:
        """Whether it depends linearly on the state."""
        return self.derived is None or self.derived.linear

    def function(self, stations: Stations, layout: Layout) -> Function | None:
        """The function of its channels at some stations; None for a variable of the state."""
        if self.weights:
            return weighted(np.array(self.weights)[:, None])
        if self.derived is None:
            return None
        levels = tuple(layout.channels[i].level or math.nan for i in self.channels)
        return MAKERS[self.variable](site(stations, layout, levels))


Cell = tuple[str, float | None]
"""Variable and level."""


class Rows(NamedTuple):
    """The observations of one group: every target at every station, target-major."""

    stations: Stations
    targets: list[Target]


def resolve(group: Group, layout: Layout) -> list[Target]:
    """The targets of a group, variable by variable; Misfit where the system lacks one."""
    own = {(c.name, c.level): i for i, c in enumerate(layout.channels)}
    if group.average:
        targets = [_average(group, group.average, name, layout, own) for name in group.variables]
    else:
        targets = _at_levels(group, layout, own)
    if len({t.units for t in targets}) > 1:
        listed = ", ".join(f"{t.variable} in {t.units}" for t in targets)
        raise Misfit(("variables",), f"differ in units ({listed}); give each a group of its own")
    return targets


def _at_levels(group: Group, layout: Layout, own: Mapping[Cell, int]) -> list[Target]:
    """The targets of a group that observes every level by itself."""
    parts = _derivable(own)
    observable: dict[Cell, tuple[int, ...]] = {cell: (i,) for cell, i in own.items()}
    observable |= {cell: tuple(own[part] for part in of) for cell, of in parts.items()}
    cells: dict[Cell, None] = {}  # an ordered set
    for variable in group.variables or dict.fromkeys(c.name for c in layout.channels):
        for level in group.levels:
            cells |= dict.fromkeys(_expand(variable, level, observable))
    std = _error_std(group, cells)
    targets: list[Target] = []
    for cell in cells:
        if cell[0] in DIRECTIONS and std[cell] > MOST_DEGREES:
            text = f"{std[cell]:g} degrees are nearly no direction; at most {MOST_DEGREES}"
            raise Misfit(("error_std",), text)
        derived = DERIVED[cell[0]] if cell in parts else None
        units = (derived and derived.units) or layout.channels[observable[cell][0]].units
        targets.append(Target(*cell, observable[cell], units, std[cell], derived))
    return targets


def _derivable(cells: Collection[Cell]) -> dict[Cell, tuple[Cell, ...]]:
    """Derived variables and levels, and those of the state that each is computed from.

    Arguments:
        cells: Variables and levels of a state.
    """
    parts: dict[Cell, tuple[Cell, ...]] = {}
    own = {name for name, _ in cells}
    for name, derived in DERIVED.items():
        levels = [level for variable, level in cells if variable == derived.parts[0]]
        if name in own or not levels:
            continue
        if derived.column:
            parts[name, None] = tuple((derived.parts[0], level) for level in levels)
            continue
        for level in levels:
            at_level = tuple((part, level) for part in derived.parts)
            if set(at_level) <= set(cells):
                parts[name, level] = at_level
    return parts


def _average(
    group: Group,
    weight_of_level: Mapping[float, float],
    variable: str,
    layout: Layout,
    own: Mapping[Cell, int],
) -> Target:
    """The average of a variable over levels, which lies at their mean in ln p."""
    _expand(variable, "all", own)  # which needs the variable to be there
    for level in weight_of_level:
        if (variable, level) not in own:
            raise Misfit(("average",), _no_level(variable, level, own))
    levels, weights = (np.array(list(v)) for v in zip(*weight_of_level.items(), strict=True))
    weights = weights / weights.sum()
    channels = tuple(own[variable, level] for level in weight_of_level)
    assert group.error_std is not None
    assert not isinstance(group.error_std, dict)
    return Target(
        LAYER_MEAN + variable,
        round(float(np.exp(weights @ np.log(levels))), 2),
        channels,
        layout.channels[channels[0]].units,
        group.error_std,
        weights=tuple(weights.tolist()),
    )


def defined(target: Target, stations: Stations, layout: Layout) -> Bool[np.ndarray, "station"]:
    """Whether a target is defined at all corners of each station; Misfit if at none."""
    there = np.ones(len(stations.index), bool)
    if target.derived and target.derived.ground and layout.height is None:
        text = f"{target.variable} needs the height of the ground, which this system does not say"
        raise Misfit(("variables",), text)
    if target.derived and target.derived.stations:
        there &= np.isfinite(_heights(target, stations))
    if layout.undefined is not None:
        there &= ~layout.undefined[list(target.channels)][:, stations.index].any((0, 2))
    if not there.any():
        raise Misfit(("locations",), f"{target.variable} has no value at any of these stations")
    return there


def _heights(target: Target, stations: Stations) -> Float[np.ndarray, "station"]:
    if stations.height is None:
        raise Misfit(
            ("locations",),
            f"say nothing of the heights of stations, which {target.variable} needs; "
            "{reports: synop}, a file with a column height, and points with heights do",
        )
    return stations.height


def _expand(variable: str, level: str | float, observable: Iterable[Cell]) -> list[Cell]:
    """The variables and levels that one entry of `levels` stands for."""
    if level == "surface":
        variable = AT_SURFACE.get(variable, variable)
    levels = [hpa for name, hpa in observable if name == variable]
    if not levels:
        names = sorted({name for name, _ in observable})
        text = f"this system has no {variable!r}; {suggest(variable, names)}"
        if variable in DERIVED:
            parts = " and ".join(DERIVED[variable].parts)
            text = f"this system has no {parts}, which {variable} is computed from"
        raise Misfit(("variables",), text)
    if level == "all":
        return [(variable, hpa) for hpa in levels]
    hpa = level if isinstance(level, float) else None
    if hpa not in levels:
        raise Misfit(("levels",), _no_level(variable, level, observable))
    return [(variable, hpa)]


def _no_level(variable: str, level: str | float, observable: Iterable[Cell]) -> str:
    levels = [hpa for name, hpa in observable if name == variable]
    listed = ", ".join("surface" if v is None else f"{v:g}" for v in levels)
    return f"{variable} has no level {level}; its levels are {listed}"


def _error_std(group: Group, cells: Iterable[Cell]) -> dict[Cell, float]:
    """The standard deviation of every variable and level; all entries by level must be used."""
    by_level = group.error_std
    assert by_level is not None
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
    """h, made of one gather from the state and functions of what it has; and whether it is linear.

    A variable of the state is a row of the gather. One that is computed from several has its first
    part there, and the others after all the observations.
    """
    index, weight = _gather(groups, layout)
    functions = _functions(groups, layout)
    size = sum(len(g.targets) * len(g.stations.index) for g in groups)
    interpolated = index.shape[1] > 1 or not (weight == 1).all()

    def h(x: Float[Array, "state"]) -> Float[Array, "obs"]:
        values = jnp.asarray(x).at[index].get(mode="promise_in_bounds")
        values = (values * jnp.asarray(weight, x.dtype)).sum(1) if interpolated else values[:, 0]
        y = values[:size]
        for function, parts in functions:
            y = y.at[parts[0]].set(function(values[parts]))
        return y

    return h, all(target.linear for rows in groups for target in rows.targets)


def calm(
    groups: Sequence[Rows], layout: Layout
) -> Callable[[Float[Array, "state"]], Bool[Array, "obs"]] | None:
    """Where a direction is observed, whether the wind is below 1 m/s; None if none is observed."""
    at = [Rows(stations, [target]) for stations, target in _each(groups)]
    counts = [len(rows.stations.index) for rows in at]
    of_direction = [rows.targets[0].variable in DIRECTIONS for rows in at]
    if not any(of_direction):
        return None
    winds = [
        Rows(rows.stations, [replace(rows.targets[0], variable="wind_speed")])
        for rows in compress(at, of_direction)
    ]
    speed, _ = operator(winds, layout)
    rows = np.flatnonzero(np.repeat(of_direction, counts))

    def is_calm(x: Float[Array, "state"]) -> Bool[Array, "obs"]:
        return jnp.zeros(sum(counts), bool).at[rows].set(speed(x) < CALM)

    return is_calm


def _gather(groups: Sequence[Rows], layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Indices into the state and weights, (value, corner): first parts of all, then second ones."""
    corners = max(g.stations.index.shape[1] for g in groups)
    start = (layout.frames - 1) * len(layout.channels) * layout.points
    parts = []
    for which in range(max(len(target.channels) for _, target in _each(groups))):
        for stations, target in _each(groups):
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


def _functions(
    groups: Sequence[Rows], layout: Layout
) -> list[tuple[Function, Int[np.ndarray, "part row"]]]:
    """Functions, and for each the places of its parts among the values of the gather.

    Targets that share a function share a call of it.
    """
    places: dict[Function, list[np.ndarray]] = {}
    for (stations, target), rows in zip(_each(groups), _places(groups), strict=True):
        function = target.function(stations, layout)
        if function is not None:
            places.setdefault(function, []).append(rows)
    return [(function, np.concatenate(parts, 1)) for function, parts in places.items()]


def _places(groups: Sequence[Rows]) -> list[Int[np.ndarray, "part station"]]:
    """Where the parts of each target are among the values of the gather."""
    targets, end = [(target, len(stations.index)) for stations, target in _each(groups)], 0
    places: list[list[np.ndarray]] = [[] for _ in targets]
    for which in range(max(len(target.channels) for target, _ in targets)):
        for parts, (target, count) in zip(places, targets, strict=True):
            if which < len(target.channels):
                parts.append(np.arange(end, end + count))
                end += count
    return [np.stack(parts) for parts in places]


def _each(groups: Sequence[Rows]) -> Iterator[tuple[Stations, Target]]:
    """Every target with its stations."""
    return ((rows.stations, target) for rows in groups for target in rows.targets)

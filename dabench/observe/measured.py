"""Observations of real values: the rows of a table that each cycle gets, as columns of a network.

A network has one observation for each field, place, station and error that is reported in any of
the cycles, so that a step is compiled once; in a cycle those without a value are missing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dabench.core.layout import Layout
from dabench.core.units import SAME, conversion
from dabench.observe.operators import Rows, Target, defined, resolve
from dabench.observe.stations import Stations, bilinear, withheld
from dabench.scenario.locations import Measured, Misfit
from dabench.scenario.quantities import QUANTITIES
from dabench.scenario.scenario import Group, Scenario
from dabench.scenario.values import PLACE_DECIMALS, ValueTable, open_table

HOUR = 3600.0
WINDOW = ("locations", "window")
VALUES = ("locations", "values")


class Calendar(NamedTuple):
    """When the cycles of an experiment are.

    Arguments:
        start: Valid time of cycle 0 in seconds since 1970.
        cycle_seconds: Seconds from a cycle to the next.
        cycles: Number of cycles after cycle 0.
    """

    start: float
    cycle_seconds: float
    cycles: int

    @classmethod
    def of(cls, scenario: Scenario, cycle_seconds: float) -> "Calendar | None":
        """The cycles of a scenario; None where its system has no calendar."""
        if scenario.period.start is None:
            return None
        start = np.datetime64(scenario.period.start, "s").astype(np.int64)
        return cls(float(start), cycle_seconds, scenario.period.cycles)

    def nearest(self, time: Int[np.ndarray, "row"]) -> Int[np.ndarray, "row"]:
        """The cycle that each time is nearest to; the earlier one half-way between two."""
        return np.ceil((time - self.start) / self.cycle_seconds - 0.5).astype(np.int64)

    def distance(self, time: Int[np.ndarray, "row"]) -> Float[np.ndarray, "row"]:
        """Seconds from each time to the cycle that it is nearest to."""
        return np.abs(time - self.start - self.cycle_seconds * self.nearest(time))


class Taken(NamedTuple):
    """The rows of a table that a group takes.

    Arguments:
        rows: Numbers of the rows in the table.
        cycle: The cycle that each counts for.
    """

    rows: Int[np.ndarray, "taken"]
    cycle: Int[np.ndarray, "taken"]


class Part(NamedTuple):
    """Observations of one field of a group: where they are, and the values of every cycle."""

    rows: Rows
    y: Float[np.ndarray, "cycle station"]


def parts(
    group: Group, layout: Layout, calendar: Calendar | None, is_withheld: bool
) -> Iterator[Part]:
    """The observations of a group that are withheld, or the others, field by field.

    Raises: Misfit where the table has nothing for any cycle, or nothing that the system has.
    """
    table, targets = _opened(group), _targets(group, layout)
    if calendar is None:
        raise Misfit(VALUES, "has times, and this system has no calendar; gencast has one")
    place, stations = _places(table, layout)
    in_network = withheld(group, stations) == is_withheld
    taken = _taken(group, table, targets, calendar, place)
    for target in targets:
        whole = in_network & defined(target, stations, layout)
        of_target = _is_of(table, target)[taken.rows] & whole[place[taken.rows]]
        if of_target.any():
            part = Taken(taken.rows[of_target], taken.cycle[of_target])
            yield _part(table, part, target, place, stations, calendar.cycles)


def _opened(group: Group) -> ValueTable:
    assert isinstance(group.locations, Measured)
    return open_table(group.locations)


def _targets(group: Group, layout: Layout) -> list[Target]:
    """The fields of a group; without a standard deviation of its own, those of the table count."""
    bare = group.error_std is None
    targets = resolve(group.model_copy(update={"error_std": 1.0}) if bare else group, layout)
    for target in targets:
        if target.derived and target.derived.ground:
            text = "needs the heights of stations, which a table of values does not have"
            raise Misfit(("variables",), f"{target.variable} {text}; take what is at sea level")
        units = QUANTITIES[target.variable].units if target.variable in QUANTITIES else target.units
        if conversion(units, target.units) != SAME:
            text = f"{target.variable} is in {units}, and the system has it in {target.units}"
            raise Misfit(("variables",), text)
    return targets


def _places(table: ValueTable, layout: Layout) -> tuple[Int[np.ndarray, "row"], Stations]:
    """The place of each row, and all places of a table, whatever is measured there.

    So the places that are withheld are the same for every variable, and for every period.
    """
    if not layout.on_sphere:
        raise Misfit(VALUES, "has places on the sphere, and this system is not on it")
    places = np.round(np.stack([table.latitude, table.longitude], -1), PLACE_DECIMALS)
    places[:, 1] %= 360
    distinct, place = np.unique(places, axis=0, return_inverse=True)
    return place.ravel(), bilinear(distinct[:, 0], distinct[:, 1], layout)


def _is_of(table: ValueTable, target: Target) -> Bool[np.ndarray, "row"]:
    """Whether each row is a value of a variable at its level."""
    if target.level is None:
        return (table.variable == target.variable) & np.isnan(table.level)
    return (table.variable == target.variable) & np.isclose(table.level, target.level, rtol=1e-5)


def _taken(
    group: Group,
    table: ValueTable,
    targets: Sequence[Target],
    calendar: Calendar,
    place: Int[np.ndarray, "row"],
) -> Taken:
    """The rows of a group's fields in the windows of the cycles, one for each station and field."""
    of_group = np.any([_is_of(table, t) for t in targets], axis=0)
    if not of_group.any():
        raise Misfit(("variables",), f"{table.source} has {_content(table, group)}")
    in_window = _in_window(group, table, calendar)
    rows = np.flatnonzero(of_group & in_window)
    if not len(rows):
        raise Misfit(VALUES, _outside(group, table, calendar, int(np.argmax(of_group))))
    errors = table.error[rows]
    if group.error_std is None and np.isnan(errors).any():
        row = table.row[rows[np.isnan(errors)]].min()
        text = f"{table.source}, {table.word} {row}, column error: is empty; fill it, or give the "
        raise Misfit(("error_std",), f"{text}group an error_std")
    cycle, distance = calendar.nearest(table.time)[rows], calendar.distance(table.time)[rows]
    levels = np.nan_to_num(table.level[rows])
    names = [np.unique(a[rows], return_inverse=True)[1] for a in (table.variable, table.station)]
    key = np.stack([cycle, *names, place[rows], levels]).astype(float)
    order = np.lexsort((table.time[rows], distance, *key))
    repeats = np.append(False, (np.diff(key[:, order], axis=1) == 0).all(0))
    first = np.sort(order[~repeats])
    return Taken(rows[first], cycle[first])


def _in_window(group: Group, table: ValueTable, calendar: Calendar) -> Bool[np.ndarray, "row"]:
    """Whether each row lies in the window of a cycle."""
    window, half = getattr(group.locations, "window", None), calendar.cycle_seconds / 2
    if window is not None and window * HOUR > half:
        text = f"{window:g} hours reach beyond half a cycle, which is {half / HOUR:g}; use that"
        raise Misfit(WINDOW, text)
    cycle = calendar.nearest(table.time)
    near = calendar.distance(table.time) <= (half if window is None else window * HOUR)
    return near & (cycle >= 1) & (cycle <= calendar.cycles)


def _part(
    table: ValueTable,
    taken: Taken,
    target: Target,
    place: Int[np.ndarray, "row"],
    stations: Stations,
    cycles: int,
) -> Part:
    """The observations of one field: one for each place, station and error."""
    rows = taken.rows
    error = np.where(np.isnan(table.error[rows]), target.error_std, table.error[rows])
    station = np.unique(table.station[rows], return_inverse=True)[1]
    keys = np.stack([place[rows], station, error])
    distinct, slot = np.unique(keys, axis=1, return_inverse=True)
    y = np.full((cycles, distinct.shape[1]), np.nan)
    y[taken.cycle - 1, slot.ravel()] = table.value[rows]
    at = distinct[0].astype(int)
    own = Stations(
        {name: c[at] for name, c in stations.coords.items()},
        *(a[at] for a in (stations.index, stations.weight, stations.across)),
        factor=distinct[2] / target.error_std,
    )
    return Part(Rows(own, [target]), y)


def _content(table: ValueTable, group: Group) -> str:
    """The variables and levels of a table, for a message."""
    rows = np.isin(table.variable, group.variables or table.variables)
    levels = np.unique(table.level[rows & ~np.isnan(table.level)])
    at = f" at {', '.join(f'{p:g}' for p in levels[::-1])} hPa" if len(levels) else ""
    names = [n for n in table.variables if n in group.variables] or table.variables
    return f"{', '.join(names)}{at}, and the system none of these at its levels"


def _outside(group: Group, table: ValueTable, calendar: Calendar, row: int) -> str:
    """The text where no row of a group lies in the window of any cycle."""
    times = [calendar.start + calendar.cycle_seconds * k for k in (1, calendar.cycles)]
    first, last = (str(np.datetime64(int(t), "s")) for t in times)
    begin, end = (str(np.datetime64(int(t), "s")) for t in (table.time.min(), table.time.max()))
    return (
        f"{table.source}, {table.word} {table.row[row]}, column time: "
        f"{np.datetime64(int(table.time[row]), 's')} is in the window of no cycle, and so are all "
        f"others ({begin} to {end}); cycles are from {first} to {last}, see period.start"
    )


def account(groups: Sequence[Group], layout: Layout, calendar: Calendar) -> list[str]:
    """What is taken of each table, what is not, and why: a line a table."""
    fates: dict[str, tuple[ValueTable, np.ndarray]] = {}
    for group in groups:
        table = _opened(group)
        fate = fates.setdefault(table.source, (table, np.full(len(table.row), "", "U40")))[1]
        targets, place = _targets(group, layout), _places(table, layout)[0]
        of_group = np.any([_is_of(table, t) for t in targets], axis=0)
        fate[of_group] = "reported again in a window"
        fate[of_group & ~_in_window(group, table, calendar)] = "outside of all windows"
        fate[_taken(group, table, targets, calendar, place).rows] = "taken"
    return [_counted(table, fate) for table, fate in fates.values()]


def _counted(table: ValueTable, fate: np.ndarray) -> str:
    counts = Counter(fate.tolist())
    counts["of other variables or levels"] = counts.pop("", 0)
    counts["of doubtful quality"] = table.doubtful
    number = counts.pop("taken", 0)
    others = [f"{n} {why}" for why, n in sorted(counts.items()) if n]
    left = f"; not taken: {', '.join(others)}" if others else ""
    return f"{table.source}: {number} of {len(table.row) + table.doubtful} values taken{left}"

"""Stations of a group: places, and the grid points and weights that interpolate to them."""

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from dabench.core.layout import Layout
from dabench.observe.reports import table
from dabench.observe.swaths import in_swaths
from dabench.scenario.locations import (
    Blocks,
    Every,
    Grid,
    Land,
    Misfit,
    Points,
    Random,
    Reports,
    Satellites,
    Sea,
)
from dabench.scenario.scenario import Group

PLACE_DECIMALS = 5  # of degrees: stations within a metre are at one place
SNAP = 1e-6  # distance in grid spacings within which a station is on a grid line


class Stations(NamedTuple):
    """Stations on a grid: a value there is the sum over corners of weight * field[index].

    Arguments:
        coords: Latitude and longitude in degrees, or site: each (station,).
        index: (station, corner) grid points; the same one four times for a station on a grid point.
        weight: (station, corner) weights of the corners, which sum to one.
        across: (station, corner) whether the corner lies beyond a pole, where vectors change sign.
        there: (cycle, station) whether a station is at its place in the first cycles, after which
            they begin anew; None: always.
        factor: (station,) factor on the standard deviation of the errors; None: one.
        height: (station,) height above the sea in m, NaN where it is not known; None: nowhere.
    """

    coords: dict[str, np.ndarray]
    index: np.ndarray
    weight: np.ndarray
    across: np.ndarray
    there: Bool[np.ndarray, "cycle station"] | None = None
    factor: np.ndarray | None = None
    height: np.ndarray | None = None

    def where(self, mask: Bool[np.ndarray, "station"]) -> "Stations":
        """The stations that a mask selects."""
        coords = {name: values[mask] for name, values in self.coords.items()}
        there = None if self.there is None else self.there[:, mask]
        index, weight, across = (array[mask] for array in (self.index, self.weight, self.across))
        factor, height = (a if a is None else a[mask] for a in (self.factor, self.height))
        return _tidy(Stations(coords, index, weight, across, there, factor, height))


def place(group: Group, layout: Layout) -> Stations:
    """The stations of a group on a grid; Misfit where the system has no such places."""
    if layout.on_sphere and isinstance(group.locations, Blocks):
        return block_means(group.locations.blocks, layout)
    if layout.on_sphere:
        stations = bilinear(*_on_sphere(group.locations, layout), layout)
    else:
        site = _sites(group.locations, layout.points)
        index = site[:, None]
        stations = Stations(
            {"site": site}, index, np.ones(index.shape), np.zeros(index.shape, bool)
        )
    there = presence(group.locations, layout)
    return stations._replace(
        there=there, factor=of_places(group.locations, "factors"), height=heights(group.locations)
    )


def presence(where: object, layout: Layout) -> Bool[np.ndarray, "cycle station"] | None:
    """Whether each station is there in the first cycles; None for stations that stay."""
    if isinstance(where, Satellites) and where.cycles > 1:
        scans = _scans(where, layout)
        return scans[:, scans.any(0)]
    if isinstance(where, Points) and where.cycles is not None:
        there = np.zeros((max(where.cycles), len(distinct(where))), bool)
        number = {point: i for i, point in enumerate(distinct(where))}
        there[np.array(where.cycles) - 1, [number[point] for point in where.points]] = True
        return there
    return None


def heights(where: object) -> np.ndarray | None:
    """The heights of stations; None where nothing is known of them."""
    if isinstance(where, Reports):
        return table(where.reports).height
    return of_places(where, "heights")


def of_places(where: object, name: Literal["factors", "heights"]) -> np.ndarray | None:
    """The numbers that a list of stations has under a name; Misfit where one place has two."""
    numbers = getattr(where, name) if isinstance(where, Points) else None
    if not isinstance(where, Points) or numbers is None:
        return None
    if where.cycles is None:
        return np.array(numbers, float)  # what is None becomes NaN
    of_place: dict[Any, float] = {}
    for point, number in zip(where.points, numbers, strict=True):
        if of_place.setdefault(point, number) != number:
            both = (f"{n:g}" if n is not None else "null" for n in (of_place[point], number))
            text = f"{point} has the {name} {' and '.join(both)}; give it one"
            raise Misfit(("locations", name), text)
    return np.array(list(of_place.values()), float)


def distinct(where: Points) -> tuple[Any, ...]:
    """The places of a list of stations, each once where it says in which cycles they are there."""
    return where.points if where.cycles is None else tuple(dict.fromkeys(where.points))


def withheld(group: Group, stations: Stations) -> Bool[np.ndarray, "station"]:
    """Whether each station of a group is withheld; stations at one place are so together."""
    places = np.column_stack([np.asarray(c, float) for c in stations.coords.values()])
    if "latitude" in stations.coords:
        places = np.round(places, PLACE_DECIMALS)
        places[:, 1] %= 360
        places[np.abs(places[:, 0]) == 90, 1] = 0  # the pole is one place
    distinct, place = np.unique(places, axis=0, return_inverse=True)
    if group.withhold is None:
        return np.zeros(len(places), bool)
    count = round(group.withhold.share * len(distinct))
    if not count:
        raise Misfit(
            ("withhold", "share"),
            f"{group.withhold.share:g} is none of the {len(distinct)} stations; "
            f"{1 / len(distinct):.2g} is one",
        )
    first = np.argsort(uniform(group.withhold.seed, len(distinct))[:, 0], kind="stable")[:count]
    return np.isin(place.ravel(), first)


def uniform(seed: int, rows: int, columns: int = 1) -> np.ndarray:
    """Random (row, column) in [0, 1), equal in all versions of NumPy; more rows keep the first."""
    bits = np.random.PCG64(seed).random_raw(rows * columns).reshape(rows, columns)
    return (bits >> np.uint64(11)) * 2.0**-53


def _sites(where: object, n: int) -> np.ndarray:
    """Indices of the observed sites of a toy system with n of them."""
    match where:
        case Every():
            return np.arange(0, n, where.every)
        case Random() if where.random <= n:
            return np.sort(np.argsort(uniform(where.seed, n)[:, 0], kind="stable")[: where.random])
        case Points() if all(isinstance(p, int) and p < n for p in where.points):
            return np.array(distinct(where), int)
    raise Misfit(
        ("locations",),
        f"not places of this system, whose sites are 0 to {n - 1}; "
        f"{{every: 1}}, {{random: {n}, seed: 0}} and {{points: [0, ...]}} would work",
    )


def _on_sphere(where: object, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of the stations, in degrees."""
    match where:
        case Every():
            lat, lon = (layout.coords[c][:: where.every] for c in ("latitude", "longitude"))
            return _mesh(lat, lon)
        case Grid():
            return _mesh(_steps(-90, 90, where.grid), _steps(0, 360, where.grid, last=False))
        case Random():
            u = uniform(where.seed, where.random, 2)
            return np.degrees(np.arcsin(2 * u[:, 0] - 1)), 360 * u[:, 1]
        case Land() | Sea():
            return _positions(layout, _drawn_points(where, layout))
        case Satellites():
            return _positions(layout, np.flatnonzero(_scans(where, layout).any(0)))
        case Reports():
            network = table(where.reports)
            return network.latitude, _east(network.longitude)
        case Points() if not any(isinstance(p, int) for p in where.points):
            lat, lon = np.array(distinct(where), float).T
            return lat, _east(lon)
    raise Misfit(
        ("locations",),
        "sites are for toy systems; this one is on the sphere, where {grid: 4}, {every: 2}, "
        "{blocks: 4}, {random: 100, seed: 0}, {land: 100, seed: 0}, "
        "{satellites: 1, swath: 2300, hours: 6}, {reports: radiosondes}, "
        "{points: [[lat, lon], ...]} and {file: stations.csv} would work",
    )


def _east(longitude: np.ndarray) -> np.ndarray:
    """Longitudes from 0 up to 360, which is left out: what rounds to it is 0."""
    return longitude % 360 % 360


def _positions(layout: Layout, point: Int[np.ndarray, "station"]) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of some points of the grid, in degrees."""
    lat, lon = (layout.positions[c][point] for c in ("latitude", "longitude"))
    return np.asarray(lat, float), np.asarray(lon, float)


def _drawn_points(where: Land | Sea, layout: Layout) -> np.ndarray:
    """Different points on land or at sea, drawn one by one with chances in proportion to area."""
    if layout.land is None:
        raise Misfit(
            ("locations",), "this system does not say where land is; {random: 100, seed: 0} works"
        )
    if isinstance(where, Land):
        key, count, part, place = "land", where.land, layout.land, "on land"
    else:
        key, count, part, place = "sea", where.sea, ~layout.land, "at sea"
    area = np.cos(np.radians(layout.positions["latitude"]))
    points = np.flatnonzero(part & (area > 1e-9))
    if count > len(points):
        text = f"{count} points, but {len(points)} are {place}; use fewer"
        raise Misfit(("locations", key), text)
    # The n smallest of exponential waiting times with rates in proportion to area.
    waiting = -np.log1p(-uniform(where.seed, layout.points)[points, 0]) / area[points]
    return np.sort(points[np.argsort(waiting, kind="stable")[:count]])


def _scans(where: Satellites, layout: Layout) -> Bool[np.ndarray, "cycle point"]:
    """The points that satellites scan; a pole, which is a row of points, is one."""
    lat, lon = (np.asarray(layout.positions[c], float) for c in ("latitude", "longitude"))
    again = (np.abs(lat) == 90) & (lon != lon[0])
    scans = np.array([in_swaths(where, lat, lon, k) & ~again for k in range(where.cycles)])
    if not scans.any():
        text = f"no point of the grid lies within {where.swath / 2:g} km of the tracks; widen it"
        raise Misfit(("locations", "swath"), text)
    return scans


def _steps(start: float, stop: float, step: float, last: bool = True) -> np.ndarray:
    """start, start + step, ... up to stop; with stop itself only if `last`."""
    n = np.floor((stop - start) / step + (SNAP if last else -SNAP))
    return start + step * np.arange(int(n) + 1)


def _mesh(lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a latitude and a longitude, latitude-major."""
    a, b = np.meshgrid(lat, lon, indexing="ij")
    return a.ravel().astype(float), b.ravel().astype(float)


def bilinear(lat: np.ndarray, lon: np.ndarray, layout: Layout) -> Stations:
    """Bilinear interpolation in latitude and longitude from the four points around a station.

    Longitude wraps. Poleward of the last row of a grid without poles the row is continued across
    the pole, half a turn away.
    """
    rows, turn, u = _rows(lat, np.asarray(layout.coords["latitude"], float))
    grid = np.asarray(layout.coords["longitude"], float)
    index, weight, across = [], [], []
    for row, beyond, w_row in zip(rows, turn, (1 - u, u), strict=True):
        left, right, v = _columns(lon + 180 * beyond, grid)
        for column, w_column in ((left, 1 - v), (right, v)):
            index.append(row * len(grid) + column)
            weight.append(w_row * w_column)
            across.append(beyond)
    stacked = (np.stack(part, -1) for part in (index, weight, across))
    return _tidy(Stations({"latitude": lat, "longitude": lon}, *stacked))


def block_means(size: int, layout: Layout) -> Stations:
    """Stations in the middle of blocks of the grid, whose values are means over their points."""
    lat, lon = (np.asarray(layout.coords[c], float) for c in ("latitude", "longitude"))
    rows, in_row = _blocks(len(lat), size)
    columns, in_column = _blocks(len(lon), size)
    index = rows[:, None, :, None] * len(lon) + columns[None, :, None, :]
    inside = in_row[:, None, :, None] & in_column[None, :, None, :]
    index, inside = (a.reshape(len(rows) * len(columns), -1) for a in (index, inside))
    middle = _mesh(*(_means(c, size) for c in (lat, lon)))
    weight = inside / inside.sum(-1, keepdims=True)
    coords: dict[str, np.ndarray] = dict(zip(("latitude", "longitude"), middle, strict=True))
    return _tidy(Stations(coords, index, weight, np.zeros(index.shape, bool)))


def _blocks(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(block, place) numbers of the points in blocks of n points, and whether there is a point."""
    count = -(-n // size)
    before = (count * size - n) // 2
    point = np.arange(count * size).reshape(count, size) - before
    return np.clip(point, 0, n - 1), (point >= 0) & (point < n)


def _means(values: np.ndarray, size: int) -> np.ndarray:
    point, inside = _blocks(len(values), size)
    return (values[point] * inside).sum(-1) / inside.sum(-1)


def _rows(lat: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (2, station) south and north, whether each is beyond a pole, the weight of the north."""
    n = len(grid)
    y = np.concatenate([[-180 - grid[0]], grid, [180 - grid[-1]]])
    row = np.concatenate([[0], np.arange(n), [n - 1]])
    if grid[0] == -90:
        y, row = y[1:], row[1:]
    if grid[-1] == 90:
        y, row = y[:-1], row[:-1]
    i, u = _bracket(lat, y)
    beyond = (y < -90) | (y > 90)
    return np.stack([row[i], row[i + 1]]), np.stack([beyond[i], beyond[i + 1]]), u


def _columns(lon: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns west and east of each longitude, and the weight of the east, on a global grid."""
    i, v = _bracket(grid[0] + (lon - grid[0]) % 360, np.append(grid, grid[0] + 360))
    return i, (i + 1) % len(grid), v


def _bracket(x: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index i with grid[i] <= x <= grid[i + 1], and the share of the way to i + 1."""
    i = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, len(grid) - 2)
    share = (x - grid[i]) / (grid[i + 1] - grid[i])
    return i, np.where(share < SNAP, 0.0, np.where(share > 1 - SNAP, 1.0, share))


def _tidy(stations: Stations) -> Stations:
    """Corners without weight replaced by the heaviest: NaN at them must not reach the value."""
    heaviest = stations.weight.argmax(-1)[:, None]
    used = stations.weight > 0
    index = np.where(used, stations.index, np.take_along_axis(stations.index, heaviest, -1))
    if used.sum(-1).max() > 1:
        return stations._replace(index=index)
    alone = [np.take_along_axis(a, heaviest, -1) for a in (index, stations.weight, stations.across)]
    index, weight, across = alone
    return stations._replace(index=index, weight=weight, across=across)

"""Swaths of satellites against spherical trigonometry, and what they must do on any grid."""

import numpy as np
import pytest
from grids import ring, sphere
from hypothesis import given, settings
from hypothesis import strategies as st

from dabench.core.layout import cell_area
from dabench.observe.network import build
from dabench.observe.stations import place
from dabench.observe.swaths import in_swaths
from dabench.scenario.locations import Misfit, Satellites
from dabench.scenario.scenario import Group

SOUNDER = {"satellites": 1, "swath": 2300, "hours": 5}


def t2m(**locations) -> Group:
    return Group(variables=["2m_temperature"], locations=locations, error_std=1)


def points(step: float) -> tuple[np.ndarray, np.ndarray]:
    positions = sphere(step).positions
    return positions["latitude"], positions["longitude"]


def track(where: Satellites, satellite: int, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude below a satellite by the textbook's formulas of a ground track."""
    u, tilt = 2 * np.pi * seconds / (60 * where.period), np.radians(where.inclination)
    lat = np.degrees(np.arcsin(np.sin(tilt) * np.sin(u)))
    east_of_node = np.degrees(np.arctan2(np.cos(tilt) * np.sin(u), np.cos(u)))
    node = where.node + satellite * 180 / where.satellites
    return lat, node + east_of_node - seconds * 360 / 86400


def haversine_km(a, b, lat, lon) -> np.ndarray:
    """Distances from the points (lat, lon) to the places (a, b): (point, place)."""
    a, b, lat, lon = (np.radians(x) for x in (a[None], b[None], lat[:, None], lon[:, None]))
    square = np.sin((lat - a) / 2) ** 2
    square = square + np.cos(lat) * np.cos(a) * np.sin((lon - b) / 2) ** 2
    return 2 * 6371.0 * np.arcsin(np.sqrt(np.clip(square, 0, 1)))


def nearest_km(where: Satellites, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Distance from every point to the nearest of the tracks, which are sampled finely."""
    seconds = np.arange(0, where.hours * 3600 + 1e-6, 4)
    tracks = [track(where, i, seconds) for i in range(where.satellites)]
    return np.min([haversine_km(*each, lat, lon).min(-1) for each in tracks], 0)


@pytest.mark.parametrize(
    "where",
    [
        SOUNDER,
        {"satellites": 3, "swath": 1400, "hours": 1.7, "node": -100},
        {"satellites": 2, "swath": 900, "hours": 8, "inclination": 35, "period": 96},
        {"satellites": 1, "swath": 5000, "hours": 2, "inclination": 0, "period": 1440, "node": 75},
    ],
    ids=["sounder", "three", "tropical", "geostationary"],
)
def test_the_points_within_half_a_swath_are_scanned_and_no_others(where):
    """The sampled track is 4 s or 28 km fine, which the distance to it is too large by at most

    14^2 / (2 * 450) km, where half of the narrowest swath is 450 km wide.
    """
    where = Satellites(**where)
    lat, lon = points(6)
    distance, scanned = nearest_km(where, lat, lon), in_swaths(where, lat, lon)
    assert (distance[scanned] <= where.swath / 2 + 0.25).all()
    assert (distance[~scanned] > where.swath / 2).all()
    assert 0 < scanned.mean() < 1


def test_five_hours_of_one_sounder_are_about_half_of_a_grid():
    """By area: three orbits, each a band of sin(half a swath) of the sphere, less what overlaps."""
    scanned = in_swaths(Satellites(**SOUNDER), *points(1))
    assert 0.48 < scanned.mean() < 0.55
    area = np.repeat(cell_area(sphere(1).coords["latitude"]), 360)
    bands = 5 * 60 / 101.4 * np.sin(1150 / 6371)
    assert 0.75 * bands < (area * scanned).sum() / area.sum() < bands


def test_every_scanned_point_is_a_station_of_the_grid_and_a_pole_is_one():
    stations = place(t2m(**SOUNDER), sphere(10))
    lat, lon = stations.coords["latitude"], stations.coords["longitude"]
    scanned = in_swaths(Satellites(**SOUNDER), *points(10))
    assert stations.index.shape[1] == 1
    assert set(stations.index[:, 0]) <= set(np.flatnonzero(scanned))
    assert [(lat == pole).sum() for pole in (-90, 90)] == [1, 1]
    inner = np.abs(points(10)[0]) < 90
    assert (np.abs(lat) < 90).sum() == (scanned & inner).sum()
    assert set(lon[np.abs(lat) == 90]) == {0.0}


orbits = st.fixed_dictionaries(
    {
        "satellites": st.integers(1, 3),
        "swath": st.floats(200, 6000),
        "hours": st.floats(0.2, 6),
        "inclination": st.floats(0, 180),
        "period": st.floats(85, 1440),
        "node": st.floats(-360, 360),
    }
)


@settings(max_examples=40, deadline=None)
@given(orbit=orbits, columns=st.integers(0, 35), hours=st.floats(0, 6), km=st.floats(0, 2000))
def test_any_orbit(orbit, columns, hours, km):
    """Swaths turn with the node, grow with hours and width, and end where the orbit does."""
    lat, lon = points(10)
    where = Satellites(**orbit)
    scanned = in_swaths(where, lat, lon)
    longer = where.model_copy(update={"hours": where.hours + hours})
    wider = where.model_copy(update={"swath": where.swath + km})
    assert (in_swaths(longer, lat, lon) | ~scanned).all()
    assert (in_swaths(wider, lat, lon) | ~scanned).all()
    turned = where.model_copy(update={"node": where.node + 10 * columns})
    origin = np.roll(np.arange(19 * 36).reshape(19, 36), columns, axis=1).ravel()
    other = origin[in_swaths(turned, lat, lon) != scanned[origin]]
    # only at the edge, where rounding may decide
    assert (np.abs(nearest_km(where, lat[other], lon[other]) - where.swath / 2) < 3).all()
    highest = min(where.inclination, 180 - where.inclination)
    beyond = np.abs(lat) > highest + np.degrees(where.swath / 2 / 6371) + 1e-6
    assert not scanned[beyond].any()


def test_a_swath_that_meets_no_point_is_refused():
    narrow = {"satellites": 1, "swath": 20, "hours": 0.01, "node": 5}
    with pytest.raises(Misfit, match=r"observations\.0\.locations\.swath: no point .* 10 km"):
        build([t2m(**narrow)], sphere(10, poles=False))


def test_a_ring_has_no_satellites():
    with pytest.raises(Misfit, match="sites are 0 to 11"):
        build([Group(error_std=1, locations=SOUNDER)], ring())

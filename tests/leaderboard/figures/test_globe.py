"""The projection of maps, and the coasts and the land on them."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.path import Path

from dabench.leaderboard.figures import coastlines, globe
from docs.coastlines import land, simplified

# PROJ 9 (pyproj.Proj("+proj=eqearth +R=1 +lon_0=0")): (longitude, latitude) -> (across, up).
PROJ = {
    (0, 0): (0, 0),
    (180, 0): (2.7066299836960748, 0),
    (0, 90): (0, 1.3173627591574133),
    (180, 90): (1.6035886482840516, 1.3173627591574133),
    (-120, 45): (-1.5464726654706447, 0.8602310855220102),
    (77, -33.5): (1.0648364249562858, -0.6579176065426132),
    (10, 80): (0.09279317665261379, 1.2882111962202532),
}

CONTINENTS = {
    "Sahara": (22, 10),
    "Siberia": (62, 100),
    "Amazon": (-6, 298),
    "Australia": (-25, 134),
    "Antarctica": (-85, 90),
    "Kansas": (38, 262),
}
OCEANS = {"Pacific": (0, 200), "Atlantic": (30, 320), "Indian": (-30, 80), "Arctic": (88, 180)}
"""Latitude and longitude of places on land and in the sea."""


def test_the_projection_is_the_one_of_proj():
    for place, there in PROJ.items():
        np.testing.assert_allclose(globe.project(*place), there, atol=1e-12)


def test_every_pixel_shows_the_point_nearest_to_it():
    grid = globe.Grid(tuple(np.linspace(90, -90, 46)), tuple(np.arange(0, 360, 4.0)))
    row, column = globe._nearest(grid)
    for lat, lon in ((46, -60), (-42, 116), (2, -176), (82, 0)):
        x, y = globe.project(lon, lat)
        i = int((globe.HALF_HEIGHT - y) / (2 * globe.HALF_HEIGHT) * row.shape[0])
        j = int((x + globe.HALF_WIDTH) / (2 * globe.HALF_WIDTH) * row.shape[1])
        assert grid.latitude[row[i, j]] == lat
        assert grid.longitude[column[i, j]] == lon % 360


def test_the_land_of_the_file_is_that_of_speedy_and_of_the_earth():
    mask = coastlines.land()
    np.testing.assert_array_equal(mask, land())
    assert all(mask[lat + 90, lon] for lat, lon in CONTINENTS.values())
    assert not any(mask[lat + 90, lon] for lat, lon in OCEANS.values())


def test_coasts_are_around_the_continents_and_no_ocean():
    """Antarctica's coast ends at the edge of the map, so that nothing is inside of it."""
    coasts = [Path(line) for line in coastlines.coastlines()]
    places = {n: p for n, p in (CONTINENTS | OCEANS).items() if n != "Antarctica"}
    inside = {
        name
        for name, (lat, lon) in places.items()
        if any(coast.contains_point(((lon + 180) % 360 - 180, lat)) for coast in coasts)
    }
    assert inside == {*CONTINENTS} - {"Antarctica"}


@pytest.mark.parametrize("tolerance", [0.01, 0.1, 1.0])
def test_a_simplified_line_passes_within_the_tolerance_of_all_places(tolerance):
    angle = np.linspace(0, 2 * np.pi, 200)
    line = np.stack([np.cos(3 * angle), np.sin(2 * angle)], 1)
    line[-1] = line[0]
    short = simplified(line, tolerance)
    dense = np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(short)])
    gap = np.linalg.norm(line[:, None] - dense, axis=-1).min(1)
    assert gap.max() <= tolerance + 0.01
    assert len(short) < len(line)
    np.testing.assert_array_equal(short[[0, -1]], line[[0, -1]])

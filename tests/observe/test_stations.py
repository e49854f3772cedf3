"""Stations, and interpolation to them, against scipy and geometry."""

from dataclasses import replace

import numpy as np
import pytest
from grids import filled, ring, sphere
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import kstest

from dabench.observe.network import build
from dabench.observe.stations import place, uniform
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group


def t2m(**locations) -> Group:
    return Group(variables=["2m_temperature"], locations=locations, error_std=1)


def at(layout, x, points):
    return np.asarray(build([t2m(points=points)], layout).h(x))


def random_points(n: int) -> list[list[float]]:
    u = uniform(0, n, 2)
    return [[180 * a - 90, 720 * b - 360] for a, b in u]


def test_interpolation_is_exact_for_fields_linear_in_latitude_and_longitude():
    layout = sphere()
    lat, lon = np.meshgrid(*layout.coords.values(), indexing="ij")
    x = filled(layout, **{"2m_temperature": 280 - 0.3 * lat + 0.1 * lon})
    points = [[a, b % 350] for a, b in random_points(200)]
    want = [280 - 0.3 * a + 0.1 * b for a, b in points]
    np.testing.assert_allclose(at(layout, x, points), want, rtol=1e-13)


def test_interpolation_is_scipys_with_the_first_meridian_repeated_at_360():
    layout = sphere()
    field = np.random.default_rng(0).standard_normal((19, 36))
    wide = np.concatenate([field, field[:, :1]], 1)
    axes = layout.coords["latitude"], np.append(layout.coords["longitude"], 360)
    points = [*random_points(300), [90, 355], [-90, 2.5], [0, 359.999], [12, -0.001]]
    want = RegularGridInterpolator(axes, wide)([[a, b % 360] for a, b in points])
    got = at(layout, filled(layout, **{"2m_temperature": field}), points)
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_beyond_the_last_row_the_grid_goes_on_across_the_pole():
    layout = sphere(poles=False)  # rows at -85 .. 85
    lat, lon = np.radians(np.meshgrid(*layout.coords.values(), indexing="ij"))
    x = filled(layout, **{"2m_temperature": np.cos(lat) * np.cos(lon)})
    np.testing.assert_allclose(at(layout, x, [[90, 0], [-90, 30]]), 0, atol=1e-15)
    want = np.cos(np.radians(85)) * np.array([0.5, -0.5])  # half-way from row to pole
    np.testing.assert_allclose(at(layout, x, [[87.5, 0], [-87.5, 180]]), want, rtol=1e-12)


def test_a_flow_straight_across_the_pole_keeps_its_components_there():
    layout = sphere(poles=False)
    _, lon = np.radians(np.meshgrid(*layout.coords.values(), indexing="ij"))
    x = filled(
        layout,
        **{"10m_u_component_of_wind": -np.sin(lon), "10m_v_component_of_wind": -np.cos(lon)},
    )  # in the north, the vector (1, 0) of the polar plane
    group = Group(
        variables=["10m_u_component_of_wind", "10m_v_component_of_wind"],
        locations={"points": [[90, 40], [88, 40]]},
        error_std=1,
    )
    u, v = np.asarray(build([group], layout).h(x)).reshape(2, 2)
    np.testing.assert_allclose(u, -np.sin(np.radians(40)), rtol=1e-13)
    np.testing.assert_allclose(v, -np.cos(np.radians(40)), rtol=1e-13)


@pytest.mark.parametrize("poles", [True, False])
def test_weights_sum_to_one_everywhere(poles):
    stations = place(t2m(points=random_points(500)), sphere(poles=poles))
    assert (stations.weight >= 0).all()
    np.testing.assert_allclose(stations.weight.sum(-1), 1, rtol=1e-14)


def test_on_the_grid_nothing_else_is_read():
    layout = sphere()
    x = np.full(layout.size, np.nan)
    rows = build([t2m(points=[[10, 20]])], layout)
    i = int(np.flatnonzero((layout.positions["latitude"] == 10)
                           & (layout.positions["longitude"] == 20))[0])  # fmt: skip
    x[(layout.shape[1] + layout.channel("2m_temperature")) * layout.points + i] = 5.0
    assert rows.h(x)[0] == 5.0
    mixed = build([t2m(points=[[10, 20], [11, 21]])], layout)
    assert mixed.h(x)[0] == 5.0


@pytest.mark.parametrize(("spacing", "rows", "columns"), [(10, 19, 36), (20, 10, 18), (40, 5, 9)])
def test_a_grid_starts_at_the_south_pole_and_ends_before_360(spacing, rows, columns):
    stations = place(t2m(grid=spacing), sphere())
    lat, lon = (np.unique(c) for c in stations.coords.values())
    np.testing.assert_allclose(lat, -90 + spacing * np.arange(rows))
    np.testing.assert_allclose(lon, spacing * np.arange(columns))
    assert stations.index.shape == (rows * columns, 1)


def test_every_nth_point_is_every_nth_row_and_column():
    stations = place(t2m(every=3), sphere())
    assert len(stations.index) == 7 * 12
    assert set(stations.coords["latitude"]) == set(np.arange(-90, 91, 30))


def test_random_stations_are_uniform_on_the_sphere():
    coords = place(t2m(random=4000, seed=1), sphere()).coords
    assert kstest(np.sin(np.radians(coords["latitude"])), "uniform", (-1, 2)).pvalue > 0.01
    assert kstest(coords["longitude"], "uniform", (0, 360)).pvalue > 0.01


def test_more_random_stations_keep_the_first_ones():
    few, many = (place(t2m(random=n, seed=4), sphere()).coords["latitude"] for n in (10, 50))
    np.testing.assert_array_equal(few, many[:10])


def test_random_sites_differ_from_each_other():
    sites = place(Group(error_std=1, locations={"random": 12}), ring(12)).coords["site"]
    np.testing.assert_array_equal(sites, np.arange(12))


@pytest.mark.parametrize(
    ("locations", "layout", "hint"),
    [
        ({"points": [1, 2]}, sphere(), "{grid: 4}"),
        ({"grid": 4}, ring(), "{every: 1}"),
        ({"points": [12]}, ring(), "sites are 0 to 11"),
        ({"points": [[1, 2]]}, ring(), "sites are 0 to 11"),
        ({"random": 13}, ring(), "{random: 12"),
    ],
)
def test_places_that_the_system_does_not_have_are_refused(locations, layout, hint):
    group = Group(error_std=1, locations=locations)
    with pytest.raises(Misfit, match=r"^observations\.1\.locations: ") as e:
        build([Group(error_std=1, variables=[layout.channels[0].name]), group], layout)
    assert hint in str(e.value)


def test_points_on_land_are_land_and_even_by_area():
    layout = replace(sphere(2.0), land=sphere(2.0).positions["longitude"] < 180)
    coords = place(t2m(land=1500, seed=3), layout).coords
    assert (coords["longitude"] < 180).all()
    assert len(set(zip(*coords.values(), strict=True))) == 1500
    north = np.mean(np.abs(np.sin(np.radians(coords["latitude"]))) > 0.5)
    assert abs(north - 0.5) < 4 * 0.5 / 1500**0.5
    few = place(t2m(land=100, seed=3), layout).coords
    assert {*zip(*few.values(), strict=True)} < {*zip(*coords.values(), strict=True)}


def test_points_at_sea_are_those_of_the_rest_of_the_grid():
    layout = replace(sphere(2.0), land=sphere(2.0).positions["longitude"] < 180)
    coords = place(t2m(sea=1500, seed=3), layout).coords
    assert (coords["longitude"] >= 180).all()
    assert len(set(zip(*coords.values(), strict=True))) == 1500
    with pytest.raises(Misfit, match=r"locations\.sea: 9000 points, but 8010 are at sea"):
        build([t2m(sea=9000, seed=3)], layout)


def test_land_must_be_defined_and_large_enough():
    with pytest.raises(Misfit, match="does not say where land is"):
        place(t2m(land=10, seed=0), sphere())
    with pytest.raises(Misfit, match="2 points, but 1 are on land"):
        place(t2m(land=2, seed=0), replace(sphere(), land=np.arange(sphere().points) == 100))

"""Observed variables that are computed from others, held to closed forms and published tables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import WINDS, earth, filled, ring, sphere, weather
from scipy.integrate import solve_ivp
from scipy.stats import circmean

from dabench.core.layout import Channel, Layout
from dabench.observe.functions import GAS, GRAVITY, LAPSE_RATE, direction, pressure_weights, raised
from dabench.observe.network import build, observe, reported
from dabench.observe.reports import table
from dabench.observe.withheld import moments
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group

PLACES = {"points": ((10.0, 20.0), (-42.5, 355.0), (77.0, 140.0)), "heights": (0.0, 4000.0, 310.0)}
KINDS = [
    {"variables": ["wind_speed"], "levels": ["surface", 500.0]},
    {"variables": ["wind_direction"], "levels": ["surface", 850.0]},
    {"variables": ["station_temperature"]},
    {"variables": ["station_pressure", "surface_pressure"]},
    {"variables": ["total_column_water_vapour"]},
    {"variables": ["specific_humidity"], "average": {200.0: 0.1, 500.0: 0.5, 850.0: 0.4}},
    {"variables": ["u_component_of_wind"], "levels": [850.0]},
]


def network(*groups, layout=None):
    parts = [
        Group.model_validate({"name": f"g{i}", "locations": PLACES, "error_std": 1.0} | group)
        for i, group in enumerate(groups)
    ]
    return build(parts, earth() if layout is None else layout)


def test_every_operator_has_the_gradient_of_finite_differences_and_its_adjoint():
    layout, all_kinds = earth(), network(*KINDS)
    x, along = weather(layout), weather(layout, 1) - weather(layout, 2)
    h = jax.jit(all_kinds.h)
    tangent = np.asarray(jax.jvp(h, (x,), (along,))[1])
    step = 1e-6
    ends = [np.asarray(h(x + sign * step * along)) for sign in (1, -1)]
    np.testing.assert_allclose(tangent, (ends[0] - ends[1]) / (2 * step), rtol=2e-5, atol=2e-7)
    assert (tangent != 0).all()
    u = np.random.default_rng(4).standard_normal(all_kinds.size)
    back = np.asarray(jax.vjp(h, x)[1](u)[0])
    np.testing.assert_allclose(back @ along, u @ tangent, rtol=1e-12)


def test_only_what_is_linear_is_called_so():
    linear = [network(kind).linear for kind in KINDS]
    assert linear == [False, False, True, False, True, True, True]
    x, y = weather(earth()), weather(earth(), 1)
    h = jax.jit(network(*np.array(KINDS)[linear]).h)
    np.testing.assert_allclose(h((x + y) / 2), (h(x) + h(y)) / 2, rtol=1e-12)


def test_units_and_levels_stand_in_the_table():
    rows = network(*KINDS).table.drop_duplicates(["variable", "level"]).set_index("variable")
    assert rows.loc["total_column_water_vapour", "units"] == "kg m**-2"
    assert rows.loc["wind_direction", "units"] == "degree"
    assert rows.loc["10m_wind_direction", "units"] == "degree"
    assert rows.loc["station_pressure", "units"] == "Pa"
    assert rows.loc["station_temperature", "units"] == "K"
    average = rows.loc["layer_mean_specific_humidity"]
    assert average["level"] == pytest.approx(200**0.1 * 500**0.5 * 850**0.4, abs=0.005)


def test_an_average_of_a_constant_is_the_constant_and_weights_are_over_their_sum():
    layout = sphere()
    group = {"variables": ["temperature"], "average": {250.0: 1.0, 500.0: 2.0, 850.0: 5.0}}
    means = network(group, layout=layout)
    np.testing.assert_allclose(means.h(filled(layout, temperature=np.full((19, 36), 250.0))), 250)
    x = np.zeros(layout.shape)
    levels = [i for i, c in enumerate(layout.channels) if c.name == "temperature"]
    x[-1, levels] = np.array([200.0, 250.0, 280.0])[:, None]
    np.testing.assert_allclose(means.h(x.ravel()), (200 + 500 + 1400) / 8)


def test_pressure_falls_as_in_the_standard_atmosphere():
    # ICAO Doc 7488, pressures in hPa at geopotential heights
    height = np.array([0.0, 1000.0, 3000.0, 5000.0, 8000.0])
    standard = np.array([1013.25, 898.746, 701.085, 540.199, 355.998])
    np.testing.assert_allclose(raised(1013.25, 288.15, height), standard, rtol=2e-5)


def test_pressure_is_in_hydrostatic_balance_and_isothermal_in_the_limit():
    layout = Layout(
        (Channel("2m_temperature", "K"), Channel("mean_sea_level_pressure", "Pa")),
        {"latitude": np.array([-90.0, 0, 90]), "longitude": np.arange(0, 360, 90.0)},
        dtype="float64",
        height=np.full(12, 700.0),
    )
    x = np.repeat([275.0, 100_000.0], 12)
    place = {"points": ((0.0, 0.0),), "heights": (2300.0,)}
    group = {"variables": ["station_pressure", "surface_pressure"], "locations": place}
    at_station, at_ground = network(group, layout=layout).h(x)

    def balance(z, p):
        return -GRAVITY * p / (GAS * (275 + LAPSE_RATE * (700 - z)))

    path = solve_ivp(balance, (0, 2300), [1e5], t_eval=(700, 2300), rtol=1e-10, atol=1e-6)
    np.testing.assert_allclose([at_ground, at_station], path.y[0], rtol=1e-8)
    isothermal = 1e5 * np.exp(-GRAVITY * 2300 / (GAS * 275))
    assert raised(1e5, 275.0, 2300.0, lapse_rate=1e-8) == pytest.approx(isothermal, rel=1e-6)


def test_temperature_moves_to_the_height_of_the_station():
    layout = earth()
    stations = network({"variables": ["station_temperature"]})
    ground = network({"variables": ["2m_temperature"]})
    of_ground = ground.h(np.concatenate([layout.height, weather(layout)[layout.points :]]))
    warmer = 0.0065 * (of_ground - np.array(PLACES["heights"]))
    x = weather(layout)
    np.testing.assert_allclose(stations.h(x), ground.h(x) + warmer, rtol=1e-12)


def test_the_column_of_a_power_of_pressure_is_its_integral():
    p = np.linspace(50, 1000, 800)
    weights = pressure_weights(p, np.array([1000.0, 723.4]))
    exact = (np.array([1000.0, 723.4]) ** 4 - 50**4) / 4
    np.testing.assert_allclose((p**3) @ weights, exact, rtol=1e-5)
    coarse, bottom = np.array([850.0, 200.0, 500.0]), 640.0
    q = np.array([8e-3, 1e-5, 2e-3])
    fine = np.linspace(200, bottom, 20_001)
    line = np.interp(fine, [200, 500, 850], [1e-5, 2e-3, 8e-3])
    (column,) = q @ pressure_weights(coarse, np.array([bottom]))
    assert column == pytest.approx(np.trapezoid(line, fine), rel=1e-6)


def test_a_column_of_constant_humidity_is_its_mass_down_to_the_ground():
    layout = earth()
    flat = Layout(layout.channels, layout.coords, dtype="float64", height=np.zeros(layout.points))
    x = filled(flat, specific_humidity=np.full((7, 12), 4e-3))
    group = {"variables": ["total_column_water_vapour"], "locations": {"every": 3}}
    mass = 4e-3 * (101_325 - 20_000) / 9.80665
    np.testing.assert_allclose(network(group, layout=flat).h(x), mass, rtol=1e-12)
    assert (np.asarray(network(group).h(x)) < mass).all()


def test_a_direction_is_where_the_wind_comes_from():
    u, v = np.array([0.0, -3.0, 0.0, 5.0, -1.0]), np.array([-4.0, 0.0, 2.0, 0.0, 1.0])
    np.testing.assert_allclose(direction((u, v)), [0, 90, 180, 270, 135])


def test_in_calm_a_direction_is_missing_and_turns_no_faster_than_at_1_metre_a_second():
    layout = sphere(30)
    u, v = np.full((7, 12), 3.0), np.zeros((7, 12))
    u[2] = 0.9
    x = filled(layout, u_component_of_wind=u, v_component_of_wind=v)
    winds = [{"variables": [*WINDS], "levels": [500.0]}, {"variables": ["wind_direction"]}]
    mixed = network(*({**g, "locations": {"every": 1}} for g in winds), layout=layout)
    observed = jax.jit(lambda x: observe(0, 1, 0.0, mixed, x))
    obs = reported(observed(x), mixed, 1)
    calm = (mixed.table["latitude"] == -30) & (mixed.table["variable"] == "wind_direction")
    np.testing.assert_array_equal(np.asarray(obs.present), ~calm)
    np.testing.assert_array_equal(np.isnan(obs.y), calm)
    assert mixed.gaps
    rest = np.zeros((2, 1))
    angle, gradient = jax.jit(jax.value_and_grad(lambda wind: direction(wind)[0]))(rest)
    assert angle == 0
    assert not np.any(gradient)
    slope = jax.jit(jax.grad(lambda wind: direction(wind)[0]))(np.array([[0.0], [-1e-9]]))
    assert np.abs(slope).max() < np.degrees(1)


def test_departures_and_moments_of_directions_go_the_shorter_way_round():
    angles = network({"variables": ["wind_direction"], "levels": [850.0]})
    y, hx = np.array([1.0, 359.0, 180.0]), np.array([359.0, 1.0, 175.0])
    np.testing.assert_allclose(angles.departure(y, hx), [2, -2, 5])
    members = np.random.default_rng(0).normal([0.0, 90.0, 350.0], 20.0, (40, 3)) % 360
    mean, var = moments(jnp.asarray(members), angles)
    np.testing.assert_allclose(mean, circmean(members, 360, 0, axis=0), rtol=1e-9)
    inside = (members + 180) % 360  # the second is nowhere near 360, the others not near it now
    np.testing.assert_allclose(var[1], members[:, 1].var(ddof=1), rtol=0.02)
    np.testing.assert_allclose(var[2], inside[:, 2].var(ddof=1), rtol=0.02)


def test_stations_without_a_height_report_nothing_that_depends_on_it():
    reports = {"locations": {"reports": "synop"}}
    pressure = network({"variables": ["station_pressure"], **reports})
    cells = table("synop")
    expected = ["P" in text for text in cells.letters[None]] & np.isfinite(cells.height)
    assert pressure.size == expected.sum() < sum("P" in text for text in cells.letters[None])


@pytest.mark.parametrize(
    ("group", "path", "hint"),
    [
        ({"variables": ["total_column_water_vapour"]}, "variables", "no specific_humidity, which"),
        ({"variables": ["station_pressure"], "locations": {"every": 1}}, "variables", "the ground"),
        ({"variables": ["temperature"], "average": {300.0: 1}}, "average", "levels are 250, 500"),
        ({"variables": ["wind_speed"], "average": {250.0: 1}}, "variables", "no u_component"),
        ({"variables": ["wind_direction"], "error_std": 90}, "error_std", "at most 60"),
        (
            {"variables": ["wind_direction"], "correlation": {"vertical": 1}},
            "correlation",
            "not for directions",
        ),
    ],
)
def test_what_a_system_cannot_give_is_refused(group, path, hint):
    with pytest.raises(Misfit) as e:
        network(group, layout=sphere())
    assert str(e.value).startswith(f"observations.0.{path}: ")
    assert hint in str(e.value)


def test_stations_without_heights_and_toy_systems_are_refused():
    with pytest.raises(Misfit, match="say nothing of the heights of stations"):
        network({"variables": ["station_temperature"], "locations": {"every": 1}})
    with pytest.raises(Misfit, match="no u_component_of_wind and v_component_of_wind, which"):
        network({"variables": ["wind_direction"], "locations": {"every": 1}}, layout=ring())


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"variables": ()}, "needs the names"),
        ({"variables": ("t",), "levels": ("surface",)}, "leave levels out"),
        ({"variables": ("t",), "error_std": {500.0: 1.0}}, "one number as error_std"),
    ],
)
def test_an_average_says_all_that_it_needs_and_no_more(entries, text):
    with pytest.raises(ValueError, match=text):
        Group(**({"average": {500.0: 1.0}, "error_std": 1.0} | entries))

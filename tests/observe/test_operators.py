"""Operators: levels, surface names, wind speed and its gradient."""

import jax
import numpy as np
import pytest
from grids import WINDS, filled, sphere, state

from dabench.observe.functions import speed
from dabench.observe.network import build
from dabench.observe.operators import resolve
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group


def targets(**group) -> list[tuple]:
    resolved = resolve(Group(**({"error_std": 1} | group)), sphere())
    return [(t.variable, t.level) for t in resolved]


def test_surface_and_all_name_every_level_once():
    want = [("2m_temperature", None), *(("temperature", p) for p in (250, 500, 850))]
    assert targets(variables=["temperature"], levels=["surface", "all"]) == want
    assert targets(variables=["temperature"], levels=["surface", 250, "all", 500]) == want
    pressure = [("mean_sea_level_pressure", None)]
    assert targets(variables=["mean_sea_level_pressure"], levels=["surface", "all"]) == pressure


def test_surface_wind_speed_is_that_of_the_10_m_wind():
    assert targets(variables=["wind_speed"], levels=["surface"]) == [("10m_wind_speed", None)]


def test_wind_speed_is_the_hypotenuse_of_the_interpolated_components():
    layout, x = sphere(), state(sphere())
    places = {"random": 20}
    u, v = (
        np.asarray(build([Group(variables=[w], locations=places, error_std=1)], layout).h(x))
        for w in WINDS
    )
    network = build([Group(variables=["wind_speed"], locations=places, error_std=1)], layout)
    np.testing.assert_allclose(network.h(x), np.hypot(u, v), rtol=1e-14)
    assert not network.linear


def test_the_gradient_of_h_is_that_of_finite_differences():
    layout, x = sphere(30), state(sphere(30))
    groups = [
        Group(name="w", variables=["wind_speed"], locations={"random": 5}, error_std=1),
        Group(name="t", variables=["temperature"], locations={"random": 5}, error_std=1),
        Group(name="s", variables=["10m_wind_speed"], locations={"every": 2}, error_std=1),
    ]
    network = build(groups, layout)
    direction, step = state(layout, 1), 1e-6
    h = jax.jit(network.h)
    tangent = jax.jvp(h, (x,), (direction,))[1]
    ends = [np.asarray(h(x + s * step * direction)) for s in (1, -1)]
    np.testing.assert_allclose(tangent, (ends[0] - ends[1]) / (2 * step), atol=1e-8)
    u = np.random.default_rng(2).standard_normal(network.size)
    back = jax.vjp(h, x)[1](u)[0]
    np.testing.assert_allclose(back @ direction, u @ tangent, rtol=1e-12)


def test_at_rest_wind_speed_has_value_and_gradient_zero():
    layout = sphere(30)
    x = filled(layout)
    network = build([Group(variables=["wind_speed"], error_std=1)], layout)
    h = jax.jit(network.h)
    value, pull = jax.vjp(h, x)
    assert not np.any(value)
    assert not np.any(pull(np.ones(network.size))[0])
    assert not np.any(jax.jvp(h, (x,), (np.ones_like(x),))[1])


def test_the_gradient_of_wind_speed_is_right_for_the_smallest_and_largest_winds():
    for size in (1e-150, 1.0, 1e150):
        gradient = jax.grad(lambda u, size=size: speed((u, 0.0 * u + size)))(size)
        np.testing.assert_allclose(gradient, 0.5**0.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("group", "path", "hint"),
    [
        ({"variables": ["temprature"]}, "variables", "did you mean 'temperature'?"),
        ({"variables": ["geopotential"]}, "variables", "no 'geopotential'"),
        ({"variables": ["temperature"], "levels": [300]}, "levels", "250, 500, 850"),
        ({"variables": ["2m_temperature"], "levels": [500]}, "levels", "surface"),
        ({"variables": ["temperature", "u_component_of_wind"]}, "variables", "in m/s"),
        ({}, "variables", "a group of its own"),
        ({"variables": ["temperature"], "error_std": {250: 1}}, "error_std", "500, 850"),
        (
            {"variables": ["temperature"], "levels": [250], "error_std": {250: 1, 500: 1}},
            "error_std",
            "500, which is not observed",
        ),
    ],
)
def test_groups_that_the_system_cannot_observe_are_refused(group, path, hint):
    with pytest.raises(Misfit) as e:
        build([Group(**({"error_std": 1} | group))], sphere())
    assert str(e.value).startswith(f"observations.0.{path}: ")
    assert hint in str(e.value)

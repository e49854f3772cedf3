"""Missing observations: a method that is told of a gap does as if the instrument did not exist."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.filters import enkf, insertion, oi, var4d
from dabench.filters.base import Problem
from dabench.filters.kalman import kalman
from dabench.observe.network import Network, Observation, build
from dabench.scenario import plugins, settings
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, MEMBERS = 6, 8
SYSTEM = linear_gaussian(size=SIZE)
PRESENT = np.array([True, False, True, True, False, True])
METHODS: dict[str, dict[str, Any]] = {
    "bootstrap": {},
    "enkf": {},
    "letkf": {"adaptive": True, "length_scale_sites": 3, "route": "pairs"},
    "ensf": {"integration": {"steps": 4}},
    "kalman": {},
    "guided": {},
    "fa_enkf": {"covariance": "dense", "length_scale_km": None, "vertical_scale": None},
    "oi": {"covariance": "errors"},
    "4dvar": {"window": 1},
}


def network(availability: Any = None, points: Any = tuple(range(SIZE))) -> Network:
    group = {"error_std": 0.4, "locations": {"points": points}, "availability": availability}
    return build([Group.model_validate(group)], SYSTEM.layout)


def method(name: str, of: Network):
    make = plugins.factory("filters", name)
    checked = settings.schema(make).model_validate(METHODS[name])
    climate = jnp.asarray(SYSTEM.climate)
    return make(Problem(SYSTEM.model, of, climate), **settings.arguments(checked))


def members() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(MEMBERS, SIZE))


def analysis(name: str, of: Network):
    """Analysis members, and the inflation, as a compiled function of members, y and mask."""
    filter = method(name, of)

    @jax.jit
    def step(x, y, present):
        obs = Observation(jnp.zeros(()), y, present)
        carry, info = filter.step(jax.random.key(3), filter.init(x), obs)
        return carry.x, {k: v for k, v in info.items() if k == "inflation"}

    return step


@pytest.fixture(autouse=True)
def unperturbed(monkeypatch):
    """Perturbations of observations are drawn for the whole network at once: none here."""
    for module in (enkf, insertion, oi, var4d):
        monkeypatch.setattr(module, "perturbations", lambda key, n, size: jnp.zeros((n, size)))


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_observation_is_one_of_an_instrument_that_does_not_exist(name):
    y, x = np.linspace(-1, 1, SIZE), members()
    gappy = analysis(name, network({"share": 0.5}))
    there, info = gappy(x, np.where(PRESENT, y, np.nan), PRESENT)
    assert np.isfinite(there).all()
    never = network(points=tuple(int(i) for i in np.flatnonzero(PRESENT)))
    expected, info_expected = analysis(name, never)(x, y[PRESENT], None)
    np.testing.assert_allclose(there, expected, rtol=1e-7, atol=1e-9)
    for key, value in info_expected.items():
        np.testing.assert_allclose(info[key], value, rtol=1e-9)
    other, _ = gappy(x, np.where(PRESENT, y, 1e3), PRESENT)
    np.testing.assert_array_equal(there, other)
    nothing, _ = gappy(x, np.full(SIZE, np.nan), np.zeros(SIZE, bool))
    assert np.isfinite(nothing).all()
    assert not np.allclose(nothing, there)


def test_the_exact_filter_has_the_evidence_of_what_is_there():
    """log N(y_p; H_p m, H_p P H_pᵀ + R_p) for one forecast of the members' moments."""
    x, y = members(), np.linspace(-1, 1, SIZE)
    gappy = kalman(Problem(SYSTEM.model, network({"share": 0.5}), SYSTEM.climate))
    obs = Observation(jnp.zeros(()), jnp.where(PRESENT, y, jnp.nan), jnp.asarray(PRESENT))
    _, info = jax.jit(gappy.step)(jax.random.key(0), gappy.init(jnp.asarray(x)), obs)
    from scipy.stats import multivariate_normal

    model: Any = SYSTEM.model
    A = np.asarray(jax.jacobian(model.step)(jnp.zeros(SIZE)))
    cov = A @ np.cov(x.T) @ A.T + model.model_cov + 0.16 * np.eye(SIZE)
    part = np.ix_(PRESENT, PRESENT)
    expected = multivariate_normal.logpdf(y[PRESENT], (A @ x.mean(0))[PRESENT], cov[part])
    np.testing.assert_allclose(info["log_likelihood"], expected, rtol=1e-9)


def test_insertion_leaves_the_forecast_where_its_fit_is_not_complete():
    x, y = members(), np.linspace(-1, 1, SIZE)
    filter = insertion.insertion(Problem(SYSTEM.model, network({"share": 0.5}), SYSTEM.climate))

    @jax.jit
    def step(present):
        obs = Observation(jnp.zeros(()), jnp.where(present, y, jnp.nan), present)
        carry, info = filter.step(jax.random.key(0), filter.init(x), obs)
        return carry.x, info["background"]

    after, background = step(PRESENT)
    np.testing.assert_array_equal(after, background)
    after, background = step(np.ones(SIZE, bool))
    assert not np.allclose(after, background)

"""Insertion: the least-squares fit of the observations, and nothing else, where they are."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from twins import SPHERE, Still

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.insertion import determined, insertion
from dabench.filters.waves import functions
from dabench.observe.network import Network, Observation
from dabench.systems.sphere.harmonics import Harmonics, at

RNG = np.random.default_rng(0)
CLIMATE = jnp.asarray(RNG.normal(size=(5, SPHERE.size)))


def network(points, channel=0, std=0.5):
    """One channel of SPHERE at some points of its grid."""
    c = SPHERE.channels[channel]
    columns = {"variable": c.name, "level": c.level or np.nan, "error_std": std}
    places = {name: values[points] for name, values in SPHERE.positions.items()}
    table = pd.DataFrame(columns | places)
    error_std = table["error_std"].to_numpy(float)
    return Network(lambda x: SPHERE.now(x)[channel, points], error_std, table, True)


def insert(net, y, key, members=4, **settings):
    method = insertion(Problem(Still(SPHERE), net, CLIMATE), **settings)
    x = jnp.asarray(RNG.normal(size=(members, SPHERE.size)))
    after, _ = jax.jit(method.step)(key, method.init(x), Observation(jnp.zeros(()), jnp.asarray(y)))
    return SPHERE.unflatten(np.asarray(x)), SPHERE.unflatten(np.asarray(after.x))


def test_harmonics_at_places_are_those_of_the_grid():
    grid = Harmonics(*SPHERE.coords.values(), lmax=5)
    Y = at(SPHERE.positions["latitude"], SPHERE.positions["longitude"], 5)
    c = RNG.normal(size=(2, 36))
    np.testing.assert_allclose(c @ Y.T, grid.synthesise(jnp.asarray(c)), atol=1e-12)


def test_the_mean_is_the_weighted_least_squares_fit_of_departures_from_the_climate(key):
    """Harmonics of degree 0 and 1 span 1 and the coordinates of a place on the unit sphere."""
    points = RNG.choice(SPHERE.points, 30, replace=False)
    std, y = RNG.uniform(0.5, 2, 30), RNG.normal(size=30)
    before, after = insert(network(points, std=std), y, key, degree=1)
    lat, lon = (np.radians(SPHERE.positions[c]) for c in ("latitude", "longitude"))
    place = [np.ones_like(lat), np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    F, centre = np.stack(place, 1), SPHERE.now(np.asarray(CLIMATE.mean(0)))[0]
    c, *_ = np.linalg.lstsq(F[points] / std[:, None], (y - centre[points]) / std, rcond=None)
    np.testing.assert_allclose(after[:, -1, 0].mean(0), centre + F @ c, atol=1e-10)
    others = np.ones(before.shape, bool)
    others[:, -1, 0] = False
    np.testing.assert_array_equal(after[others], before[others])


def test_members_differ_by_what_the_errors_leave_to_the_fit(key):
    """Cov[c] = (Fᵀ R⁻¹ F)⁻¹ of the coefficients, here that of a constant: R / n."""
    points = np.arange(SPHERE.points)
    _, after = insert(network(points), np.zeros(SPHERE.points), key, members=2000, degree=0)
    centre = SPHERE.now(np.asarray(CLIMATE.mean(0)))[0]
    constant = after[:, -1, 0, 0] - centre[0]
    # The variance of 2000 draws has a relative standard deviation of sqrt(2 / 2000).
    expected = 0.5**2 / SPHERE.points
    np.testing.assert_allclose(constant.var(ddof=1), expected, rtol=4.5 * np.sqrt(2 / 2000))


def test_few_places_determine_few_degrees():
    layout = replace(SPHERE)
    for every, degrees in ((1, 6), (2, 4), (7, 3)):
        places = {name: values[::every] for name, values in layout.positions.items()}
        count = determined(functions(layout, places, None))
        F = np.concatenate(functions(layout, places, None)[:count], 1)
        assert np.linalg.cond(F) <= 10.0
        assert 1 < count <= degrees
    assert determined(functions(layout, {k: v[:1] for k, v in layout.positions.items()}, None)) == 1


@pytest.mark.parametrize(("size", "periodic"), [(5, True), (6, True), (6, False)])
def test_a_line_that_is_observed_everywhere_is_fitted_exactly(size, periodic):
    line = Layout((Channel("x"),), {"site": np.arange(size)}, periodic=periodic, dtype="float64")
    by_degree = functions(line, line.positions, None)
    F = np.concatenate(by_degree, 1)
    assert F.shape == (size, size)
    assert determined(by_degree) == len(by_degree)


def test_observations_of_no_variable_of_the_state_are_refused():
    net = network(np.arange(5))
    speed = replace(net, table=net.table.assign(variable="wind_speed"))
    with pytest.raises(UserError, match="variables of the state"):
        insertion(Problem(Still(SPHERE), speed, CLIMATE))

"""Routes against each other, and places within reach against a search of all pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from twins import SPHERE, distances, sphere

from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, analyse, within_reach
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import cutoff, localisation
from dabench.filters.oi import Gain


@pytest.mark.parametrize("solver", [SquareRoot(adaptive=False), SquareRoot(adaptive=True), Gain()])
@pytest.mark.parametrize(("members", "count"), [(6, 60), (40, 20)])
def test_routes_agree(solver, members, count):
    problem, x, obs = sphere(members, count)
    plan = make_plan(SPHERE, problem.network.table, localisation(SPHERE, 1500.0, None, 0.5))
    S, d, _ = jax.jit(lambda x, obs: scaled(jax.vmap(problem.network.h)(x), obs, problem.network))(
        x, obs
    )
    inflation = jnp.full((len(plan.position), len(plan.levels)), 1.2)

    @jax.jit
    def analyses(x, S, d, inflation):
        departures = Departures(S, d[None], inflation)
        return {
            r: analyse(plan, x, departures, solver, route=r) for r in ("pairs", "rows", "levels")
        }

    by = analyses(x, S, d, inflation)
    for name in ("rows", "levels"):
        np.testing.assert_allclose(by["pairs"][0], by[name][0], atol=1e-13)
        np.testing.assert_allclose(by["pairs"][1], by[name][1], atol=1e-13)
    assert abs(by["pairs"][0] - x).max() > 0.1


@pytest.mark.parametrize("route", ["pairs", "levels"])
def test_float32_sums_are_close_to_float64_rows(route):
    """Precise observations, of a hundredth of the spread: the hard case in float32."""
    problem, x, obs = sphere(10, 400, "float32", std=0.01)
    plan = make_plan(
        problem.model.layout, problem.network.table, localisation(SPHERE, 3000.0, None, 2.0)
    )
    S, d, _ = jax.jit(lambda x, obs: scaled(jax.vmap(problem.network.h)(x), obs, problem.network))(
        x, obs
    )
    inflation = jnp.ones((len(plan.position), len(plan.levels)))

    @jax.jit
    def increments(x, S, d, inflation):
        args = plan, x, Departures(S, d[None], inflation), SquareRoot(adaptive=False)
        return [analyse(*args, route=r)[0] - x for r in (route, "rows")]

    sums, rows = map(np.asarray, increments(x, S, d, inflation))
    # Eigenvalues of SᵀS reach 1e6 and have errors of 1e6 · 2^-24 · √400 = 1 among ones of 1e3 up
    assert np.abs(sums - rows).max() < 2e-3 * np.abs(rows).max()


def test_places_within_reach_are_all_within_the_cutoff():
    problem, *_ = sphere(count=100)
    taper = localisation(SPHERE, 700.0, None, 0.5)
    plan = make_plan(SPHERE, problem.network.table, taper)
    places = plan.location[plan.obs_location]
    table = within_reach(plan, places)
    near, _ = distances(SPHERE, problem.network.table)
    for row, expected in zip(table, near < cutoff(700.0), strict=True):
        np.testing.assert_array_equal(np.sort(row[row < 100]), np.flatnonzero(expected))
    assert within_reach(plan, places, 3) is None

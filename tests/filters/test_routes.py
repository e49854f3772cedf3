"""Both routes against each other, and what is in reach against a search of all pairs."""

import jax.numpy as jnp
import numpy as np
import pytest
from twins import SPHERE, distances, sphere

from dabench.filters.letkf import SquareRoot
from dabench.filters.local import make_plan
from dabench.filters.localise import cutoff, localisation
from dabench.filters.moments import anomalies, scaled
from dabench.filters.oi import Gain
from dabench.filters.routes import analyse, reach


@pytest.mark.parametrize("solver", [SquareRoot(False), SquareRoot(True), Gain()])
@pytest.mark.parametrize(("members", "count"), [(6, 60), (40, 20)])
def test_routes_agree(solver, members, count):
    problem, x, obs = sphere(members, count)
    plan = make_plan(SPHERE, problem.network.table, localisation(SPHERE, 1500.0, None, 0.5))
    seen = scaled(x, obs.y, problem.network)
    own = jnp.full((len(plan.position), len(plan.levels)), 1.2)
    by = {
        route: analyse(plan, anomalies(x), seen.S, seen.d[None], solver, own, route)
        for route in ("pairs", "rows", "auto")
    }
    for a, b in ((by["pairs"], by["rows"]), (by["pairs"], by["auto"])):
        np.testing.assert_allclose(a[0], b[0], atol=1e-13)
        np.testing.assert_allclose(a[1], b[1], atol=1e-13)
    assert abs(by["pairs"][0]).max() > 0.1


def test_float32_sums_of_pairs_are_close_to_float64_rows():
    """Precise observations, of a hundredth of the spread: the hard case in float32."""
    problem, x, obs = sphere(10, 400, "float32", std=0.01)
    plan = make_plan(
        problem.model.layout, problem.network.table, localisation(SPHERE, 3000.0, None, 2.0)
    )
    seen = scaled(x, obs.y, problem.network)
    own = jnp.ones((len(plan.position), len(plan.levels)))
    args = plan, anomalies(x), seen.S, seen.d[None], SquareRoot(False), own
    pairs, rows = (np.asarray(analyse(*args, route)[0]) for route in ("pairs", "rows"))
    # eigenvalues of SᵀS reach 1e6 and have errors of 1e6 · 2^-24 · √400 = 1 among ones of 1e3 up
    assert np.abs(pairs - rows).max() < 2e-3 * np.abs(rows).max()


def test_reach_is_all_within_the_cutoff():
    problem, *_ = sphere(count=100)
    taper = localisation(SPHERE, 700.0, None, 0.5)
    plan = make_plan(SPHERE, problem.network.table, taper)
    table = reach(plan, 100)
    near, _ = distances(SPHERE, problem.network.table)
    for row, expected in zip(table, near < cutoff(700.0), strict=True):
        np.testing.assert_array_equal(np.sort(row[row < 100]), np.flatnonzero(expected))
    assert reach(plan, 3) is None

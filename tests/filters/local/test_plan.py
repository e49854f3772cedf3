"""Plans place every observation, windows cover all in reach, and combining is a weighted sum."""

import jax.numpy as jnp
import numpy as np
import pytest
from twins import SPHERE, sites, sphere

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.filters.local.combine import LocalAnalyses, combine
from dabench.filters.local.plan import blocks, in_window, make_plan, windows
from dabench.filters.local.taper import Localisation, localisation

TAPER = localisation(SPHERE, 800.0, None, 0.5)


def test_every_observation_has_one_place_of_its_own():
    problem, *_ = sphere(count=200)
    plan = make_plan(SPHERE, problem.network.table, TAPER)
    used = plan.observation[plan.observation < 200]
    np.testing.assert_array_equal(np.sort(used), np.arange(200))
    assert plan.observation.shape[0] > 1
    table = problem.network.table
    slot, level, place = np.nonzero(plan.observation < 200)
    rows = plan.observation[slot, level, place]
    np.testing.assert_allclose(
        plan.location[place, 2], np.sin(np.radians(table["latitude"].to_numpy()[rows])), atol=1e-15
    )
    hpa = table["level"].fillna(1000.0).to_numpy()[rows]
    np.testing.assert_allclose(plan.observed_levels[level], np.log(hpa))


def test_levels_are_one_without_vertical_taper():
    problem, *_ = sphere()
    plan = make_plan(SPHERE, problem.network.table, localisation(SPHERE, 800.0, None, None))
    assert len(plan.levels) == len(plan.observed_levels) == 1


def test_no_window_leaves_out_what_is_in_reach():
    problem, *_ = sphere(count=300)
    plan = make_plan(SPHERE, problem.network.table, TAPER)
    index = blocks(plan, 2**17)
    assert len(index) > 5
    assert set(index.ravel()) == set(range(SPHERE.points))
    start, size = windows(plan, index)
    assert size < len(plan.location)
    for units, first in zip(index, start, strict=True):
        position = jnp.asarray(plan.position[units])
        rho = np.asarray(TAPER.horizontal(position, jnp.asarray(plan.location)))
        near = np.flatnonzero(rho.sum(0))
        assert near.min() >= first
        assert near.max() < first + size


@pytest.mark.parametrize("every", [1, 2])
def test_windows_go_around_a_ring(every):
    layout = Layout((Channel("x"),), {"site": np.arange(600)}, periodic=True, dtype="float64")
    taper = localisation(layout, None, 3.0, None)
    plan = make_plan(layout, sites(600, every).table, taper, batch=2)
    index = blocks(plan, 1)
    start, size = windows(plan, index)
    assert len(index) > 2
    assert size < 300 // every
    for units, first in zip(index, start, strict=True):
        near = in_window(jnp.asarray(plan.location), first, size)
        assert len(np.unique(near)) == size
        rho = taper.horizontal(jnp.asarray(plan.position[units]), near)
        every_rho = taper.horizontal(jnp.asarray(plan.position[units]), jnp.asarray(plan.location))
        np.testing.assert_allclose(rho.sum(1), every_rho.sum(1), rtol=1e-14)


def test_combining_sums_the_basis_with_weights_of_its_point_and_level(key):
    problem, x, _ = sphere(members=3)
    plan = make_plan(SPHERE, problem.network.table, TAPER)
    weights = jnp.arange(SPHERE.points * 3.0).reshape(SPHERE.points, 3)
    index = blocks(plan, 2**17)

    def weigh(block, A, shared):
        return block.units[..., None, None] * A, block.units

    start = np.zeros(len(index), np.int32)
    analyses = LocalAnalyses(index, start, weights, None, weigh)
    total, by_unit = combine(plan, 0 * x, analyses, basis=x)
    np.testing.assert_array_equal(by_unit, weights)
    factor = np.asarray(weights)[:, plan.channel_level].T
    expected = np.asarray(SPHERE.unflatten(x)) * factor
    np.testing.assert_allclose(SPHERE.unflatten(total), expected, rtol=1e-14)


def test_a_batch_must_divide_the_points():
    layout = SPHERE
    problem, *_ = sphere()
    with pytest.raises(UserError, match=r"batch: 5 .* 84"):
        make_plan(layout, problem.network.table, TAPER, batch=5)


def test_without_horizontal_taper_there_is_one_unit():
    problem, *_ = sphere()
    plan = make_plan(SPHERE, problem.network.table, Localisation(None, 0.5, True))
    assert plan.position.shape[:2] == (1, SPHERE.points)

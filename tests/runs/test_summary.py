"""What is archived and shown of a cycle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from toy import LAYOUT

from dabench.core.layout import Channel, Layout
from dabench.runs import cycle, execute, summary
from dabench.runs.archive import read
from dabench.scores import cycles
from dabench.scores.metrics import ensemble, rank


def test_values_that_the_truth_lacks_do_not_count_as_divergence():
    truth = jnp.array([1.0, jnp.nan, 2.0, 3.0])
    x = jnp.tile(truth[None], (2, 1))
    weights = jnp.full((1, 4), 0.25)
    assert not summary.summarise(x, truth, LAYOUT, weights).diverged
    assert summary.summarise(x.at[1, 0].set(jnp.nan), truth, LAYOUT, weights).diverged


def test_means_are_formed_in_double_precision():
    layout = Layout((Channel("z", "m"),), {"site": np.arange(1)})
    x = (5e4 + jax.random.normal(jax.random.key(0), (1000, 1))).astype(jnp.float32)
    cycle_summary = summary.summarise(x, x[0], layout, jnp.ones((1, 1)))
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(cycle_summary.mean[0], exact.mean(0), rtol=1e-14)
    np.testing.assert_allclose(cycle_summary.spread[0], exact.std(0, ddof=1), rtol=1e-12)


def test_the_shown_rmse_is_the_area_mean_at_500_hpa():
    channels = tuple(Channel("temperature", "K", p) for p in (850.0, 500.0))
    grid = {"latitude": np.array([-90.0, 0.0, 90.0]), "longitude": np.array([0.0, 180.0])}
    weights = summary.headline(Layout(channels, grid))
    assert weights[0].sum() == 0
    half_cap = (1 - np.sin(np.pi / 4)) / 4  # area of a polar row over the sphere's, a point
    np.testing.assert_allclose(weights[1, [0, 1, 4, 5]], half_cap)
    np.testing.assert_allclose(weights.sum(), 1)


@pytest.mark.parametrize("members", [1, 2, 5])
def test_what_scores_need_of_members_is_what_they_make_of_them(members):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (members, 3, 400)).astype(np.float32)  # many ties
    y = rng.integers(0, 4, (3, 400)).astype(np.float32)
    y[0, :50], x[0, 0, :100] = np.nan, np.nan
    ranked = summary.ranked(jnp.asarray(x), jnp.asarray(y))
    ens, truth = xr.DataArray(x, dims=("member", "c", "p")), xr.DataArray(y, dims=("c", "p"))
    np.testing.assert_allclose(ranked.skill, ensemble.crps_skill(ens, truth), rtol=1e-6)
    apart = ensemble.crps_spread(ens).values
    comparable = np.isfinite(x).all(0) if members == 1 else np.full(y.shape, True)
    np.testing.assert_allclose(
        np.asarray(ranked.distance)[comparable], apart[comparable], rtol=1e-6, atol=1e-7
    )
    np.testing.assert_array_equal(ranked.below, rank.rank(ens, truth))
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    np.testing.assert_array_equal(ranked.ties, same.sum(0))


def test_a_run_is_scored_alike_with_and_without_its_members(tmp_path):
    """The method is the cheapest that has children and weights: scores take both kinds alike."""
    by_storage = {}
    (job,) = execute.plan("lorenz96-model-error", methods=["bootstrap"], members=16, cycles=6)
    for keep in (True, False):
        folder, attrs = tmp_path / str(keep), {"status": "running", "completed": -1}
        folder.mkdir()
        attrs |= {"members": 16, "spinup": 2, "cycles": 6, "seed": 0}
        cycle.run(job.filter(), job.experiment.twin, 16, folder, attrs, store_members=keep)
        tree = read.open_run(folder)
        assert ("members" in tree, "below" in tree) == (keep, not keep)
        by_storage[keep] = cycles.fields(tree, cycles.weights_of(tree["truth"].to_dataset()))
    for name, scores in by_storage[True].items():
        xr.testing.assert_allclose(scores, by_storage[False][name], rtol=1e-9)

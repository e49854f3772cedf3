"""What is archived and shown of a cycle."""

import jax
import jax.numpy as jnp
import numpy as np
from toy import LAYOUT

from dabench import summary
from dabench.systems.base import Channel, Layout


def test_values_that_the_truth_lacks_do_not_count_as_divergence():
    truth = jnp.array([1.0, jnp.nan, 2.0, 3.0])
    x = jnp.tile(truth[None], (2, 1))
    weights = jnp.full((1, 4), 0.25)
    assert not summary.summarise(x, truth, LAYOUT, weights).diverged
    assert summary.summarise(x.at[1, 0].set(jnp.nan), truth, LAYOUT, weights).diverged


def test_means_are_formed_in_double_precision():
    layout = Layout((Channel("z", "m"),), {"site": np.arange(1)})
    x = (5e4 + jax.random.normal(jax.random.key(0), (1000, 1))).astype(jnp.float32)
    found = summary.summarise(x, x[0], layout, jnp.ones((1, 1)))
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(found.mean[0], exact.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.spread[0], exact.std(0, ddof=1), rtol=1e-12)


def test_the_shown_rmse_is_the_area_mean_at_500_hpa():
    channels = tuple(Channel("temperature", "K", p) for p in (850.0, 500.0))
    grid = {"latitude": np.array([-90.0, 0.0, 90.0]), "longitude": np.array([0.0, 180.0])}
    weights = summary.headline(Layout(channels, grid))
    assert weights[0].sum() == 0
    half_cap = (1 - np.sin(np.pi / 4)) / 4  # area of a polar row over the sphere's, a point
    np.testing.assert_allclose(weights[1, [0, 1, 4, 5]], half_cap)
    np.testing.assert_allclose(weights.sum(), 1)

"""Exact moments of samplers against the limit of many levels and against draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import posterior
from dabench.core.layout import Channel, Layout
from dabench.diffusion import draw
from dabench.diffusion.model import Sampler
from dabench.systems.toys.additive_gaussian import AdditiveGaussian


@pytest.mark.parametrize("method", ["ab3", "dpmpp_2m", "dpmpp_3m"])
def test_with_many_levels_draws_have_the_variance_of_the_law(method):
    """The ratios of 200 levels are .9991, .9996 and .9991, of 300 .9991, .9994 and .9992."""
    sampler = Sampler(method, 200)
    assert abs(posterior.variance_ratio(sampler, posterior.Gaussian(posterior.P)) - 1) < 2e-3


@pytest.mark.parametrize("name", ["paper: ab3, 40 levels, 2 correctors", "dpmpp_2m, 12 levels"])
def test_covariances_are_those_of_draws(name, key):
    sampler, n = posterior.SAMPLERS[name], 4000
    layout = Layout((Channel("state"),), {"site": np.arange(posterior.SIZE)}, dtype="float64")
    model = AdditiveGaussian(layout, lambda x: x, posterior.P)
    x, keys = jnp.zeros((n, posterior.SIZE)), jax.random.split(key, n)
    drawn = jax.jit(lambda k: draw.members(k, model, x, 0.0, sampler, n)[0])(keys)
    found, expected = (
        np.var(drawn, axis=0).mean(),
        np.trace(posterior.drawn_cov(sampler, posterior.Gaussian(posterior.P))),
    )
    # 64 sites with a correlation of three: some 12 independent variances of relative sd sqrt(2 / n)
    assert abs(found * posterior.SIZE / expected - 1) < 4 * np.sqrt(2 / n / 12)


def test_a_solve_ends_at_no_residual_whatever_it_begins_from():
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((3, 64)), rng.standard_normal((3, 16))
    start = rng.standard_normal((3, 16))
    for begin in (None, start):
        assert posterior.solved(0.5, z, y, 60, begin)[0] < 1e-6

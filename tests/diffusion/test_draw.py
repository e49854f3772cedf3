"""Samplers against the exact flow of a Gaussian, GenCast's algorithm, and their own limits."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from replay import replay

from dabench.core.layout import Channel, Layout
from dabench.diffusion import draw
from dabench.diffusion.guidance import Condition
from dabench.diffusion.model import Sampler
from dabench.diffusion.samplers import noise_levels, steps
from dabench.observe.network import Network
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, ring_correlation

SIZE = 6
LAYOUT = Layout((Channel("state"),), {"site": np.arange(SIZE)}, periodic=True, dtype="float64")
NETWORK = Network(lambda x: x[:2], np.array([0.1, 0.3]), pd.DataFrame(), linear=True)
GENCAST = Sampler("dpmpp_2s", 20, 80.0, 0.03, churn=2.5)
SAMPLERS = {
    "ab3": Sampler(),
    "ab3 with correctors": Sampler(correctors=2),
    "dpmpp_2m": Sampler("dpmpp_2m"),
    "dpmpp_3m": Sampler("dpmpp_3m"),
    "from the mean": Sampler("dpmpp_3m", sigma_max=20.0, from_mean=True),
    "dpmpp_2s": Sampler("dpmpp_2s"),
    "dpmpp_2s with churn": Sampler("dpmpp_2s", churn=2.5, inflation=1.0),
}


def model():
    return AdditiveGaussian(
        LAYOUT, jnp.sin, 4 * ring_correlation(SIZE, 1.5), 0.5 * ring_correlation(SIZE, 1.0)
    )


def test_noise_levels_are_those_of_gencast():
    expected = [80, 62.08, 47.72, 36.30, 27.31, 20.31, 14.90, 10.77, 7.671, 5.367, 3.684, 2.475]
    expected += [1.624, 1.037, 0.6419, 0.3837, 0.2202, 0.1204, 0.06221, 0.03]
    np.testing.assert_allclose(noise_levels(GENCAST), expected, rtol=5e-4)


ORDERS = {"ab3": 3, "dpmpp_2m": 2, "dpmpp_3m": 3, "dpmpp_2s": 2}


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_error_falls_with_the_order_of_the_sampler(method, order):
    """One unit-variance Gaussian: z / sqrt(1 + sigma²) is constant along the exact flow."""
    layout = Layout((Channel("state"),), {"site": np.arange(1)}, dtype="float64")
    m = AdditiveGaussian(layout, lambda x: x, np.eye(1))
    errors = []
    for levels in (80, 160, 320):
        sampler = Sampler(method, levels, 80.0, 0.1)
        count = len(steps(sampler).sigma)
        z = replay(m, (), sampler, jnp.ones((1, 1)), jnp.zeros((count, 1, 1)))[-1, 0, 0]
        exact = 80 / np.sqrt((1 + 80**2) * (1 + 0.1**2))
        errors.append(abs(float(z) - exact))
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(slopes - order) < 0.35), (errors, slopes)


@pytest.mark.parametrize("name", SAMPLERS)
def test_unconditional_draws_have_the_moments_of_the_model(name, key):
    n, m = 4000, model()
    x = jnp.broadcast_to(jnp.linspace(-1, 1, SIZE), (n, SIZE))
    sampler = replace(SAMPLERS[name], levels=80)
    drawn = jax.jit(lambda k: draw.members(k, m, x, jnp.zeros(()), sampler, n)[0])
    x_next = np.asarray(drawn(jax.random.split(key, n)))
    assert np.all(np.abs(x_next.mean(0) - np.sin(x[0])) < 4.5 * 2 / np.sqrt(n))
    ratio = x_next.var(0).mean() / 4
    # scatter: sqrt(2 / n) for each of 6 correlated variances; discretisation at 80 levels: 1 %
    assert abs(ratio - 1) < 4 * np.sqrt(2 / n / 3) + 0.01


class Shifted:
    """A model whose target has a mean."""

    def __init__(self, inner, mean):
        self.inner, self.mean = inner, mean

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def denoiser(self, sigma):
        denoise = self.inner.denoiser(sigma)
        return lambda z, condition: self.mean + denoise(z - self.mean, condition)


@pytest.mark.parametrize("from_mean", [False, True])
def test_the_mean_of_draws_from_a_small_sigma_max_is_what_the_flow_makes_of_their_start(from_mean):
    """Deviations from the mean shrink by sqrt(1 / (1 + sigma²)) along the exact flow from sigma.

    Without noise z begins at 0, or at D(0), which lacks a share of the mean.
    """
    layout, mean, sigma_max = replace(LAYOUT, coords={"site": np.arange(1)}), 3.0, 2.0
    m = Shifted(AdditiveGaussian(layout, lambda x: x, np.eye(1)), mean)
    sampler = Sampler("dpmpp_2s", 400, sigma_max, from_mean=from_mean)
    count = len(steps(sampler).sigma)
    z = replay(m, (), sampler, jnp.zeros((1, 1)), jnp.zeros((count, 1, 1)))[-1, 0, 0]
    missing = mean / (1 + sigma_max**2) if from_mean else mean
    np.testing.assert_allclose(z, mean - missing / np.sqrt(1 + sigma_max**2), rtol=1e-5)


def test_keeping_the_mean_costs_no_evaluation():
    for method in ORDERS:
        plain, from_mean = (
            steps(Sampler(method, 12, correctors=1, from_mean=kept)) for kept in (False, True)
        )
        np.testing.assert_array_equal(from_mean.sigma, plain.sigma)
        np.testing.assert_array_equal(from_mean.mix[1:], plain.mix[1:])


def test_langevin_steps_after_their_predictor_are_at_the_level_that_it_leads_to():
    sampler = Sampler(
        "ab3", 3, 4.0, 1.0, rho=1.0, correctors=2, corrector_at="after", corrector_shift=0.1
    )
    table = steps(sampler)
    np.testing.assert_allclose(table.sigma, [4, 2.6, 2.6, 2.5, 1.1, 1.1, 1])
    strength = np.sqrt(2 * sampler.tau)
    np.testing.assert_allclose(table.noise / strength, [0, 0, 2.6, 2.6, 0, 1.1, 1.1])


def test_table_of_gencast_is_its_algorithm_step_by_step(key):
    """Against a plain loop written from the description of DeepMind's sampler."""
    m, levels = model(), np.append(noise_levels(GENCAST), 0)
    keys = jax.random.split(key, 2)
    init = np.asarray(jax.random.normal(keys[0], (3, SIZE)))
    churn = np.asarray(jax.random.normal(keys[1], (20, 3, SIZE)))

    x, states = levels[0] * init, []
    for i in range(20):
        gamma = min(2.5 / 20, np.sqrt(2) - 1) if levels[i] >= 0.75 else 0
        high = levels[i] * (1 + gamma)
        x = x + 1.05 * np.sqrt(high**2 - levels[i] ** 2) * churn[i]
        d1 = m.denoiser(high)(x, ())
        if i < 19:
            middle = np.sqrt(high * levels[i + 1])
            xm = middle / high * x + (1 - middle / high) * d1
            d2 = m.denoiser(middle)(xm, ())
            x = levels[i + 1] / high * x + (1 - levels[i + 1] / high) * d2
        else:
            x = d1
        states.append(x)

    noise = np.zeros((39, 3, SIZE))
    noise[::2] = churn
    replayed = replay(m, (), GENCAST, jnp.asarray(init), jnp.asarray(noise))
    np.testing.assert_allclose(
        jnp.concatenate([replayed[1::2], replayed[-1:]]), np.array(states), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_draw_is_the_replay_of_the_noise_of_its_key(name, key):
    m, sampler = model(), replace(SAMPLERS[name], levels=6)
    x, keys = jnp.zeros((2, SIZE)), jax.random.split(key, 2)
    draws = jax.jit(lambda keys, x: draw.members(keys, m, x, jnp.zeros(()), sampler, 2))
    drawn, stats = draws(keys, x)
    count = int(stats["evaluations"])

    @jax.jit
    def replayed(keys, x):
        of_number = jax.vmap(lambda i: jax.vmap(lambda k: m.noise(jax.random.fold_in(k, i)))(keys))
        noise = of_number(jnp.arange(count + 1))
        return m.next_state(replay(m, (), sampler, noise[0], noise[1:])[-1], x)

    np.testing.assert_allclose(replayed(keys, x), drawn, rtol=1e-12)


@pytest.mark.parametrize(
    "condition", [None, Condition(NETWORK.h, NETWORK.error_std, jnp.array([0.5, -1.0]))]
)
def test_a_member_depends_on_its_own_key_and_state_alone(condition, key):
    m, n = model(), 7
    sampler = Sampler("dpmpp_2s", levels=8, churn=2.5)
    keys, x = jax.random.split(key, n), jax.random.normal(key, (n, SIZE))

    @partial(jax.jit, static_argnums=2)
    def draws(keys, x, batch):
        return draw.members(keys, m, x, jnp.zeros(()), sampler, batch, condition)[0]

    def drawn(rows, batch):
        return draws(keys[rows], x[rows], batch)

    everyone = drawn(np.arange(n), n)
    for batch in (1, 3):  # one at a time, and a last batch that is filled up
        np.testing.assert_allclose(drawn(np.arange(n), batch), everyone, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(drawn(np.array([4, 1]), 2), everyone[np.array([4, 1])], rtol=1e-10)


class Counting:
    """A model that counts how often its denoiser is traced, and with how many members."""

    def __init__(self, inner):
        self.inner, self.traces = inner, []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def denoiser(self, sigma):
        denoise = self.inner.denoiser(sigma)

        def counted(z, condition):
            self.traces.append(z.shape)
            return denoise(z, condition)

        return counted


@pytest.mark.parametrize(
    "condition", [None, Condition(NETWORK.h, NETWORK.error_std, jnp.array([0.5, -1.0]))]
)
def test_the_denoiser_is_traced_once_however_many_levels_and_members(condition, key):
    counts = []
    for levels, n in ((3, 2), (30, 9)):
        m, x = Counting(model()), jnp.zeros((n, SIZE))
        sampler = Sampler(levels=levels, correctors=1)
        drawn = jax.jit(
            lambda k, m=m, x=x, s=sampler: draw.members(k, m, x, 0.0, s, 2, condition)[0]
        )
        drawn(jax.random.split(key, n))
        counts.append(len(m.traces))
        assert set(m.traces) == {(2, SIZE)}
    assert counts == [1, 1]


def test_float32_stays_float32(key):
    m = replace(model(), layout=replace(LAYOUT, dtype="float32"))
    x = jnp.zeros((3, SIZE), jnp.float32)
    condition = Condition(NETWORK.h, NETWORK.error_std, jnp.array([0.5, -1.0], jnp.float32))
    keys = jax.random.split(key, 3)
    x_next, _ = jax.jit(
        lambda keys, x: draw.members(keys, m, x, jnp.zeros(()), Sampler(), 2, condition)
    )(keys, x)
    assert x_next.dtype == jnp.float32
    assert jnp.isfinite(x_next).all()

"""The ensemble score filter against its recursion, and its limits."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rates import problem

from dabench.filters.ensf import EPSILON, Integration, ensf, expected, likelihood_gradient, reverse
from dabench.observe.network import Network, Observation

H = np.array([[1.0, 0.5], [0.0, 2.0], [0.3, -1.0]])
STD, Y = np.array([0.5, 1.0, 2.0]), np.array([1.0, -0.5, 2.0])
NETWORK = Network(lambda x: jnp.asarray(H) @ x, STD, None, linear=True)  # type: ignore[arg-type]
X = np.array([[0.3, -1.0]])


def moments(steps, last, stop_after=None):
    """Mean and covariance of one member's end by its recursion, z' = A z + b + s e."""
    m, P, dt = np.zeros(2), np.eye(2), 1 / steps
    HR = H.T / STD**2
    count = stop_after or steps - (last == "mean")
    for k in range(count):
        t = 1 - k * dt
        a = 1 - (1 - EPSILON) * t
        f, g2 = -(1 - EPSILON) / a, 1 + 2 * (1 - EPSILON) / a * t
        A = np.eye(2) * (1 - dt * f - dt * g2 / t) - dt * g2 * (1 - t) * HR @ H
        b = dt * g2 * (a * X[0] / t + (1 - t) * HR @ Y)
        m, P = A @ m + b, A @ P @ A.T + g2 * dt * np.eye(2)
    if last == "mean":
        t = 1 - count * dt
        a = 1 - (1 - EPSILON) * t
        A = -t * (1 - t) / a * HR @ H
        m, P = A @ m + X[0] + t * (1 - t) / a * HR @ Y, A @ P @ A.T
    return m, P


@pytest.mark.parametrize(
    ("steps", "last", "stop_after"), [(6, "mean", None), (6, "step", None), (8, "step", 3)]
)
def test_one_member_follows_its_recursion(steps, last, stop_after):
    """The end is affine in the noise of all steps, so its moments follow from unit noises."""
    how = Integration(steps, stop_after, None, last, "own")

    def end(e):
        return reverse(
            jnp.asarray(X),
            lambda z: likelihood_gradient(NETWORK, z, Observation(jnp.zeros(()), jnp.asarray(Y))),
            lambda k: e[k + 1][None],
            how,
        )[0]

    zero = jnp.zeros((steps + 1, 2))
    J = jax.vmap(end)(jnp.eye(zero.size).reshape(-1, *zero.shape)) - end(zero)[None]
    mean, cov = moments(steps, last, stop_after)
    np.testing.assert_allclose(end(zero), mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(J.T @ J, cov, rtol=1e-9, atol=1e-9)


def test_the_denoised_state_is_the_average_of_members_by_their_likelihood():
    x, z, t = np.random.default_rng(0).normal(size=(3, 2)), np.array([[0.2, 0.1]]), 0.4
    a = 1 - (1 - EPSILON) * t
    w = np.exp(-0.5 * ((z - a * x) ** 2).sum(1) / t)
    mixed = expected(jnp.asarray(z), jnp.asarray(x), jnp.asarray(t), "all")
    np.testing.assert_allclose(mixed[0], w @ x / w.sum(), rtol=1e-12)


def test_a_mean_that_has_settled_ends_the_integration():
    def last_step(settled):
        taken = []

        def noise(k):
            jax.debug.callback(lambda k: taken.append(int(k)), k)
            return jnp.zeros((1, 2))

        pull = lambda z: -5 * z  # noqa: E731
        reverse(jnp.zeros((1, 2)), pull, noise, Integration(50, None, settled, "step", "own"))
        jax.effects_barrier()
        return max(taken)

    assert last_step(None) == 49
    assert last_step(0.1) == 0


def test_observations_without_information_leave_forecasts_alone_where_the_end_is_a_mean(key):
    system, p = problem()
    blind = p._replace(network=replace(p.network, error_std=np.full(2, 1e9)))
    method = ensf(blind, integration=Integration(50, pairs="own"))
    obs = Observation(jnp.zeros(()), jnp.array([0.3, -1.0]))
    ens, info = jax.jit(method.step)(key, method.init(system.climate[:10]), obs)
    np.testing.assert_allclose(ens.x, info["background"], atol=1e-9)

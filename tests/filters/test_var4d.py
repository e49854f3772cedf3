"""4D-Var against the Kalman filter and smoother, least squares, and its own cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from dabench.filters.var4d import Cycles, Dynamics, Member, cost, minimise, run
from dabench.observe.network import Network

RNG = np.random.default_rng(0)
N, L, P = 3, 3, 2
A = np.array([[0.9, 0.2, 0.0], [-0.1, 0.8, 0.3], [0.2, 0.0, 0.7]])
ROOT_B, ROOT_Q = (0.3 * np.eye(N) + s * RNG.normal(size=(N, N)) for s in (0.5, 0.3))
B, Q = ROOT_B @ ROOT_B.T, ROOT_Q @ ROOT_Q.T
H, STD = np.array([[1.0, 0, 0.5], [0, 2.0, 0]]), np.array([0.5, 1.0])
R = np.diag(STD**2)
NETWORK = Network(lambda x: jnp.asarray(H) @ x, STD, pd.DataFrame(), linear=True)
CYCLES = Cycles(jnp.arange(1.0, L + 1), jnp.ones(L, bool))


def dynamics(weak, advance=lambda x, time: x @ A.T + 1.0):
    return Dynamics(
        advance,
        lambda x, v: x + v @ ROOT_B.T,
        (lambda x, w: x + w @ ROOT_Q.T) if weak else None,
        N,
    )


def window(members, weak=True):
    parts = 1 + L if weak else 1
    start, y = RNG.normal(size=(members, N)), RNG.normal(size=(members, L, P)) + 2
    return Member(jnp.asarray(start), jnp.asarray(y), jnp.zeros((members, parts * N)))


def solution(model, member, cycles=CYCLES, outer=1, inner=30):
    """The controls that minimise the cost, and the states of the window that they give."""

    @jax.jit
    def solved(member):
        v = minimise(model, NETWORK, member, cycles, outer=outer, inner=inner)
        return v, run(model, member.start, cycles, v)

    return solved(member)


def smoothed(start, y):
    """Means of the Kalman filter and of the Rauch-Tung-Striebel smoother."""
    m, V, forecasts = [start], [B], []
    for l in range(L):
        mean, cov = A @ m[-1] + 1.0, A @ V[-1] @ A.T + Q
        K = cov @ H.T @ np.linalg.inv(H @ cov @ H.T + R)
        forecasts.append((mean, cov))
        m.append(mean + K @ (y[l] - H @ mean))
        V.append((np.eye(N) - K @ H) @ cov)
    s = [m[-1]]
    for l in range(L - 1, -1, -1):
        mean, cov = forecasts[l]
        s.insert(0, m[l] + V[l] @ A.T @ np.linalg.inv(cov) @ (s[0] - mean))
    return m, np.stack(s)


def test_the_weak_constraint_is_kalman_at_the_end_and_the_smoother_inside():
    member = window(2)
    _, x = solution(dynamics(True), member)
    for i in range(2):
        m, s = smoothed(np.asarray(member.start[i]), np.asarray(member.y[i]))
        np.testing.assert_allclose(x[i], s, atol=1e-6)
        np.testing.assert_allclose(x[i, -1], m[-1], atol=1e-6)


def test_the_strong_constraint_is_generalised_least_squares_for_the_start():
    member = window(1, weak=False)
    _, x = solution(dynamics(False), member)
    G, offset, rows, shifts = np.eye(N), np.zeros(N), [], []
    for _ in range(L):
        G, offset = A @ G, A @ offset + 1.0
        rows.append(H @ G)
        shifts.append(H @ offset)
    G, y = np.concatenate(rows), np.asarray(member.y[0]).ravel() - np.concatenate(shifts)
    precision = np.kron(np.eye(L), np.linalg.inv(R))
    normal = np.linalg.inv(B) + G.T @ precision @ G
    start = np.asarray(member.start[0])
    best = start + np.linalg.solve(normal, G.T @ precision @ (y - G @ start))
    np.testing.assert_allclose(x[0, 0], best, atol=1e-6)


def test_where_the_model_is_not_linear_the_end_is_a_minimum_of_the_cost():
    """By central differences of J in every direction, which a wrong gradient would not pass."""
    model = dynamics(True, lambda x, time: x @ A.T + 0.3 * jnp.sin(2 * x))
    member = window(1)._replace(prior=jnp.asarray(0.3 * RNG.normal(size=(1, (1 + L) * N))))
    v, _ = solution(model, member, outer=20, inner=20)

    @jax.jit
    def J(v):
        return cost(NETWORK, member, CYCLES, v, run(model, member.start, CYCLES, v))[0]

    h = 1e-4
    slopes = [(J(v + h * e) - J(v - h * e)) / (2 * h) for e in jnp.eye(v.shape[1])[:, None]]
    # The curvature of J is 1 at least and some 100 at most; differences lose h² and 1e-16 / h.
    np.testing.assert_allclose(slopes, 0, atol=1e-5)
    assert J(v) < J(member.prior) - 1


def test_twice_the_smallest_cost_is_the_number_of_observations_on_average():
    """Where truth and observations come from the background, Q and R that the cost has."""
    n, rng = 2000, np.random.default_rng(1)
    truth, ys = rng.normal(size=(n, N)) @ ROOT_B.T, []
    for _ in range(L):
        truth = truth @ A.T + 1.0 + rng.normal(size=(n, N)) @ ROOT_Q.T
        ys.append(truth @ H.T + rng.normal(size=(n, P)) * STD)
    y = jnp.asarray(np.stack(ys, 1))
    member = Member(jnp.zeros((n, N)), y, jnp.zeros((n, (1 + L) * N)))
    v, x = solution(dynamics(True), member)
    J = cost(NETWORK, member, CYCLES, v, x)
    # 2 J is chi-squared with L P degrees of freedom, of variance 2 L P.
    assert abs(2 * J.mean() - L * P) < 4.5 * np.sqrt(2 * L * P / n)


@pytest.mark.parametrize("weak", [True, False])
def test_cycles_before_the_first_change_nothing(weak):
    member = window(2, weak)
    used = Cycles(CYCLES.time, jnp.array([False, True, True]))
    v, _ = solution(dynamics(weak), member, used)
    w = jnp.split(v, v.shape[1] // N, axis=1)
    shorter = Member(member.start, member.y[:, 1:], jnp.zeros((2, (3 if weak else 1) * N)))
    later = Cycles(CYCLES.time[1:], jnp.ones(2, bool))
    expected, _ = solution(dynamics(weak), shorter, later)
    remaining = jnp.concatenate([w[0], *w[2:]], 1)
    np.testing.assert_allclose(remaining, expected, atol=1e-6)
    if weak:
        assert not jax.device_get(w[1]).any()

"""Fixed-lag smoothers: genealogies, ensemble transforms, and the Rauch-Tung-Striebel smoother."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rates
from linear import matrices

from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters.bootstrap import bootstrap
from dabench.filters.fa_apf import fa_apf
from dabench.filters.guided_window import guided_window
from dabench.filters.lagged import smoother
from dabench.filters.letkf import etkf_update, letkf
from dabench.observe.network import Observation
from dabench.runs import cycle
from dabench.runs.archive import read
from dabench.runs.execute import execute, plan, run

LAG, MEMBERS = 2, 6
PLAIN = {"length_scale_km": None, "vertical_scale": None, "rtps": 0.0}
WINDOW = partial(
    guided_window,
    **PLAIN,
    covariance="dense",
    guidance=GuidanceSettings("cg", 4),
    sampler=Sampler("dpmpp_3m", 32, sigma_max=20.0, sigma_min=1e-4, rho=30.0, from_mean=True),
)


def cycles(method, key, count):
    """Carries and diagnostics of some cycles."""
    carry = method.init(jax.random.normal(key, (MEMBERS, rates.SIZE)))
    step, results = jax.jit(method.step), []
    for k in range(count):
        obs = Observation(jnp.zeros(()), jnp.array([0.5, -0.5 * k]))
        carry, info = step(jax.random.fold_in(key, k), carry, obs)
        results.append((np.asarray(carry.x), info))
    return results


@pytest.mark.parametrize("factory", [bootstrap, fa_apf])
def test_a_particle_smoother_has_the_ancestors_of_the_filters_members(key, factory):
    make, (_, problem) = factory, rates.problem()
    filtered = cycles(make(problem), key, 4)
    smoothed = cycles(smoother(make, problem, LAG), key, 4)
    index = np.arange(MEMBERS)
    for back in range(LAG + 1):
        frame = smoothed[-1][0].reshape(MEMBERS, LAG + 1, -1)[:, LAG - back]
        np.testing.assert_allclose(frame, filtered[3 - back][0][index], rtol=1e-6, atol=1e-8)
        index = np.asarray(filtered[3 - back][1]["ancestor"])[index]
    assert len(set(index)) < MEMBERS  # else nothing was chosen


def test_an_ensemble_smoother_moves_older_states_by_the_transform_of_today(key):
    _, problem = rates.problem()
    make = partial(letkf, **PLAIN)
    before = cycles(make(problem), key, 2)[1][0]
    after = cycles(smoother(make, problem, 1), key, 3)[2][0]
    forecast = problem.model.forecast(
        jax.vmap(lambda i: jax.random.fold_in(jax.random.split(jax.random.fold_in(key, 2))[0], i))(
            jnp.arange(MEMBERS)
        ),
        jnp.asarray(before),
        jnp.zeros(()),
    )
    both = jnp.concatenate([jnp.asarray(before), forecast], 1)
    hx = jax.vmap(problem.network.h)(forecast)
    precision = jnp.asarray(1 / problem.network.error_std**2)
    expected = etkf_update(both, hx, jnp.array([0.5, -1.0]), precision)
    np.testing.assert_allclose(after, expected, rtol=1e-6, atol=1e-8)


def fixed_lag(y):
    """Mean and covariance of the state `LAG` cycles before the last, by a backward recursion.

    m_{k|K} = m_k + G (m_{k+1|K} - A m_k),  P_{k|K} = P_k + G (P_{k+1|K} - P_{k+1|k}) Gᵀ,
    G = P_k Aᵀ P_{k+1|k}⁻¹, after a Kalman filter from a known initial state 0.
    """
    system, problem = rates.problem()
    A, Q, _ = matrices(system)
    H = np.eye(rates.SIZE)[[0, 2]]
    R = np.diag(problem.network.error_std**2)
    m, P, past = np.zeros(rates.SIZE), np.zeros((rates.SIZE,) * 2), []
    for value in y:
        m, P = A @ m, A @ P @ A.T + Q
        K = np.linalg.solve(H @ P @ H.T + R, H @ P).T
        m, P = m + K @ (value - H @ m), P - K @ H @ P
        past.append((m, P))
    for m_k, P_k in past[-2 : -LAG - 2 : -1]:
        ahead = A @ P_k @ A.T + Q
        G = np.linalg.solve(ahead, A @ P_k).T
        m, P = m_k + G @ (m - A @ m_k), P_k + G @ (P - ahead) @ G.T
    return m, P


@pytest.mark.parametrize(
    ("make", "repeats"),
    [
        (partial(letkf, **PLAIN), {256: 64, 4096: 32}),
        (bootstrap, {256: 64, 4096: 32}),
        (WINDOW, {32: 64, 256: 32}),
    ],
)
def test_means_and_covariances_fall_to_those_of_the_smoother_as_one_over_the_root(
    make, repeats, key
):
    _, problem = rates.problem()
    method = smoother(make, problem, LAG)
    y = jnp.array([[0.3, -0.2], [0.8, 0.1], [0.4, 0.9], [-0.2, 0.5]])
    mean, cov = fixed_lag(np.asarray(y))
    root = np.linalg.inv(np.linalg.cholesky(cov))

    def estimate(n, key):
        def step(carry, now):
            k, value = now
            obs = Observation(jnp.zeros(()), value)
            return method.step(jax.random.fold_in(key, k), carry, obs)[0], None

        start = method.init(jnp.zeros((n, rates.SIZE)))
        x = jax.lax.scan(step, start, (jnp.arange(len(y)), y))[0].x[:, : rates.SIZE]
        return x.mean(0), jnp.cov(x, rowvar=False)

    squares = {"mean": [], "covariance": []}
    for n, count in repeats.items():
        keys = jax.random.split(jax.random.fold_in(key, n), count)
        means, covs = jax.jit(lambda keys, n=n: jax.lax.map(partial(estimate, n), keys))(keys)
        errors = (np.asarray(means) - mean) @ root.T
        squares["mean"].append((errors**2).sum(1))
        errors = root @ (np.asarray(covs) - cov) @ root.T
        squares["covariance"].append((errors**2).sum((1, 2)))
    for distances in squares.values():
        # Three or so independent components of an error make 0.5 sqrt(2 / 3 / 32) = 0.07 of the
        # larger ensembles and 0.05 of the smaller: 0.09 / log(8) = 0.043 for the slope. Four of
        # these are less than what tells -1/2 from a slope of -0.3, and a floor makes it flatter.
        slope, error = rates.rate(repeats, distances)
        assert error < 0.05
        assert abs(slope + 0.5) < 4 * error, (slope, error)


OPTIONS = {"methods": ["letkf"], "members": 8, "cycles": 5}


def test_estimates_are_archived_where_they_belong(tmp_path):
    (filtered,) = run("linear_gaussian", **OPTIONS, out=tmp_path)
    (smoothed,) = run("linear_gaussian", **OPTIONS, smooth=LAG, out=tmp_path)
    assert smoothed.parent.name == "letkf-lag2"
    one, two = (read.open_run(folder) for folder in (filtered, smoothed))
    assert two.attrs["completed"] == 5
    assert two["truth"].to_dataset().equals(one["truth"].to_dataset())
    assert two["observations"].to_dataset().equals(one["observations"].to_dataset())
    assert "background_obs" not in two["diagnostics"]


def test_a_smoother_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    (whole,) = run("linear_gaussian", **OPTIONS, smooth=LAG, out=tmp_path / "whole")
    monkeypatch.setattr(cycle, "FLUSH_SECONDS", -1.0)
    (job,) = plan("linear_gaussian", **OPTIONS, smooth=LAG, out=tmp_path / "parts")
    record = cycle._Loop._record

    def stopping(self, k, advance):
        if k == 3:
            raise KeyboardInterrupt
        return record(self, k, advance)

    monkeypatch.setattr(cycle._Loop, "_record", stopping)
    with pytest.raises(KeyboardInterrupt):
        job.run()
    monkeypatch.setattr(cycle._Loop, "_record", record)
    assert read.open_run(job.folder).attrs["completed"] == 2
    execute([job]).reraise()
    one, two = (read.open_run(f)["mean"].to_dataset() for f in (whole, job.folder))
    assert one.equals(two)

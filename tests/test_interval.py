"""Sizes of the tests on AR(1) series against measured ones, and closed forms."""

import numpy as np
import pytest
from scipy import signal

from dabench import interval

# rho, T, then the share of 20 000 series of mean zero that each test finds not to be zero at 5 %
SIZES = [
    (0.0, 60, 0.049, 0.041, 0.050),
    (0.3, 60, 0.151, 0.077, 0.055),
    (0.6, 30, 0.331, 0.150, 0.065),
    (0.6, 60, 0.327, 0.098, 0.064),
    (0.6, 120, 0.324, 0.076, 0.059),
    (0.6, 365, 0.328, 0.058, 0.054),
    (0.8, 30, 0.536, 0.225, 0.104),
    (0.8, 60, 0.523, 0.143, 0.109),
    (0.8, 365, 0.517, 0.067, 0.070),
]
BOOTSTRAP = [
    (0.0, 60, 0.062),
    (0.3, 60, 0.125),
    (0.6, 30, 0.302),
    (0.6, 60, 0.180),
    (0.6, 120, 0.128),
    (0.6, 365, 0.100),
    (0.8, 30, 0.360),
    (0.8, 60, 0.292),
    (0.8, 365, 0.107),
]


def autoregressive(rng, trials, time, rho):
    """Stationary AR(1) series with unit variance, mean zero."""
    noise = rng.normal(size=(trials, time)) * np.sqrt(1 - rho**2)
    noise[:, 0] = rng.normal(size=trials)
    return signal.lfilter([1.0], [1.0, -rho], noise, axis=-1)


@pytest.mark.parametrize(("rho", "time", "naive", "geer", "ewc"), SIZES)
def test_sizes_of_the_tests_are_the_measured_ones(rho, time, naive, geer, ewc):
    series = autoregressive(np.random.default_rng(time), 20_000, time, rho)
    tests = {interval.naive: naive, interval.geer: geer, interval.ewc: ewc}
    for test, expected in tests.items():
        size = (test(series).p_value() < 0.05).mean()
        assert size == pytest.approx(expected, abs=0.01), test.__name__


@pytest.mark.parametrize(("rho", "time", "expected"), BOOTSTRAP)
def test_size_of_the_stationary_bootstrap_is_the_measured_one(rho, time, expected):
    """To 0.04, and the standard error of the 400 trials that the table is made of."""
    rejected, trials = 0, 400
    for trial, d in enumerate(autoregressive(np.random.default_rng(time), trials, time, rho)):
        low, high, _ = interval.stationary_bootstrap(
            lambda i, d=d: d[i].mean(-1), d, replicates=500, seed=trial
        )
        rejected += not low <= 0 <= high
    tolerance = 0.04 + np.sqrt(expected * (1 - expected) / 400)
    assert rejected / trials == pytest.approx(expected, abs=tolerance)


def test_diebold_mariano_has_its_nominal_size_without_memory():
    series = autoregressive(np.random.default_rng(0), 20_000, 60, 0.0)
    size = (interval.diebold_mariano(series).p_value() < 0.05).mean()
    assert size == pytest.approx(0.05, abs=0.015)


def test_interval_covers_exactly_when_the_test_does_not_reject():
    series = autoregressive(np.random.default_rng(1), 500, 40, 0.5)
    for test in interval.TESTS.values():
        estimate = test(series)
        low, high = estimate.interval()
        assert (((low > 0) | (high < 0)) == (estimate.p_value() < 0.05)).all()


def test_ar2_inflation_is_that_of_the_process():
    """k^2 = (1 + rho) / (1 - rho) for an AR(1) process."""
    series = autoregressive(np.random.default_rng(2), 1, 400_000, 0.7)
    assert interval.inflation(series) ** 2 == pytest.approx(1.7 / 0.3, rel=0.03)


def test_constant_series_differ_or_do_not_without_doubt():
    zero, one = np.zeros((1, 30)), np.ones((1, 30))
    for test in interval.TESTS.values():
        assert test(zero).p_value() == 1
        assert test(one).p_value() == 0


def test_too_short_a_series_has_no_interval():
    low, high = interval.ewc(np.array([1.0, 2.0, 3.0])).interval()
    assert np.isnan([low, high]).all()


def test_bootstrap_blocks_are_runs_of_geometric_length():
    index = interval.resample(np.random.default_rng(0), 50, 5.0, 2000)
    steps = (np.diff(index, axis=1) % 50) == 1
    assert steps.mean() == pytest.approx(1 - 1 / 5 + 1 / 5 / 50, abs=0.01)
    np.testing.assert_allclose(np.bincount(index.ravel()) / index.size, 1 / 50, rtol=0.1)

"""Corrections for many tests: closed forms, limits and statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from dabench.scores.multiple_tests import benjamini_hochberg, independent_tests, sidak


def test_benjamini_hochberg_is_statsmodels_and_leaves_out_what_is_not_known():
    p = np.random.default_rng(0).uniform(size=50) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1])
    holes = np.insert(p, 7, np.nan)
    np.testing.assert_allclose(np.delete(benjamini_hochberg(holes), 7), benjamini_hochberg(p))
    assert np.isnan(benjamini_hochberg(holes)[7])
    assert np.isnan(benjamini_hochberg(np.full(3, np.nan))).all()


def test_sidak_of_the_corrected_level_is_the_level():
    alpha = 1 - (1 - 0.05) ** (1 / 12)
    assert sidak(np.array([alpha]), 12) == pytest.approx(0.05)
    assert sidak(np.array([0.0, 1.0]), 12).tolist() == [0, 1]


def test_independent_series_count_each_and_copies_count_once():
    x = np.random.default_rng(1).normal(size=(10, 20_000))
    assert independent_tests(x) == pytest.approx(10, rel=0.01)
    assert independent_tests(np.repeat(x[:1], 10, 0)) == pytest.approx(1)
    assert independent_tests(np.repeat(x[:2], 5, 0)) == pytest.approx(2, rel=0.01)
    assert independent_tests(np.ones((3, 9))) == 1

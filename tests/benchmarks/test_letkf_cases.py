"""The LETKF's benchmarks on small cases: filters that filter, and routes that agree."""

import jax
import numpy as np
import pytest

from benchmarks import columns, letkf


def test_the_cycle_that_is_timed_is_of_a_filter_that_has_found_the_truth():
    seen = np.arange(letkf.SMALL)
    step = letkf.ours(letkf.SMALL, seen)
    carry, y = letkf.start(letkf.SMALL, 20, seen, step)
    x = np.asarray(step(carry, y).x)
    # observations of unit error; the members are much nearer to each other and to them than that
    assert x.std(0, ddof=1).mean() < 0.4
    assert np.sqrt(((x.mean(0) - y) ** 2).mean()) < 1.3


@pytest.mark.slow
def test_columns_at_one_degree_are_the_same_by_all_routes(monkeypatch):
    monkeypatch.setattr(columns, "QUICK_MEMBERS", 6)
    monkeypatch.setattr(columns, "COLUMNS", 2)
    monkeypatch.setattr(columns, "WAVES", 64)  # still smooth fields, all routes of the same ones
    with jax.numpy_rank_promotion("allow"):
        rows = list(columns.run(True, 1))
    assert len(rows) == 5
    assert all(row.notes["difference"] < 2e-5 for row in rows[:3])
    assert 0.001 < rows[-1].notes["difference"] < 0.2
    assert all(row.notes["hours"] > 0 for row in rows)

"""The conformance kit: sound filters pass it, and each kind of mistake is found by its clause."""

import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.filters import FILTERS
from dabench.filters.base import Ensemble, Filter, Limits, split_key
from dabench.runs import conformance as kit


def holds(make, clause) -> bool:
    return clause(kit.FilterTrial(make, kit._twin()))[0]


def test_a_filter_of_ours_conforms():
    checks = kit.conformance(kit.find_factory("bootstrap"))
    assert [check.name for check in checks if not check.holds] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*FILTERS} - {"bootstrap"}))
def test_every_filter_of_ours_conforms_within_the_limits_that_it_declares(name):
    checks = kit.conformance(kit.find_factory(name))
    assert [(check.name, check.finding) for check in checks if not check.holds] == []


def nudged(problem, *, forgets: bool = False, peeks: bool = False):
    """A filter with a mistake of choice; without one it only forecasts."""

    def step(key, ens, obs):
        keys, _ = split_key(key, len(ens.x))
        x = problem.model.forecast(keys, ens.x, obs.time)
        if peeks:
            x = jnp.broadcast_to(x[:1], x.shape) + 1e-3 * (x - x[:1])
        return Ensemble(x), {}

    def randomly(x):
        noise = np.random.default_rng(None if forgets else 0).normal(size=x.shape)
        return Ensemble(x + jnp.asarray(noise, x.dtype) * forgets)

    return Filter(randomly, step)


def test_a_filter_that_ignores_its_observations_is_found():
    assert not holds(nudged, kit._is_close_to_kalman)
    assert holds(nudged, kit._ignores_what_says_nothing)


def test_hidden_randomness_and_privileged_members_are_found():
    assert not holds(lambda p: nudged(p, forgets=True), kit._depends_on_its_key_alone)
    assert not holds(lambda p: nudged(p, peeks=True), kit._does_not_care_for_the_order_of_members)


def test_a_filter_is_held_to_what_it_claims():
    def modest(problem):
        return nudged(problem)._replace(limits=Limits(kalman=3.0))

    def silent(problem):
        return nudged(problem, peeks=True)._replace(limits=Limits(None, uninformed=False))

    assert holds(modest, kit._is_close_to_kalman)  # free members have 2.5 times the exact RMSE
    assert holds(silent, kit._is_close_to_kalman)
    assert holds(silent, kit._ignores_what_says_nothing)


def test_what_a_filter_raises_is_a_clause_that_fails(monkeypatch):
    def broken(problem):
        return Filter(Ensemble, lambda key, ens, obs: (Ensemble(ens.x[:1]), {}))

    monkeypatch.setattr(kit, "CLAUSES", {"shape": kit._keeps_shapes})
    (check,) = kit.conformance(broken)
    assert not check.holds
    assert "a step must keep" in check.finding


def test_filters_are_found_by_module_and_checked_settings(monkeypatch, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dabench.filters.base import Filter\n"
        "from dabench.filters.ensemble import ensemble\n"
        "def mine(problem, *, gain: float = 1.0):\n    return Filter(*ensemble(problem)[:2])\n"
    )
    monkeypatch.chdir(tmp_path)
    clauses = {"shape": kit._keeps_shapes, "kalman": kit._is_close_to_kalman}
    monkeypatch.setattr(kit, "CLAUSES", clauses)
    lines = []
    with pytest.raises(UserError, match="1 of 2 clauses"):
        kit.report("mine:mine", ["gain=2"], lines.append)
    assert [x.split()[0] for x in lines] == ["holds", "FAILS"]
    with pytest.raises(UserError, match="gian"):
        kit.find_factory("mine:mine", ["gian=2"])
    for spec, why in (("nowhere:mine", "imported"), (":x", "imported"), ("os:sep", "no function")):
        with pytest.raises(UserError, match=why):
            kit.find_factory(spec)

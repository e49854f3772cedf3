"""The table of metrics: what each row promises, a run's scores have."""

import mock_run
import numpy as np
import pytest

from dabench.scores.metrics import registry
from dabench.scores.paired import COMPARED
from dabench.scores.score import score


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Scores with members, without them, and of one member."""
    home = tmp_path_factory.mktemp("metrics")
    rec = mock_run.record(mock_run.SPHERE)
    mock_run.write(home / "members", rec=rec)
    mock_run.write(home / "mean", rec=rec._replace(members=None))
    mock_run.write(home / "single", rec=mock_run.record(mock_run.SPHERE, members=1))
    return {folder.name: score(folder) for folder in home.iterdir()}


def metrics_of(run):
    return {key.metric for key in run.scores}


def test_every_metric_of_the_table_is_scored_and_no_other(scores):
    assert metrics_of(scores["members"]) == set(registry.names())
    series = {key.metric for key in scores["members"].every_cycle}
    assert series == {metric.name for metric in registry.METRICS if metric.pointwise}


def test_a_metric_is_left_out_where_its_parts_are_not_archived_or_members_too_few(scores):
    lacking = {m.name for m in registry.METRICS if m.needs != "mean"}
    assert metrics_of(scores["mean"]) == set(registry.names()) - lacking
    few = {m.name for m in registry.METRICS if m.least > 1}
    roots = {name + registry.ROOT_FIRST for name in few}
    assert metrics_of(scores["single"]) == set(registry.names()) - few - roots


def test_less_is_better_where_the_table_says_so():
    """A metric that is to be small is smallest where every member is the truth."""
    truth = mock_run.SPHERE.to_dataset(np.random.default_rng(0).normal(size=(2, 4, 56)), ("cycle",))
    y = truth["temperature"]
    zero = 0 * y
    parts = {"truth": y, "mean": y, "std": zero, "skill": zero, "distance": zero}
    exact = registry.Sample(4, parts)
    off = registry.Sample(4, parts | {"mean": y + 1, "skill": zero + 1})
    for metric in registry.METRICS:
        if metric.better == "less":
            assert (metric.pointwise(exact) == 0).all()
            assert (metric.pointwise(off) > 0).all()


def test_names_are_unique_and_what_is_tested_can_be_compared():
    names = registry.names()
    assert len(set(names)) == len(names)
    assert set(registry.TESTED) <= set(COMPARED)
    assert set(registry.titles()) <= set(registry.BY_NAME)

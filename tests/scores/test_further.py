"""Further scores against the formulas written out in NumPy, and what they need."""

import mock_run
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_score import areas

from dabench.core.errors import UserError
from dabench.scores import files
from dabench.scores.further import further
from dabench.scores.metrics.further import EVENT, FURTHER
from dabench.scores.record import Key

SCORED = slice(3, 10)  # cycles after the spin-up
KEY = ("temperature", 500.0, "global")


@pytest.fixture
def runs(tmp_path):
    """A run, with a run of the climatology where it is looked for; the records of both."""
    climate = mock_run.record(mock_run.SPHERE, error=3.0, seed=8, members=5)
    about = {"method": "climatology", "filter": "climatology"}
    mock_run.write(tmp_path / "climatology" / "seed0", rec=climate, **about)
    return tmp_path / "guess" / "seed0", mock_run.write(tmp_path / "guess" / "seed0"), climate


def test_further_scores_are_their_formulas(runs):
    folder, rec, climate = runs
    scores, w = further(folder, list(FURTHER)), areas()
    x, y = rec.members[SCORED, :, 2].astype(float), rec.truth[SCORED, 2].astype(float)
    mean, std = climate.mean[1:, 2].mean(0), np.sqrt((climate.spread[1:, 2] ** 2).mean(0))
    f, o = x.mean(1) - mean, y - mean
    threshold = mean + stats.norm.ppf(EVENT) * std
    p, event = (x > threshold).mean(1), y > threshold
    z = (y - x.mean(1)) / x.std(1, ddof=1)
    gaussian = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    norm = np.sqrt((x - y[:, None]) ** 2 @ w)
    apart = np.sqrt((x[:, :, None] - x[:, None]) ** 2 @ w).sum((1, 2)) / (4 * 3)
    below = [(x < mean + stats.norm.ppf(q) * std, y < mean + stats.norm.ppf(q) * std)
             for q in (1 / 3, 2 / 3)]  # fmt: skip
    expected = {
        "acc": ((f * o) @ w / np.sqrt((f * f) @ w * ((o * o) @ w))).mean(),
        "mse_debiased": (((x.mean(1) - y) ** 2 - x.var(1, ddof=1) / 4) @ w).mean(),
        "crps_gaussian": ((x.std(1, ddof=1) * gaussian) @ w).mean(),
        "energy_score": (norm.mean(1) - apart / 2).mean(),
        "brier": (((p - event) ** 2) @ w).mean(),
        "brier_fair": (((p - event) ** 2 - p * (1 - p) / 3) @ w).mean(),
        "rps": (sum((a.mean(1) - b) ** 2 for a, b in below) @ w).mean(),
    }
    for name, number in expected.items():
        value, low, high = scores[Key(*KEY, name)]
        assert value == pytest.approx(number, rel=1e-5), name
        assert low <= value <= high
    assert scores.keys() == {
        Key(c.name, c.level, region, name)
        for c in mock_run.SPHERE.channels
        for region in ("global", "tropics", "northern-hemisphere", "southern-hemisphere")
        for name in FURTHER
    }


def test_the_ignorance_of_an_event_that_no_member_had_is_no_number(runs):
    folder, rec, _ = runs
    assert further(folder, ["ignorance"])[Key(*KEY, "ignorance")].value is None
    rec.members[:] = rec.truth[:, None]  # every member has what happens
    mock_run.write(folder, rec=rec)
    assert further(folder, ["ignorance"])[Key(*KEY, "ignorance")].value == 0


def test_points_without_truth_do_not_count(runs):
    folder, rec, _ = runs
    rec.truth[:, 2, :28] = np.nan
    mock_run.write(folder, rec=rec)
    value = further(folder, ["mse_debiased"])[Key(*KEY, "mse_debiased")].value
    x, y = rec.members[SCORED, :, 2, 28:].astype(float), rec.truth[SCORED, 2, 28:].astype(float)
    w = areas()[28:] / areas()[28:].sum()
    assert value == pytest.approx(
        (((x.mean(1) - y) ** 2 - x.var(1, ddof=1) / 4) @ w).mean(), rel=1e-5
    )


def test_a_run_that_diverged_has_no_further_scores(runs):
    folder, rec, _ = runs
    mock_run.write(folder, rec=rec, status="diverged at cycle 9")
    assert {s.value for s in further(folder, ["acc"]).values()} == {None}


def test_what_further_scores_lack_is_said(runs, tmp_path):
    folder, rec, _ = runs
    with pytest.raises(UserError, match="unknown score 'seeps'; known: acc"):
        further(folder, ["seeps"])
    with pytest.raises(UserError, match="no run of the climatology here"):
        further(folder, ["acc"], tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is no run of the climatology on the system noise"):
        further(folder, ["acc"], folder)
    mock_run.write(folder, rec=rec._replace(members=None))
    with pytest.raises(UserError, match="rps needs members, which were not archived"):
        further(folder, ["acc", "rps"])
    mock_run.write(folder, rec=mock_run.record(mock_run.SPHERE, members=1))
    with pytest.raises(UserError, match="mse_debiased needs 2 members, it has 1"):
        further(folder, ["mse_debiased"])
    mock_run.write(folder, status="running", completed=2)
    with pytest.raises(UserError, match="no cycle after the spin-up"):
        further(folder, ["mse_debiased"])


def test_further_scores_are_written_as_a_table(runs):
    file = files.score_further(runs[0], ["acc", "energy_score"])
    assert file == runs[0] / "further.csv"
    table = pd.read_csv(file)
    assert list(table) == ["variable", "level", "region", "metric", "value", "low", "high"]
    assert set(table["metric"]) == {"acc", "energy_score"}

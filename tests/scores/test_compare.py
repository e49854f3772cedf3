"""Comparisons of runs: what they estimate, when they are sure, and what they refuse."""

import mock_run
import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats
from test_intervals import SIZES, autoregressive

from dabench.core.errors import Caution, UserError
from dabench.leaderboard import terminal
from dabench.runs.archive.status import diverged_at
from dabench.scores import paired
from dabench.scores.compare import compare, compare_all
from dabench.scores.files import load_scores, score_run

X = ("x", None)


def scores(method, values, crps=None, **changes):
    """Scores of one cell with this RMSE in every cycle after a spin-up of two."""
    series = {(X, "rmse"): [9.0, 9.0, 9.0, *values]}
    if crps is not None:
        series[X, "crps"] = [9.0, 9.0, 9.0, *crps]
    return mock_run.scores(series=series, method=method, **{"completed": len(values) + 2} | changes)


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(2, 200))


def test_differences_are_of_roots_of_means(noise):
    a, b = 2 + 0.1 * noise[0], 3 + 0.1 * noise[1]
    row = compare(scores("a", a), scores("b", b)).iloc[0]
    roots = np.sqrt((a**2).mean()), np.sqrt((b**2).mean())
    assert (row["a"], row["b"]) == pytest.approx(roots)
    assert row["difference"] == pytest.approx(roots[0] - roots[1])
    assert row["ratio"] == pytest.approx(roots[0] / roots[1])
    assert (row["cycles"], row["verdict"]) == (200, "better")


@pytest.mark.parametrize("test", paired.TESTS)
def test_all_tests_agree_where_there_is_no_doubt_and_where_there_is_none_at_all(noise, test):
    a, b = 2 + 0.1 * noise[0], 2.5 + 0.1 * noise[1]
    verdicts = [
        compare(scores("a", x), scores("b", y), test=test).iloc[0]["verdict"]
        for x, y in [(a, b), (b, a), (a, a)]
    ]
    assert verdicts == ["better", "worse", "same"]


@pytest.mark.parametrize("test", paired.TESTS)
def test_intervals_of_rmse_differences_cover_the_truth_as_often_as_they_say(test):
    """Independent cycles with E[a^2] = 4.04, E[b^2] = 6.29."""
    rng, truth, covered = np.random.default_rng(1), np.sqrt(4.04) - np.sqrt(6.29), 0
    trials = 40 if test == "bootstrap" else 100
    for _ in range(trials):
        a, b = 2 + 0.2 * rng.normal(size=120), 2.5 + 0.2 * rng.normal(size=120)
        row = compare(scores("a", a), scores("b", b), test=test).iloc[0]
        covered += row["low"] <= truth <= row["high"]
    assert covered / trials > 0.95 - 4 * np.sqrt(0.95 * 0.05 / trials)


def test_pairing_removes_what_both_runs_share(noise):
    shared = 1 + abs(noise[0])
    a, b = shared + 0.01, shared + 0.02 * np.random.default_rng(5).uniform(size=200) + 0.02
    assert compare(scores("a", a), scores("b", b)).iloc[0]["verdict"] == "better"


def test_few_cycles_have_a_verdict_only_where_it_holds_with_a_long_memory(noise):
    a, b = 1 + 0.01 * noise[0], 2 + 0.01 * noise[1]
    few = compare(scores("a", a[:12]), scores("b", b[:12])).iloc[0]
    assert few["effective"] < 15
    assert few["verdict"] == "better"
    close = compare(scores("a", a[:12]), scores("b", a[:12] + 0.005 + 0.01 * noise[1][:12])).iloc[0]
    assert close["p_memory"] > close["p"]
    assert close["verdict"] == "insufficient data"
    slow = 2 + np.sin(np.arange(200) / 40)
    row = compare(scores("a", slow), scores("b", slow[::-1].copy())).iloc[0]
    assert row["effective"] < 15
    assert row["verdict"] == "insufficient data"


def test_a_run_that_diverged_is_not_compared(noise):
    a, b = scores("a", 1 + noise[0], status="diverged at cycle 90"), scores("b", 2 + noise[1])
    assert compare(a, b).iloc[0]["verdict"] == "diverged at cycle 90"


def with_crps(method, values, seed):
    """Scores of one cell with this CRPS alone."""
    series = {(X, "crps"): [9.0, 9.0, 9.0, *values]}
    return mock_run.scores(series=series, method=method, seed=seed)


def test_seeds_are_clusters_whose_mean_difference_has_students_t(noise):
    """Within seeds the differences are constant: only those between seeds are in doubt."""
    shift = np.array([0.1, 0.3, 0.2, 0.6])
    a = [with_crps("a", 1 + shift[s] + abs(noise[0]), s) for s in range(4)]
    b = [with_crps("b", 1 + abs(noise[0]), s) for s in range(4)]
    row = compare(a, b, metrics=["crps"]).iloc[0]
    student = stats.ttest_1samp(shift, 0)
    assert row["p"] == pytest.approx(student.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(student.confidence_interval()))
    assert (row["seeds"], row["verdict"]) == (4, "worse" if student.pvalue < 0.05 else "same")
    assert compare(a[:2], b[:2], metrics=["crps"]).iloc[0]["verdict"] == "insufficient data"
    assert compare(a, b[2:], metrics=["crps"]).iloc[0]["seeds"] == 2


def of_truth(method, value, seed, truths):
    """Scores with one CRPS, of a seed whose truth others share, those of the same remainder."""
    about = mock_run.IDENTITY["provenance"] | {"trajectory": f"verification_{seed % truths}"}
    return with_crps(method, [value] * 5, seed).replace(provenance=about)


def test_seeds_of_one_truth_are_one_cluster():
    """The oracle: SciPy's t-test of the means that pandas makes of each group."""
    shift = np.array([0.1, 0.3, 0.2, 0.6, 0.5, 0.15, 0.1])
    a = [of_truth("a", 1 + x, s, 5) for s, x in enumerate(shift)]
    b = [of_truth("b", 1.0, s, 5) for s in range(len(shift))]
    row = compare(a, b, metrics=["crps"]).iloc[0]
    means = pd.Series(shift).groupby(np.arange(7) % 5).mean()
    student = stats.ttest_1samp(means, 0)
    assert row["p"] == pytest.approx(student.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(student.confidence_interval()))
    assert row["difference"] == pytest.approx(means.mean())
    assert (row["seeds"], row["truths"]) == (7, 5)
    two = compare([a[s] for s in (0, 5, 1, 6)], b, metrics=["crps"]).iloc[0]
    assert (two["truths"], two["verdict"]) == (2, "insufficient data")


def test_the_size_of_the_test_is_right_where_the_weather_matters_more_than_the_noise():
    """Means of clusters are normal and independent, so p is uniform: 400 tests reject 20, give or
    take 4 standard deviations of 4.4. Seeds taken for independent would reject far more."""
    rng, rejected, naive = np.random.default_rng(2), 0, 0
    for _ in range(400):
        weather, noise = rng.normal(size=3), 0.1 * rng.normal(size=9)
        shift = weather[np.arange(9) % 3] + noise
        a = [of_truth("a", 5 + x, s, 3) for s, x in enumerate(shift)]
        b = [of_truth("b", 5.0, s, 3) for s in range(9)]
        rejected += compare(a, b, metrics=["crps"], correct="none").iloc[0]["p"] < 0.05
        naive += stats.ttest_1samp(shift, 0).pvalue < 0.05
    assert abs(rejected - 20) < 4 * np.sqrt(400 * 0.05 * 0.95)
    assert naive > 2 * rejected


def test_seeds_that_share_the_only_truth_are_tested_and_it_is_said():
    shift = np.array([0.1, 0.3, 0.2, 0.6])
    a = [of_truth("a", 1 + x, s, 1) for s, x in enumerate(shift)]
    b = [of_truth("ensemble", 1.0, s, 1) for s in range(4)]
    table = compare_all([*a, *b], metrics=["crps"], all_cells=True)
    assert table["p"].iloc[0] == pytest.approx(stats.ttest_1samp(shift, 0).pvalue)
    console = Console(width=200)
    with console.capture() as capture:
        console.print(terminal.comparison(table))
    assert "4 seeds of one truth, which differ in noise and not in weather" in capture.get()


def test_older_archives_of_a_system_with_one_truth_share_it():
    runs = [with_crps("a", [1.0] * 5, s) for s in (0, 1)]
    assert runs[0].truth != runs[1].truth
    dry = [run.replace(system={"name": "held_suarez", "digest": "d"}) for run in runs]
    new = of_truth("a", 1.0, 2, 1)
    assert {run.truth for run in (*dry, new)} == {"verification_0"}


def test_one_seed_that_diverged_is_told_and_not_averaged_away(noise):
    a = [scores("a", 1 + 0.1 * noise[0], seed=s) for s in range(3)]
    b = [scores("b", 2 + 0.1 * noise[1], seed=s) for s in range(3)]
    a[1] = a[1].replace(status=diverged_at(90))
    row = compare(a, b).iloc[0]
    assert row["verdict"] == "1 of 3 seeds diverged"
    assert np.isnan([row["difference"], row["p"]]).all()


def test_a_run_that_diverged_early_does_not_make_others_more_significant(noise):
    """Neither in the spin-up, nor soon after it, nor without the metric."""
    a, b = scores("a", 2.0 + noise[0]), scores("ensemble", 2.15 + noise[1])
    early = scores("early", [], status="diverged at cycle 2")
    soon = scores("soon", 1 + noise[0][:3], status="diverged at cycle 5")
    without = scores("without", 1 + noise[0]).replace(every_cycle={})
    alone = compare_all([a, b]).query("method == 'a'")
    for test in paired.TESTS:
        table = compare_all([a, b, early, soon, without], test=test)
        assert table.query("method == 'early'")["verdict"].tolist() == ["diverged at cycle 2"]
        if test == "ewc":
            table = table.query("method == 'a'").reset_index(drop=True)
            assert table["p_sidak"].tolist() == alone["p_sidak"].tolist()


def test_drifting_apart_is_no_evidence(noise):
    """A series that has not come to an end tells nothing of its mean, however smooth it is."""
    t = np.arange(60)
    for drift in (t / 60, 1 - np.exp(-t / 15), np.exp(t / 20)):
        row = compare(scores("a", 2 + drift), scores("b", np.full(60, 2.0))).iloc[0]
        assert row["effective"] < 0.01
        assert row["verdict"] == "insufficient data"


def test_the_null_is_the_difference_of_two_seeds_of_one_method(noise):
    a = [scores("a", 2 + 0.1 * noise[s], seed=s) for s in range(2)]
    b = [scores("b", 3 + 0.1 * noise[s], seed=s) for s in range(2)]
    row = compare(a, b).iloc[0]
    roots = [np.sqrt(((2 + 0.1 * noise[s]) ** 2).mean()) for s in range(2)]
    assert row["null"] == pytest.approx(roots[0] - roots[1])
    assert row["null_low"] < row["null"] < row["null_high"]
    assert np.isnan(compare(a[0], b[0]).iloc[0]["null"])


@pytest.mark.parametrize(("rho", "time", "naive", "geer", "ewc"), SIZES)
def test_sizes_of_paired_comparisons_are_the_measured_ones(rho, time, naive, geer, ewc):
    """5000 cells whose differences are AR(1) of mean zero: share that a test finds not to be."""
    d = autoregressive(np.random.default_rng(time), 5000, time, rho)
    shared = np.random.default_rng(7).normal(size=time)
    tolerance = 0.01 + 2 * np.sqrt(ewc * (1 - ewc) / 5000)
    for test, expected in (("ewc", ewc), ("geer", geer)):
        question = paired.Question(test=test)
        x, y = (5 + d + shared)[None], np.broadcast_to(5 + shared, d.shape)[None]
        table, _ = paired._differences(x, y, np.zeros(5000, bool), question, np.eye(1))
        assert (table["p"] < 0.05).mean() == pytest.approx(expected, abs=tolerance), test


@pytest.mark.parametrize("test", paired.TESTS)
def test_size_of_the_test_over_seeds_is_nominal_however_long_the_memory(test):
    d = autoregressive(np.random.default_rng(3), 5 * 4000, 30, 0.9).reshape(5, 4000, 30)
    question = paired.Question(test=test)
    table, _ = paired._differences(d, 0 * d, np.zeros(4000, bool), question, np.eye(5))
    assert (table["p"] < 0.05).mean() == pytest.approx(0.05, abs=0.014)  # 4 standard errors


def test_verdicts_allow_for_how_many_rows_are_looked_at():
    """200 cells without a difference: at 5 % about ten would be called better or worse."""
    rng = np.random.default_rng(0)
    a, b = (many(name, 5 + rng.normal(size=(200, 100))) for name in "ab")
    by = {c: (compare(a, b, metrics=["crps"], correct=c)["verdict"] != "same").sum()
          for c in ("none", "bh", "sidak")}  # fmt: skip
    assert 2 <= by["none"] <= 22
    assert by["bh"] == by["sidak"] == 0


def many(method, values):
    """Scores of one cell a row of values."""
    series = {((f"x{i}", None), "crps"): [9, 9, 9, *v] for i, v in enumerate(values)}
    return mock_run.scores(series=series, method=method)


def test_other_settings_of_a_method_have_a_row_of_their_own(noise):
    runs = [scores("ensemble", 3 + 0.1 * noise[0]), scores("a", 1 + 0.1 * noise[1])]
    runs.append(scores("a", 2 + 0.1 * noise[1], settings={"gain": 9}, digest="feedbeef"))
    runs.append(runs[-1].replace(seed=1, digest="deadbeef"))
    runs.append(runs[0].replace(seed=1))
    table = compare_all(runs)
    assert table["method"].str.fullmatch("a(-[0-9a-f]{6})?").all()
    assert table["seeds"].tolist() == [1, 2]


def test_other_problems_seeds_tests_and_metrics_are_refused(noise):
    a = scores("a", noise[0])
    other = a.scenario | {"digest": "other"}
    with pytest.raises(UserError, match="scenario's digest 5c3 and other"):
        compare(a, scores("b", noise[1], scenario=other))
    with pytest.raises(UserError, match="seed 0 and 1"):
        compare(a, scores("b", noise[1], seed=1))
    with pytest.raises(UserError, match="unknown test 'student'; known: ewc"):
        compare(a, a, test="student")
    with pytest.raises(UserError, match="unknown metric 'foo'"):
        compare(a, a, metrics=["foo"])
    with pytest.raises(UserError, match=r"c and b .* scenario's digest 5c3 and other"):
        compare([scores("c", noise[0], seed=1), a], [scores("b", noise[1], scenario=other)])
    both = [a, scores("ensemble", noise[1])]
    with pytest.raises(UserError, match="in nowhere; there are rmse in global"):
        compare_all(both, regions=["nowhere"])
    with pytest.warns(Caution, match="b and ensemble have no seed in common"):
        compare_all([*both, scores("b", noise[1], seed=7)])


def test_every_method_is_compared_with_the_unconditional_ensemble(noise):
    runs = [
        scores("ensemble", 2 + 0.1 * noise[0], crps=1 + 0.1 * noise[0]),
        scores("guess", 1 + 0.1 * noise[1], crps=1 + 0.1 * noise[0]),
        scores("bad", 1 + 0.1 * noise[1], status="diverged at cycle 9"),
    ]
    table = compare_all(runs)
    assert table.groupby("method")["verdict"].agg(list).to_dict() == {
        "guess": ["better", "same"],
        "bad": ["diverged at cycle 9"],
    }
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal.comparison(table))
    assert "better" in console.export_text()
    with pytest.raises(UserError, match="runs of 'ensemble'"):
        compare_all(runs[1:])


def test_runs_are_compared_from_their_folders(tmp_path):
    for name, error in (("free", 2.0), ("guess", 0.5)):
        rec = mock_run.record(mock_run.SPHERE, error=error, cycles=40, seed=int(error))
        mock_run.write(tmp_path / name, rec=rec, method=name)
    table = compare(tmp_path / "guess", tmp_path / "free", regions=["global", "tropics"])
    assert set(table["verdict"]) == {"better"}
    assert len(table) == 4 * 2 * 2
    score_run(tmp_path / "guess")
    rmse = load_scores(tmp_path / "guess").value(("temperature", 500.0), "rmse")
    rows = table.query("variable == 'temperature' and level == 500 and region == 'global'")
    assert rows.query("metric == 'rmse'").iloc[0]["a"] == pytest.approx(rmse)

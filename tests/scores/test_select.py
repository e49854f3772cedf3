"""What is compared when folders, methods or scenarios are named."""

import mock_run
import pytest

from dabench.core.errors import UserError
from dabench.scores.select import choose


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Runs of three methods, one with two seeds."""
    home = tmp_path_factory.mktemp("runs")
    for method, seed in (("ensemble", 0), ("letkf", 0), ("letkf", 1), ("guess", 0)):
        rec = mock_run.record(mock_run.SITES, seed=seed)
        folder = home / f"mock/noise/{method}/seed{seed}"
        mock_run.write(folder, mock_run.SITES, rec, method=method, seed=seed)
    return home


def chosen(names, home):
    runs, reference = choose(names, home)
    return sorted((run.method, run.seed) for run in runs), reference


def test_methods_and_scenarios_are_found_by_name(home):
    everything = [("ensemble", 0), ("guess", 0), ("letkf", 0), ("letkf", 1)]
    assert chosen([], home) == (everything, "ensemble")
    assert chosen(["mock"], home) == (everything, "ensemble")
    assert chosen(["guess", "letkf"], home) == (everything[1:], "letkf")
    assert chosen(["mock", "guess", "letkf"], home) == (everything[1:], "letkf")
    assert chosen([str(home)], home / "other") == (everything, "ensemble")


def test_two_runs_are_compared_with_the_second(home):
    folders = [str(home / f"mock/noise/{m}/seed0") for m in ("guess", "letkf")]
    assert chosen(folders, home) == ([("guess", 0), ("letkf", 0)], "letkf")


def test_runs_of_one_name_are_told_apart_by_their_folders(home, tmp_path):
    other = tmp_path / "guess" / "seed0"
    mock_run.write(other, mock_run.SITES, method="guess")
    folders = [str(other), str(home / "mock/noise/guess/seed0")]
    runs, reference = choose(folders, home)
    assert [run.method for run in runs] == [str(other.parent), str(home / "mock/noise/guess")]
    assert reference == str(home / "mock/noise/guess")


def test_seeds_of_other_settings_stay_together(home, tmp_path):
    """What is compared are two methods, one with a seed more."""
    other = tmp_path / "letkf"
    for seed in (0, 1, 2):
        mock_run.write(other / f"seed{seed}", mock_run.SITES, method="letkf", seed=seed)
    ours = home / "mock/noise/letkf"
    runs, reference = choose([str(other), str(ours)], home)
    assert [run.method for run in runs] == [str(other)] * 3 + [str(ours)] * 2
    assert reference == str(ours)


def test_what_is_not_there_is_said(home, tmp_path):
    with pytest.raises(UserError, match="did you mean 'guess'"):
        choose(["gues"], home)
    with pytest.raises(UserError, match="dabench run"):
        choose([], tmp_path)

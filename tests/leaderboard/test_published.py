"""Published curves: what the table holds them to, and that no weighted score gets into it."""

import mock_run
import numpy as np
import pytest

from dabench.core.layout import Channel, Layout
from dabench.leaderboard import RESULTS, results, site
from dabench.leaderboard.board import boards
from dabench.leaderboard.published import all_published, lines, published_of, unrun
from dabench.scenario.load import load_scenario
from dabench.scores.files import score_run

SMALL = Layout(
    (Channel("2m_temperature", "K"), Channel("temperature", "K", 850.0)),
    {"latitude": np.linspace(-90, 90, 7), "longitude": np.arange(0, 360, 45.0)},
    frames=2,
)
CYCLES = 30
NAMES = ("era5/subsampling", "era5/coarsening", "era5/realistic")


def scenario(name: str = "era5/coarsening") -> dict:
    return load_scenario(name).plain() | {"digest": "d19"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a published problem on a small grid."""
    folder = tmp_path_factory.mktemp("runs") / "guess" / "seed0"
    rec = mock_run.record(SMALL, cycles=CYCLES)
    about = {"scenario": scenario(), "system": {"name": "gencast", "digest": "5y5"}}
    mock_run.write(folder, SMALL, rec, cycles=CYCLES, spinup=6, **about)
    score_run(folder)  # area-weighted alone, as a run leaves it
    return folder, rec


def test_every_scenario_of_the_file_is_one_of_ours_with_curves_in_units_of_its_system():
    assert set(all_published()) == set(NAMES)
    for name, published in all_published().items():
        assert published_of(scenario(name)) is published
        assert set(published.units) >= {variable for variable, _ in published.cells}
        for method in published.methods:
            assert method.name
            for curve in method.curves:
                assert len(curve.days) in (0, len(published.days))
                assert min((*curve.days, curve.mean or 1)) > 0


def test_the_free_forecast_of_the_same_model_is_the_worst_of_what_is_published():
    """A digit that was read wrongly by a factor would show."""
    for published in all_published().values():
        free, steered = (
            {curve.cell: curve for curve in method.curves} for method in published.methods
        )
        for cell in free.keys() & steered.keys():
            assert all(
                np.array(steered[cell].days) <= np.array(free[cell].days)[: len(steered[cell].days)]
            )
            if free[cell].mean and steered[cell].mean:
                assert steered[cell].mean < free[cell].mean


def test_other_observations_or_another_start_have_no_published_curves():
    assert published_of(scenario() | {"name": "era5/temp_4deg"}) is None
    assert (
        published_of(scenario() | {"observations": scenario("era5/subsampling")["observations"]})
        is None
    )
    assert published_of(scenario() | {"period": {"cycles": 30, "start": None}}) is None
    assert published_of({"name": "era5/coarsening", "period": "long"}) is None
    assert published_of({}) is None


def test_rows_are_held_to_the_curves_by_plain_means_of_the_root_of_each_cycle(run):
    folder, rec = run
    (board,) = boards(results.find([folder]))
    error = (rec.mean[:, 0] - rec.truth[:, 0].astype(float)) ** 2  # (cycle, point) of 2t
    root = np.sqrt(error.mean(-1))
    (line,) = [l for l in board.lines if l.what == "2t" and not l.imported]
    expected = [*root[[2, 6, 14, 30]], root[6:31].mean()]
    np.testing.assert_allclose([float(text) for text in line.numbers], expected, rtol=5e-3)
    assert line.about == "4 members, unweighted"
    published = [l.numbers for l in board.lines if l.what == "2t" and l.imported]
    assert published == [
        ["0.75", "1.27", "2.11", "3.18", "2.38"],
        ["0.55", "0.65", "0.7", "0.73", "0.686"],
    ]


def test_without_unweighted_scores_there_are_dashes_and_no_weighted_ones(run):
    folder, _ = run
    (scores,) = results.find([folder])
    weighted = scores.replace(
        every_cycle={k: v for k, v in scores.every_cycle.items() if k.region == "global"}
    )
    table = lines(all_published()["era5/coarsening"], {"guess": [weighted]})
    assert {text for l in table if not l.imported for text in l.numbers} == {"–"}


def test_a_result_file_keeps_the_unweighted_scores_of_a_published_problem(run, tmp_path):
    folder, _ = run
    results.add([folder], tmp_path)
    (board,) = boards(results.find([tmp_path]))
    (own,) = boards(results.find([folder]))
    assert board.lines == own.lines


def test_the_page_of_a_board_shows_them_marked(run, tmp_path):
    folder, _ = run
    site.build([folder], tmp_path / "site")
    page = (tmp_path / "site" / "era5-coarsening-gencast" / "index.html").read_text()
    assert page.count("digitised from figures, unweighted") > 2
    assert "0.686" in page
    assert not list((tmp_path / "site").glob("era5-realistic*"))


def test_a_board_without_a_run_is_its_published_curves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results_folder = tmp_path / RESULTS
    results_folder.mkdir(parents=True)
    others = unrun(["era5/coarsening"], [results_folder])
    assert [board.name for board in others] == ["era5/subsampling", "era5/realistic"]
    assert unrun([], [tmp_path]) == []
    front = site.build([results_folder], tmp_path / "site").read_text()
    assert front.count("no run yet") == 3
    assert "No results yet" in front
    page = (tmp_path / "site" / "era5-realistic-gencast" / "index.html").read_text()
    assert "dabench run era5/realistic" in page
    assert "At places of their own" in page

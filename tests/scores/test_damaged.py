"""Damaged runs are named, and do not stop what is asked of others."""

import mock_run
import pytest

from dabench.core.errors import Caution, UserError
from dabench.scores.files import score_run
from dabench.scores.select import choose


@pytest.fixture
def runs(tmp_path):
    """A sound run, and one to be damaged."""
    folders = [tmp_path / "runs/mock/noise" / method / "seed0" for method in ("good", "bad")]
    for folder in folders:
        mock_run.write(folder, method=folder.parent.name)
    return folders


def cut_metadata(folder):
    file = folder / "archive.zarr/zarr.json"
    file.write_bytes(file.read_bytes()[:100])
    return "archive.zarr/zarr.json: is damaged"


def cut_chunk(folder):
    array = folder / "archive.zarr/mean/temperature"
    chunk = next(p for p in (array / "c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])
    return "archive.zarr/mean/temperature: cannot be read"


@pytest.mark.parametrize("damage", [cut_metadata, cut_chunk])
@pytest.mark.parametrize("words", [[], ["good", "mock"]])
def test_others_are_compared_and_the_damaged_one_is_told(runs, damage, words, tmp_path):
    message = damage(runs[1])
    home = tmp_path / "runs"
    if words and damage is cut_chunk:
        assert [run.method for run in choose(words, home)[0]] == ["good"]  # never read
        return
    with pytest.warns(Caution, match=f"left out: .*bad/seed0/{message}"):
        assert [run.method for run in choose(words, home)[0]] == ["good"]


@pytest.mark.parametrize("damage", [cut_metadata, cut_chunk])
def test_a_damaged_run_that_is_named_is_an_error(runs, damage):
    message = damage(runs[1])
    for judge in (score_run, lambda folder: choose([str(folder)], folder)):
        with pytest.raises(UserError, match=f"bad/seed0/{message} .*--fresh"):
            judge(runs[1])


def test_errors_that_are_not_of_damage_stay_as_they_are(runs, monkeypatch):
    monkeypatch.setattr("dabench.scores.score._score", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        score_run(runs[0])

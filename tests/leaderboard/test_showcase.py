"""The maps of the front page: their bytes are the fields, and the card is of the size asked for."""

import base64
import io
import json

import mock_run
import numpy as np
import pytest
from matplotlib.image import imread

from dabench.leaderboard import showcase, thumbnails
from dabench.leaderboard.board import Board
from dabench.leaderboard.figures.card import card
from dabench.leaderboard.figures.maps import maps_of
from dabench.scores.files import current_scores


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A free ensemble and a filter with maps."""
    home, runs = tmp_path_factory.mktemp("maps"), []
    for method, error in (("ensemble", 2.0), ("fa_apf", 0.5)):
        rec = mock_run.record(mock_run.SPHERE, error=error)
        mock_run.write(home / method, rec=rec, method=method)
        scores = current_scores(home / method)
        pictures = thumbnails.of_run(home / method, scores.variables)
        runs.append(scores.replace(pictures=pictures))
    return Board(runs, "mock")


def values(text, low, high):
    level = np.frombuffer(base64.b64decode(text), np.uint8).astype(float)
    return low + level / thumbnails.MOST * (high - low)


def test_bytes_are_the_fields_to_half_a_step_within_round_ends(board):
    example = showcase.showcase([board])
    text = showcase.script(example).removeprefix(f"const {showcase.NAME} = ").rstrip(";\n")
    data = json.loads(text)
    assert data["method"] == "FA-APF"
    (cell,) = data["cells"]
    (low, high), (bound, _) = cell["range"], cell["bounds"]
    maps = maps_of(example.row.first)
    for frame, (truth, error) in zip(cell["frames"], maps.values(), strict=True):
        inside = (truth > low) & (truth < high)
        field = values(frame["truth"], low, high).reshape(truth.shape)
        assert np.abs(field - truth)[inside].max() <= 0.5001 * (high - low) / thumbnails.MOST
        inside = np.abs(error) < bound
        field = values(frame["errors"][0], -bound, bound).reshape(error.shape)
        assert np.abs(field - error)[inside].max() <= 0.5001 * 2 * bound / thumbnails.MOST
    assert not any(base64.b64decode(cell["observed"]))  # another variable is observed
    assert data["coasts"] == []


def test_the_method_shown_is_fa_apf_whichever_is_the_best(board):
    better = board.runs[1].replace(method="guided")
    rows = Board([*board.runs, better], "mock")
    assert showcase.showcase([rows]).row.method == "fa_apf"


def test_without_maps_or_without_a_free_ensemble_there_is_nothing_to_show(board):
    bare = [run.replace(pictures=None) for run in board.runs]
    assert showcase.showcase([Board(bare, "bare")]) is None
    assert showcase.showcase([Board(board.runs[1:], "alone")]) is None


def test_the_card_has_the_size_that_networks_ask_for(board):
    example, file = showcase.showcase([board]), io.BytesIO()
    card(["FA-APF", "Free ensemble"], example.runs, "A sentence.").savefig(file, dpi=150)
    file.seek(0)
    assert imread(file).shape[:2] == (630, 1200)

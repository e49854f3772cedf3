"""Two runs on the sphere and all their figures."""

import mock_run
import pytest

from dabench.leaderboard import figures, thumbnails
from dabench.scores.files import current_scores


def run(folder, method, layout=mock_run.SPHERE, **options):
    """A run of random numbers; `options` of `mock_run.record` and `mock_run.write`."""
    attrs = {k: options.pop(k) for k in ("status", "completed", "seed") if k in options}
    mock_run.write(folder, layout, mock_run.record(layout, **options), method=method, **attrs)
    return folder


def with_pictures(folder):
    """Scores of a run and what its archive shows of fields."""
    scores = current_scores(folder)
    return scores.replace(pictures=thumbnails.of_run(folder, scores.variables))


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of a free ensemble and of a plug-in."""
    home = tmp_path_factory.mktemp("figures")
    return [run(home / "free", "ensemble", error=2.0), run(home / "guess", "guess")]


@pytest.fixture(scope="session")
def scores(folders):
    """Scores of both runs."""
    return [current_scores(folder) for folder in folders]


@pytest.fixture(scope="session")
def files(folders, tmp_path_factory):
    """Files of all their figures by name."""
    return {file.name: file for file in figures.draw(folders, tmp_path_factory.mktemp("drawn"))}

"""`dabench leaderboard`: what it builds, adds and serves."""

import threading
import urllib.error
import urllib.request

import mock_run
import pytest
from patience import PATIENCE
from typer.testing import CliRunner

from dabench.cli import leaderboard
from dabench.core.errors import UserError
from dabench.leaderboard import serve


@pytest.fixture
def built(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("hello")
    (tmp_path / "site/empty").mkdir()
    (tmp_path / "secret").write_text("no")
    return tmp_path / "site"


def test_the_site_is_served_on_loopback_and_nothing_beside_it(built):
    with serve.server(built, 0) as here:
        threading.Thread(target=here.serve_forever, daemon=True).start()
        assert here.server_address[0] == "127.0.0.1"
        home = f"http://127.0.0.1:{here.server_port}"
        with urllib.request.urlopen(f"{home}/", timeout=PATIENCE) as answer:
            assert answer.read() == b"hello"
        for path in ("empty/", "../secret", "%2e%2e/secret"):
            with pytest.raises(urllib.error.HTTPError) as e:
                urllib.request.urlopen(f"{home}/{path}", timeout=PATIENCE)
            assert e.value.code == 404
        with pytest.raises(UserError, match="choose another with --port"):
            serve.server(built, here.server_port)
        here.shutdown()


def test_no_site_no_server(tmp_path):
    with pytest.raises(UserError, match="dabench leaderboard build"):
        serve.server(tmp_path, 0)


def test_runs_are_added_and_built_and_alone_the_command_builds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mock_run.write(tmp_path / "runs/mock/noise/guess/seed0", mock_run.SITES)
    call = CliRunner().invoke
    said = call(leaderboard.app, ["add", "runs"]).output
    assert "result    leaderboard/results/mock/noise/guess.json" in said
    assert "next      dabench verify leaderboard/results/mock/noise/guess.json" in said
    assert call(leaderboard.app, ["build", "--published", "--out", "a"]).exit_code == 0
    assert "guess" in (tmp_path / "a/index.html").read_text()
    assert call(leaderboard.app, []).exit_code == 0
    assert (tmp_path / "runs/leaderboard/index.html").exists()
    with pytest.raises(UserError, match="no runs in a"):
        call(leaderboard.app, ["add", "a"], catch_exceptions=False)


def test_a_run_that_goes_on_is_refused_by_name_and_nothing_is_written(tmp_path):
    mock_run.write(tmp_path / "seed0", mock_run.SITES, status="running", completed=5)
    command = ["add", str(tmp_path / "seed0"), "--to", str(tmp_path / "results")]
    with pytest.raises(UserError, match="guess, seed 0: has not ended"):
        CliRunner().invoke(leaderboard.app, command, catch_exceptions=False)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("verb", ["build", "add", "serve"])
def test_every_verb_has_help(verb):
    assert "--" in CliRunner().invoke(leaderboard.app, [verb, "--help"]).output

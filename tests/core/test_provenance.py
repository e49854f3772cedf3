"""Where numbers came from."""

import json
import shutil
import subprocess
import sys

import jax
import pytest
from patience import PATIENCE

from dabench.core import provenance


def test_provenance_is_plain_data_about_this_process():
    record = json.loads(json.dumps(provenance.provenance()))
    assert record["packages"]["jax"] == jax.__version__
    assert record["x64"] is True
    assert "cpu" in record["device"] or "gpu" in record["device"]


@pytest.mark.parametrize("started", ["/venv/bin/dabench", "/site-packages/dabench/__main__.py"])
def test_the_command_can_be_given_again_however_it_was_started(started, monkeypatch):
    monkeypatch.setattr(sys, "argv", [started, "run", "a b"])
    assert provenance.command() == "dabench run 'a b'"


def test_the_commit_is_that_of_the_checkout_and_tells_changes(tmp_path, monkeypatch):
    def git(*args):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        call = ["git", "-C", str(tmp_path), *who, *args]
        options = {"capture_output": True, "text": True, "timeout": PATIENCE}
        return subprocess.run(call, check=True, **options).stdout.strip()

    (tmp_path / "dabench" / "core").mkdir(parents=True)
    for name in ("__init__.py", "core/provenance.py"):
        shutil.copy(provenance.__file__, tmp_path / "dabench" / name)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "dabench/core/provenance.py"))
    assert provenance.commit() is None
    git("init")
    git("add", ".")
    git("commit", "-m", "x")
    assert provenance.commit() == git("rev-parse", "HEAD")
    (tmp_path / "dabench/core/provenance.py").write_text("changed")
    assert provenance.commit() == git("rev-parse", "HEAD") + "-dirty"

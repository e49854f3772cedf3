"""Who may write a run's folder, and what is said of a run that is not the one asked for."""

import errno
import json
import os
import sys

import pytest
import toy
from patience import PATIENCE

from dabench.core.errors import UserError
from dabench.runs.archive import folder, read

IDENTITY = {"scenario": {"digest": "a", "period": {"cycles": 4}}, "members": 3}


def write(path, **attributes):
    (path / "archive.zarr").mkdir(parents=True)
    metadata = {"attributes": {"identity": IDENTITY} | attributes}
    (path / "archive.zarr/zarr.json").write_text(json.dumps(metadata))


def test_another_run_in_the_folder_is_named_with_what_differs(tmp_path):
    write(tmp_path)
    folder.check(tmp_path, IDENTITY)
    folder.check(tmp_path / "nothing", IDENTITY)
    identity = {"scenario": {"digest": "a", "period": {"cycles": 8}}, "members": 64}
    with pytest.raises(UserError) as e:
        folder.check(tmp_path, identity)
    text = str(e.value)
    assert "scenario.period.cycles: 4 there, 8 asked" in text
    assert "members: 3 there, 64 asked" in text
    assert "digest" not in text
    assert "--fresh" in text
    assert "--tag" in text


def test_a_run_begun_with_another_graph_is_not_continued(tmp_path):
    write(tmp_path, provenance={"graph": "a" * 64})
    folder.check(tmp_path, IDENTITY, "a" * 64)
    folder.check(tmp_path, IDENTITY)  # of a system without a graph
    with pytest.raises(UserError, match=r"another graph .*aaaa\.\.\) .*bbbb(.|\n)*--fresh"):
        folder.check(tmp_path, IDENTITY, "b" * 64)


def test_setting_aside_keeps_every_run(tmp_path):
    path = tmp_path / "seed0"
    assert folder.set_aside(path) is None
    for n in (1, 2):
        write(path)
        (path / "mark").write_text(str(n))
        assert folder.set_aside(path) == tmp_path / f"seed0.{n}"
    write(path)
    assert read.find_runs(tmp_path) == [path]
    assert [(tmp_path / f"seed0.{n}/mark").read_text() for n in (1, 2)] == ["1", "2"]


def hold(path, is_locked, release):
    with folder.lock(path):
        is_locked.set()
        release.wait(PATIENCE)


def test_two_processes_cannot_write_one_run_and_a_dead_one_holds_nothing(tmp_path):
    context = toy.processes()
    is_locked, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "seed0", is_locked, release), daemon=True)
    other.start()
    assert is_locked.wait(PATIENCE)
    with (
        pytest.raises(UserError, match=f"in use by another dabench .*process {other.pid}"),
        folder.lock(tmp_path / "seed0"),
    ):
        pass
    other.kill()
    other.join(PATIENCE)
    with folder.lock(tmp_path / "seed0"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no flock there")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_filesystem_without_locks_is_called_so(number, tmp_path, monkeypatch):
    import fcntl

    def refuse(fd, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(UserError, match=r"its filesystem has no file locks .*--out"),
        folder.lock(tmp_path / "seed0"),
    ):
        pass

"""Faults of the machine are messages with exit code 2, and leave nothing half-written behind."""

import errno
import io
import os
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import jax
import mock_run
import pytest

from dabench import cli
from dabench.core import environment, files, jax_setup
from dabench.core.errors import UserError
from dabench.systems.gencast.fetch import cache


def message(error: Exception) -> str:
    explained = environment.explained(error)
    assert isinstance(explained, UserError)
    return str(explained)


@pytest.fixture
def dabench(monkeypatch, capsys):
    """What a command line that ends with exit code 2 prints as its error."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["dabench", *map(str, words)])
        with pytest.raises(SystemExit) as e:
            cli.main()
        assert e.value.code == 2
        return capsys.readouterr().err

    return call


@pytest.fixture
def run(tmp_path):
    mock_run.write(tmp_path / "seed0")
    return tmp_path / "seed0"


@contextmanager
def largest_file(size: int):
    """Within the block the system refuses to let a file grow beyond a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_export_that_finds_no_room_says_so_and_leaves_nothing(run, dabench, tmp_path):
    with largest_file(1000):
        said = dabench("export", run, "--out", tmp_path / "out")
    assert "File too large; what was whole before is kept: make room" in said
    assert [p.name for p in tmp_path.iterdir()] == ["seed0"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_is_kept(code):
    said = message(OSError(code, os.strerror(code), "runs/a/restart.npz"))
    assert said.startswith(f"runs/a/restart.npz: {os.strerror(code)}; what was whole before")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_folder_that_cannot_be_written_is_named(code):
    said = message(OSError(code, os.strerror(code), "runs"))
    assert said.startswith(f"runs: {os.strerror(code)}; choose another folder with --out")


def test_other_errors_stay_as_they_are():
    for error in (ValueError("a bug"), AssertionError(), OSError(errno.EBADF, "closed", "file")):
        assert environment.explained(error) is error


def test_output_that_cannot_be_written_is_no_traceback(run, dabench, monkeypatch):
    def read_only(self, *args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    for command in (("plot", run), ("export", run)):
        assert "Read-only file system; choose another folder with --out" in dabench(*command)


def test_a_file_that_cannot_be_written_whole_leaves_no_part(tmp_path):
    with largest_file(10), pytest.raises(OSError, match="File too large"):
        files.replace(tmp_path / "scores.json", bytes(100))
    assert not list(tmp_path.iterdir())


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(AssertionError) as silent:
        exec(compile("assert None is not None", "/jax/_src/xla_bridge.py", "exec"))
    told = RuntimeError("Unable to initialize backend 'tpu': no libtpu.so")
    for error in (silent.value, told):
        assert message(error).startswith("JAX_PLATFORMS=cuda: JAX finds no such device")


def test_an_assertion_of_jax_without_its_frames_is_no_device_if_there_is_none(monkeypatch):
    """As JAX raises it from within a compiled function, its own frames taken out."""

    def no_devices():
        raise AssertionError

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert environment.explained(error := AssertionError()) is error  # the CPU is there
    monkeypatch.setattr("jax.devices", no_devices)
    assert str(environment.explained(error)).startswith("JAX_PLATFORMS=cuda: JAX finds no such")
    assert environment.explained(error := AssertionError("more faces than there are")) is error


def test_a_user_without_a_home_can_run_and_is_told_where_a_folder_is_needed(monkeypatch):
    for variable in ("HOME", "XDG_CACHE_HOME", cache.VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    values = {"jax_num_cpu_devices": 1, "jax_compilation_cache_dir": None}
    monkeypatch.setattr(type(jax.config), "values", values)
    assert jax_setup.set_up_jax() is None
    with pytest.raises(RuntimeError) as e:
        cache.folder()
    assert message(e.value) == (
        "this user has no home folder; set HOME, or DABENCH_CACHE, to a folder that there is"
    )


def test_tables_are_written_to_streams_without_unicode(tmp_path, monkeypatch):
    runs = [tmp_path / method / "seed0" for method in ("ensemble", "guess")]
    for folder in runs:
        mock_run.write(folder, mock_run.SITES, method=folder.parent.name)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["dabench", "compare", *map(str, runs)])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert not e.value.code
    stream.seek(0)
    assert "mock | noise | seed 0" in stream.read()


def test_a_similar_character_stands_for_one_that_is_missing():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    environment.print_anywhere([stream])
    stream.write("m² – Å · ø 気")
    stream.flush()
    assert stream.buffer.getvalue() == b"m2 - A | ? ?"

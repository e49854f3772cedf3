"""What only reads never writes into archives, whether their scores are there, missing or stale."""

import hashlib
import sys
from pathlib import Path

import mock_run
import pytest

from dabench import cli
from dabench.leaderboard import results, site
from dabench.scores import files

WRITING = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.link"}


class Guard:
    """Raises where anything in a folder is opened for writing, made, moved or removed."""

    folder: Path | None = None

    def __call__(self, event: str, args: tuple) -> None:
        if self.folder is None or event not in {"open", *WRITING}:
            return
        if event == "open" and not _writes(args[1], args[2]):
            return
        paths = [Path(a).absolute() for a in args[:2] if isinstance(a, str | Path)]
        if any(path.is_relative_to(self.folder) for path in paths):
            raise PermissionError(f"{event} {args[0]}")


def _writes(mode: str | None, flags: int) -> bool:
    written = any(letter in (mode or "") for letter in "wax+")
    return written or bool(flags & 0o3)  # O_WRONLY or O_RDWR


GUARD = Guard()
sys.addaudithook(GUARD)


def snapshot(folder: Path) -> dict[str, str]:
    """Digests of all files, and the names of all folders."""
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "folder"
        for p in sorted(folder.rglob("*"))
    }


@pytest.fixture(params=["there", "missing", "stale"])
def archives(request, tmp_path):
    """Runs of two methods that nothing may be written into.

    Those without scores are of fields on the sphere, so that every kind of figure reads them; the
    others of a few sites, which differ in their files of scores alone.
    """
    home = tmp_path / "archives" / "mock" / "noise"
    layout = mock_run.SPHERE if request.param == "missing" else mock_run.SITES
    for method, error in (("ensemble", 2.0), ("guess", 0.5)):
        rec = mock_run.record(layout, error=error, seed=int(error))
        about = {"layout": layout, "rec": rec, "method": method, "digest": method}
        folder = home / method / "seed0"
        if request.param == "stale":
            mock_run.write(folder, completed=5, status="running", **about)
            files.score_run(folder)
            old = (folder / "scores.json").read_bytes()
        mock_run.write(folder, **about)
        if request.param == "stale":
            (folder / "scores.json").write_bytes(old)
        if request.param == "there":
            files.score_run(folder)
    before = snapshot(tmp_path / "archives")
    GUARD.folder = tmp_path / "archives"
    yield home
    GUARD.folder = None
    assert snapshot(tmp_path / "archives") == before


def dabench(monkeypatch, *words) -> None:
    """Call the command line, which has to end well."""
    monkeypatch.setattr(sys, "argv", ["dabench", *map(str, words)])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert not e.value.code


def test_comparing_drawing_building_and_verifying_only_read(
    archives, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    runs = [archives / method / "seed0" for method in ("guess", "ensemble")]
    dabench(monkeypatch, "compare", *runs)
    assert "guess" in capsys.readouterr().out
    dabench(monkeypatch, "plot", *runs, "--out", tmp_path / "figures")
    assert (tmp_path / "figures" / "rmse.svg").exists()
    (file,) = results.add(runs[:1], tmp_path / "results")
    dabench(monkeypatch, "verify", file, "--out", archives)
    assert "all hold" in capsys.readouterr().out
    site.build([archives], tmp_path / "site")
    assert (tmp_path / "site" / "mock-noise" / "index.html").exists()


@pytest.mark.parametrize("archives", ["stale"], indirect=True)
def test_what_writes_is_found(archives):
    """The guard can fail."""
    with pytest.raises(PermissionError):
        files.score_run(archives / "guess" / "seed0")


@pytest.mark.parametrize("archives", ["stale"], indirect=True)
def test_figures_beside_archives_that_cannot_be_written_are_asked_for_elsewhere(
    archives, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["dabench", "plot", str(archives / "guess" / "seed0")])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert e.value.code == 2
    assert "choose another folder with --out" in capsys.readouterr().err

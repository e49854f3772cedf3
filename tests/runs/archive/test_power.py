"""What is left of an archive when the power is lost: whole cycles with their values, no more."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import zarr
from test_archive import ATTRS, labelled

from dabench.core import files, zarr_layout
from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.runs.archive.store import Archive

CYCLES = 4


class Disk:
    """What a disk surely holds of a folder: files and names as they were synced last.

    Arguments:
        root: The folder, which is empty.
    """

    def __init__(self, root: Path):
        self.root, self.number = root, root.stat().st_ino
        self.names: dict[int, dict[str, int]] = {self.number: {}}
        self.content: dict[int, bytes] = {}
        self.open: list[int] = []

    def sync(self, number: int) -> None:
        """Take the place of `os.fsync`; inodes stay in use, so that each number is one file."""
        self.open.append(os.dup(number))
        place = Path(os.readlink(f"/proc/self/fd/{number}"))
        if place.is_dir():
            self.names[os.fstat(number).st_ino] = _names(place)
        else:
            self.content[os.fstat(number).st_ino] = place.read_bytes()

    def after_the_loss(self, target: Path, names_arrived: bool) -> None:
        """Write what is left into a new folder.

        Arguments:
            names_arrived: Whether the disk has all names, synced or not, as it may by chance.
        """
        target.mkdir()
        if names_arrived:
            for file in self.root.rglob("*"):
                place = target / file.relative_to(self.root)
                if file.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(self.content.get(file.stat().st_ino, b""))
            return
        self._write(self.number, target)

    def _write(self, folder: int, target: Path) -> None:
        for name, number in self.names.get(folder, {}).items():
            if number in self.content:
                (target / name).write_bytes(self.content[number])
            else:
                (target / name).mkdir()
                self._write(number, target / name)


def _names(folder: Path) -> dict[str, int]:
    """Names in a folder with the numbers of their inodes, without those of files in writing."""
    return {p.name: p.stat().st_ino for p in folder.iterdir() if not p.name.endswith(".partial")}


@pytest.fixture
def disk(tmp_path, monkeypatch):
    root = tmp_path / "run"
    root.mkdir()
    disk = Disk(root)
    monkeypatch.setattr(os, "fsync", disk.sync)
    yield disk
    for number in disk.open:
        os.close(number)


def check(folder: Path, least: int) -> None:
    """The archive has `least` cycles or more, and all that it has are right."""
    run = read.open_run(folder)
    done = run.attrs["completed"]
    assert done >= least
    np.testing.assert_array_equal(run["mean/msl"][:, 0, 0], np.arange(done + 1))
    np.testing.assert_array_equal(run["members/t"][:, 2, 1, 0, 1], np.arange(done + 1))
    np.testing.assert_array_equal(run["diagnostics/ess"], np.arange(done + 1))
    restart = Archive(folder).restore([np.dtype("int64")])
    assert restart is not None
    assert restart.cycle >= done
    assert restart.leaves[0][0] == restart.cycle


@pytest.mark.parametrize("names_arrived", [True, False])
def test_every_cycle_that_is_marked_outlives_the_loss_of_power(
    disk, names_arrived, tmp_path, monkeypatch
):
    """It is lost after each file that takes its place in one cycle, and after every other cycle."""
    archive, losses, replace = Archive(disk.root), iter(range(100)), os.replace

    def lose(least: int) -> None:
        left = tmp_path / f"left{next(losses)}"
        disk.after_the_loss(left, names_arrived)
        check(left, least)

    def replace_and_lose(part: Path, place: Path) -> None:
        replace(part, place)
        lose(0)

    archive.create(labelled(1), 3600.0 * np.arange(CYCLES), ATTRS)
    for k in range(CYCLES):
        with monkeypatch.context() as m:
            if k == 1:
                m.setattr(os, "replace", replace_and_lose)
            archive.append(labelled(1, first=k))
            archive.mark(k, [np.array([k])])
        lose(k)


def test_the_disk_of_the_test_can_lose_what_was_not_synced(disk, monkeypatch, tmp_path):
    archive = Archive(disk.root)
    archive.create(labelled(1), 3600.0 * np.arange(CYCLES), ATTRS)
    monkeypatch.setattr(files, "sync", lambda paths: None)
    archive.append(labelled(1))
    archive.mark(0, [np.array([0])])
    disk.after_the_loss(tmp_path / "left", names_arrived=True)
    with pytest.raises(UserError, match=r"zarr.json: is damaged"):
        check(tmp_path / "left", 0)


def test_what_fails_in_a_block_changes_nothing(tmp_path):
    archive = Archive(tmp_path)
    archive.create(labelled(1), 3600.0 * np.arange(CYCLES), ATTRS)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with suppress(KeyError), zarr_layout.together(archive.store) as store:
        zarr.open_group(store, mode="r+").update_attributes({"completed": 3})
        raise KeyError
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before

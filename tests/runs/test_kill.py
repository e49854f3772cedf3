"""What is left when a process dies: every prefix readable, every end the same to the last bit."""

import shutil
import signal

import numpy as np
import pytest
import toy
import xarray as xr

from dabench.runs.archive import read

CYCLES = 120
RUN = ("run", "toy", "--method", "forecast", "--cycles", str(CYCLES), "--out")
FOLDER = "toy/toy/forecast/seed3"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Where an uninterrupted run lies, in runs/."""
    folder = tmp_path_factory.mktemp("whole")
    toy.playground(folder)
    assert toy.command(folder, *RUN, str(folder / "runs")) == 0, (folder / "log.txt").read_text()
    return folder


def starts(run: xr.DataTree, whole: xr.DataTree) -> bool:
    """Whether a run is the beginning of another."""
    n = run["truth"].sizes["cycle"]
    cut = {name: whole[name].to_dataset().isel(cycle=slice(0, n)) for name in whole.children}
    return toy.same(run, xr.DataTree.from_dict(cut))


def test_killed_six_times_a_run_ends_as_if_nothing_had_been(tmp_path, whole):
    toy.playground(tmp_path)
    reference, folder = read.open_run(whole / "runs" / FOLDER), tmp_path / "runs" / FOLDER
    completed = []
    for n in np.random.default_rng(0).integers(1, 1000, 6):
        code = toy.command(tmp_path, *RUN, str(tmp_path / "runs"), strike=(int(n), signal.SIGKILL))
        assert code == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
        if read.attributes(folder) is not None:
            run = read.open_run(folder)
            assert starts(run, reference)
            completed.append(run.attrs["completed"])
    assert completed == sorted(completed)
    assert 0 < completed[-1] < CYCLES
    assert toy.command(tmp_path, *RUN, str(tmp_path / "runs")) == 0
    assert toy.same(read.open_run(folder), reference)
    left = {p.name for p in folder.iterdir()}
    assert not [name for name in left if "part" in name or "restart" in name]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_says_how_to_go_on(tmp_path, whole, how):
    toy.playground(tmp_path)
    out = str(tmp_path / "runs")
    assert toy.command(tmp_path, *RUN, out, "--fresh", strike=(700, how)) == 130
    said = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in said
    assert f"dabench run toy --method forecast --cycles {CYCLES} --out {out}\n" in said
    assert read.open_run(tmp_path / "runs" / FOLDER).attrs["status"] == "running"
    assert toy.command(tmp_path, *RUN, out) == 0
    reference = read.open_run(whole / "runs" / FOLDER)
    assert toy.same(read.open_run(tmp_path / "runs" / FOLDER), reference)


def test_scores_are_whole_or_absent_before_whichever_change_the_process_dies(tmp_path, whole):
    shutil.copytree(whole / "runs", tmp_path / "runs")
    folder = tmp_path / "runs" / FOLDER
    files = [folder / "scores.json", folder / "scores.parquet"]
    reference = [path.read_bytes() for path in files]
    deaths = 0
    for change in range(1, 20):
        for path in files:
            path.unlink(missing_ok=True)
        code = toy.command(tmp_path, "score", str(folder), strike=(change, signal.SIGKILL))
        for path, content in zip(files, reference, strict=True):
            assert not path.exists() or path.read_bytes() == content
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
        deaths += 1
    assert code == 0
    assert deaths >= 4  # two files, each made and moved
    assert all(path.exists() for path in files)


def test_killed_six_times_a_leaderboard_is_whole_in_the_end(tmp_path, whole):
    toy.playground(tmp_path)
    shutil.copytree(whole / "runs" / "toy", tmp_path / "runs" / "toy")
    site, undisturbed = tmp_path / "runs" / "site", whole / "runs" / "leaderboard"
    build = ("leaderboard", "build", "runs", "--out", str(site))
    assert toy.command(whole, *build[:-1], str(undisturbed)) == 0, (whole / "log.txt").read_text()
    reference = content(undisturbed)
    codes = []
    for n in np.random.default_rng(1).permutation(np.arange(4, 54, 9)):
        codes.append(toy.command(tmp_path, *build, strike=(int(n), signal.SIGKILL)))
        for name, bytes_ in content(site).items():
            assert name == "leaderboard.json" or bytes_ == reference[name]
    assert set(codes) == {-signal.SIGKILL}, (tmp_path / "log.txt").read_text()
    assert toy.command(tmp_path, *build) == 0, (tmp_path / "log.txt").read_text()
    assert content(site) == reference
    assert not list((tmp_path / "runs").glob(".site.part"))


def content(site):
    """Every file of a site."""
    return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}

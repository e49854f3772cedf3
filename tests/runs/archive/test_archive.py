"""The archive's schema, its promises to readers, and who may write."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from patience import PATIENCE

from dabench.core import files
from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.runs.archive import read, store
from dabench.runs.archive.layout import GROUPS, RANKED, Record, label
from dabench.runs.archive.store import Archive

ATTRS = {"status": "running", "completed": -1}
TABLE = pd.DataFrame(
    {"variable": ["t", "t"], "level": [np.nan, 500.0], "error_std": [0.1, 0.2], "units": "K"}
)


def layout():
    levels = [Channel("t", "K", 850.0), Channel("t", "K", 500.0), Channel("msl", "Pa")]
    grid = {"latitude": np.array([-90.0, 0.0, 90.0]), "longitude": np.array([0.0, 180.0])}
    return Layout(tuple(levels), grid)


def record(cycles, members=3, first=0):
    """Mock data: every value tells its cycle."""
    k = np.arange(first, first + cycles, dtype=float)
    fields = np.broadcast_to(k[:, None, None], (cycles, 3, 6)).astype("float32")
    every = np.broadcast_to(k[:, None, None, None], (cycles, members, 3, 6)).astype("float32")
    y = np.broadcast_to(k[:, None], (cycles, 2))
    info = {"ess": k, "background_obs": y, "ancestor": np.zeros((cycles, members), "int32")}
    n = k.astype(int)
    return Record(n, 3600 * k, fields, fields.astype(float), fields.astype(float), every, y, info)


def labelled(*args, **kw):
    return label(layout(), TABLE, record(*args, **kw), calendar=True)


def write(folder, cycles=5, done=3):
    """An archive of `cycles` cycles of which `done` are complete."""
    a = Archive(folder)
    a.folder.mkdir(parents=True, exist_ok=True)
    a.create(labelled(1), 3600.0 * np.arange(cycles), ATTRS)
    a.append(labelled(done))
    a.mark(done - 1, [np.arange(3)])
    return a


def test_names_dimensions_and_units_are_those_of_the_layout_and_the_network(tmp_path):
    write(tmp_path)
    run = read.open_run(tmp_path)
    assert set(run.children) == set(GROUPS) - {"withheld", *RANKED}
    assert run["members/t"].dims == ("cycle", "member", "level", "latitude", "longitude")
    assert run["mean/msl"].dims == ("cycle", "latitude", "longitude")
    assert run["truth/t"].attrs["units"] == "K"
    np.testing.assert_array_equal(run["truth/t"].level, [850, 500])
    np.testing.assert_array_equal(run["observations"]["level"], [np.nan, 500])
    assert list(run["observations"]["variable"].values) == ["t", "t"]
    assert run["diagnostics/background_obs"].dims == ("cycle", "observation")
    assert run["mean"].time.values[1] == np.datetime64("1970-01-01T01:00")


def test_readers_see_whole_cycles_only(tmp_path):
    a = write(tmp_path)
    a.append(labelled(1, first=3))  # not marked
    run = read.open_run(tmp_path / "archive.zarr")
    assert run["mean"].sizes["cycle"] == 3
    np.testing.assert_array_equal(run["mean/msl"][:, 0, 0], [0, 1, 2])


def test_the_restart_file_wins_over_attributes_that_were_not_yet_written(tmp_path):
    a = write(tmp_path)
    a.update(completed=1)
    cycle, (leaf,) = a.restore([np.dtype(int)])
    assert cycle == 2
    np.testing.assert_array_equal(leaf, [0, 1, 2])


def test_litter_of_a_killed_process_disturbs_no_reader_and_is_swept(tmp_path):
    a = write(tmp_path)
    litter = [
        tmp_path / "archive.zarr" / "zarr.abc.partial",
        tmp_path / "archive.zarr" / "mean" / "zarr.abc.partial",
        tmp_path / "archive.zarr" / "mean" / "t" / "c" / "0" / "0.abc.partial",
        tmp_path / "restart.npz.1.part",
    ]
    for path in litter:
        path.write_text("half a fi")
    (tmp_path / "archive.zarr.1.part" / "mean").mkdir(parents=True)
    assert read.open_run(tmp_path)["mean"].sizes["cycle"] == 3
    a.clean()
    assert not [p for p in (*litter, tmp_path / "archive.zarr.1.part") if p.exists()]
    assert read.open_run(tmp_path)["mean"].sizes["cycle"] == 3


def test_small_states_share_chunks_and_large_ones_have_one_a_cycle():
    small = labelled(1)["members"]["t"]
    assert small.nbytes == 144
    assert store._cycles_a_chunk(small, 10_000) == 2**18 // 144
    assert store._cycles_a_chunk(small, 5) == 5
    assert store._cycles_a_chunk(small.pad(longitude=(0, 2000)), 1000) == 1


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path):
    path = tmp_path / "file"
    files.replace(path, b"old")
    with pytest.raises(TypeError), files.replacing(path) as f:
        f.writelines([b"ne", None])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_lost_restart_file_is_not_taken_for_a_fresh_start(tmp_path):
    a = write(tmp_path)
    a.restart.unlink()
    with pytest.raises(UserError, match=r"restart\.npz is gone; .*--fresh"):
        a.restore([])


@pytest.mark.parametrize("path", ["", "archive.zarr"])
def test_no_run_is_said_so(tmp_path, path):
    with pytest.raises(UserError, match="no run here"):
        read.open_run(tmp_path / path)


def test_reading_needs_no_jax(tmp_path):
    write(tmp_path)
    code = (
        "import sys; from dabench.runs.archive import read; run = read.open_run(sys.argv[1]);"
        "run['mean'].load(); assert 'jax' not in sys.modules, 'jax was imported'"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=PATIENCE)

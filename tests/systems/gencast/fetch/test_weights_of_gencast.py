"""The official files, from a bucket on the loopback and from a folder."""

import io

import numpy as np
import pytest
from mirror import official_files
from rich.console import Console

from dabench.core.errors import UserError
from dabench.systems.gencast import official
from dabench.systems.gencast.fetch import weights

MODEL = "gencast_1p0deg_mini"
CHECKPOINT = official.MODELS[MODEL].file
CACHED = "GenCast 1p0deg Mini _2019.npz"


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=500)


def said(console):
    return console.file.getvalue()


def test_names_and_address_are_the_published_ones():
    assert weights.BUCKET == "https://storage.googleapis.com/dm_graphcast/gencast"
    assert [m.file for m in official.MODELS.values()] == [
        "GenCast 1p0deg <2019.npz",
        "GenCast 1p0deg Mini <2019.npz",
        "GenCast 0p25deg <2019.npz",
        "GenCast 0p25deg Operational <2022.npz",
    ]


def test_a_model_is_fetched_with_statistics_and_examples_and_once(bucket, tmp_path, console):
    official_files(bucket.root)
    to = {"source": bucket.url, "dest": tmp_path / "cache", "console": console}
    found = weights.fetch(MODEL, examples=True, **to)
    assert {p.relative_to(tmp_path / "cache/gencast").as_posix() for p in found} == {
        f"params/{CACHED}",
        *(f"stats/{name}" for name in official.STATISTICS),
        f"dataset/{official.MODELS[MODEL].example}",
    }
    for path in found:
        name = CHECKPOINT if path.name == CACHED else path.name
        assert path.read_bytes() == (bucket.root / path.parent.name / name).read_bytes()
    assert said(console).count("MD5 verified") == 6
    assert said(console).count("Copernicus licence") == 1
    bucket.asked.clear()
    assert weights.fetch(MODEL, examples=True, **to) == found
    assert bucket.asked == []
    assert said(console).count("Copernicus licence") == 1


@pytest.mark.parametrize("layout", ["", "gencast", "flat"])
def test_a_local_mirror_may_be_laid_out_as_the_bucket_or_flat(layout, tmp_path, console):
    root = official_files(tmp_path / "mirror" / layout.replace("flat", ""))
    if layout == "flat":
        for path in [*root.rglob("*.n*")]:
            path.rename(root / path.name)
    found = weights.fetch(
        MODEL, source=str(tmp_path / "mirror"), dest=tmp_path / "cache", console=console
    )
    assert all(path.exists() for path in found)


@pytest.mark.parametrize("name", [CACHED, CHECKPOINT.replace("<", "%3C")])
def test_files_may_have_the_names_that_browsers_and_mirrors_give_them(name, tmp_path, console):
    file = official_files(tmp_path / "mirror") / "params" / CHECKPOINT
    file.rename(file.with_name(name))
    paths = weights.fetch(
        MODEL, source=str(tmp_path / "mirror"), dest=tmp_path / "cache", console=console
    )
    assert [path.name for path in paths if path.suffix == ".npz"] == [CACHED]
    assert paths[0].read_bytes() == file.with_name(name).read_bytes()


def test_names_in_the_cache_are_legal_on_windows():
    names = [m.file for m in official.MODELS.values()] + [*official.SAMPLES.values()]
    assert not {*'<>:"/\\|?*'} & {*"".join(map(official.cached_name, names))}
    for model in official.MODELS.values():
        assert official.known(f"folder/{official.cached_name(model.file)}") is model


def test_a_sample_is_one_file_of_frames(bucket, tmp_path, console):
    root = official_files(bucket.root) / "dataset"
    (root / official.MODELS[MODEL].example).rename(root / official.SAMPLES["gencast_sample"])
    to = {"source": bucket.url, "dest": tmp_path / "cache", "console": console}
    (path,) = weights.fetch("gencast_sample", **to)
    assert path == tmp_path / "cache/gencast/dataset" / (
        "source-era5_date-2019-03-29_res-1.0_levels-13_steps-30.nc"
    )


def test_a_dry_run_says_sizes_and_fetches_nothing(bucket, tmp_path, console):
    size = (official_files(bucket.root) / "params" / CHECKPOINT).stat().st_size
    weights.fetch(MODEL, source=bucket.url, dest=tmp_path / "cache", dry_run=True, console=console)
    assert f"({size / 1024:.3g} KiB)" in said(console)
    assert {command for command, *_ in bucket.asked} == {"HEAD"}
    assert not (tmp_path / "cache").exists()


def test_a_checkpoint_of_the_wrong_shape_is_refused(bucket, tmp_path, console):
    file = official_files(bucket.root) / "params" / CHECKPOINT
    with np.load(file) as loaded:
        arrays = dict(loaded)
    first = "params:grid2mesh_gnn/~_networks_builder/encoder_nodes_grid_nodes_mlp/~/linear_0:w"
    arrays[first] = arrays[first][:-1]
    with open(file, "wb") as f:
        np.savez(f, **arrays)
    with pytest.raises(UserError, match=r"linear_0:w has shape .* but its configuration needs"):
        weights.fetch(MODEL, source=bucket.url, dest=tmp_path / "cache", console=console)
    assert not (tmp_path / "cache/gencast/params" / CACHED).exists()


def test_statistics_that_are_no_netcdf_are_refused(bucket, tmp_path, console):
    (official_files(bucket.root) / "stats" / official.STATISTICS[0]).write_bytes(b"<html>")
    with pytest.raises(UserError, match="not a readable netCDF file"):
        weights.fetch(MODEL, source=bucket.url, dest=tmp_path / "cache", console=console)


def test_a_mirror_without_the_file_is_named(tmp_path, console):
    with pytest.raises(UserError, match="there is no such file"):
        weights.fetch(MODEL, source=str(tmp_path), dest=tmp_path / "cache", console=console)

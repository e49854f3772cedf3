"""GenCast on ERA5 from end to end, on small files of the official formats."""

import io
import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gencast_small as small
import numpy as np
import pytest
import xarray as xr
import zarr
from mirror import START, archive, official_files, write
from rich.console import Console

from dabench.cli.exchange import export
from dabench.cli.fetch import fetch
from dabench.core.errors import Caution, UserError
from dabench.leaderboard import site
from dabench.runs import cycle, estimate
from dabench.runs import execute as running
from dabench.runs.archive import read
from dabench.runs.exchange.import_ import import_store
from dabench.scenario.load import load_scenario
from dabench.scenario.scenario import Choice
from dabench.scores.files import score_run
from dabench.systems import make
from dabench.systems.gencast import official, system
from dabench.systems.gencast.network import graph
from dabench.systems.gencast.sources import warn_of_training_years

MODEL = "gencast_1p0deg_mini"
SCENARIO = """
title: Tiny
source: none
system: {name: gencast, model: gencast_1p0deg_mini}
observations:
  - {name: temperature, variables: [temperature], levels: [surface, all],
     locations: {grid: 20}, error_std: 1.0}
  - {name: land, variables: [mean_sea_level_pressure], levels: [surface],
     locations: {land: 20}, error_std: 100}
period: {start: "2019-01-01T00:00", cycles: 3}
initial: {kind: truth}
"""
CHEAP = "{method: ab3, levels: 3, sigma_max: 80.0, sigma_min: 0.05}"
BASELINES = {
    "fa_apf": f"{{name: fa_apf, guidance: {{iterations: 1}}, sampler: {CHEAP}}}",
    "ensemble": f"{{name: ensemble, sampler: {CHEAP}}}",
    "letkf": f"{{name: letkf, sampler: {CHEAP}}}",
}
"""A method that guides draws, one that does not, and one with an analysis after them."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A bucket and an archive."""
    root = tmp_path_factory.mktemp("sources")
    return official_files(root / "bucket"), write(archive(), root / "archive.zarr")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory with a scenario of its own; the published model is a tiny one of 10°."""
    tiny = replace(official.MODELS[MODEL], resolution=10.0)
    monkeypatch.setitem(official.MODELS, MODEL, tiny)
    monkeypatch.setattr(official, "TASK", replace(official.TASK, pressure_levels=(300, 500, 850)))
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("scenarios/era5").mkdir(parents=True)
    Path("scenarios/era5/tiny.yaml").write_text(SCENARIO)
    for name, settings in BASELINES.items():
        Path("baselines/era5/tiny").mkdir(parents=True, exist_ok=True)
        text = f"members: 4\nfilter: {settings}\n"
        Path(f"baselines/era5/tiny/{name}.yaml").write_text(text)


@pytest.fixture
def fetched(sources):
    bucket, far = map(str, sources)
    fetch([MODEL], source=bucket)
    fetch(["era5"], scenario="era5/tiny", source=far)


def runs(*methods, **options):
    quiet = Console(file=io.StringIO())
    return running.run("era5/tiny", methods=methods, console=quiet, **options)


@pytest.mark.slow
def test_fetched_files_run_with_every_kind_of_method(fetched, sources):
    folders = runs(*BASELINES)
    assert [f.parts[-5:] for f in folders] == [
        ("runs", "era5", "tiny", "gencast", m, "seed0")[-5:] for m in BASELINES
    ]
    truth = xr.open_zarr(sources[1]).sel(time=np.datetime64("2019-01-02T12"), level=500)
    for folder in folders:
        tree = read.open_run(folder)
        assert tree.attrs["status"] == "complete"
        assert str(tree["truth"]["time"].values[-1])[:13] == "2019-01-02T12"
        last = tree["truth"].isel(cycle=-1)
        np.testing.assert_array_equal(
            last["geopotential"].sel(level=500), truth["geopotential"][::-1][::2, ::2]
        )
        sst, members = last["sea_surface_temperature"], tree["members"].isel(cycle=-1)
        assert 0 < int(sst.isnull().sum()) < sst.size
        assert not any(bool(v.isnull().any()) for v in members.data_vars.values())
        scores = score_run(folder)
        assert scores.variables["sea_surface_temperature"].valid_fraction < 0.9
        assert all(s.value is not None for key, s in scores.scores.items() if key.metric == "rmse")
    exported(folders[0])


def exported(folder):
    """The analysis and its truth, readable as any other store."""
    export(folder)
    store = folder / "weatherbench2" / "forecast.zarr"
    with (
        xr.open_zarr(store, consolidated=True) as found,
        xr.open_zarr(store.with_name("truth.zarr")) as truth,
    ):
        assert list(found["time"].values[[0, -1]]) == [START, START + np.timedelta64(36, "h")]
        assert (
            found["sea_surface_temperature"].isnull().all("number")
            == truth["sea_surface_temperature"].isnull()
        ).all()
    back = import_store(str(store), "era5/tiny", "again")
    ours, theirs = (score_run(f).scores for f in (folder, back))
    assert ours.keys() == theirs.keys()
    for key, score in ours.items():
        assert score.value == pytest.approx(theirs[key].value, rel=1e-6), key
    ranked(folder, back)


def ranked(*folders):
    """Ours and the external one on one board."""
    page = site.build(list(folders), Path("site"))
    heads = re.findall(r"<th scope=.?row[^\n]*", page.read_text())
    for method in ("FA-APF", "external-again"):
        assert any(f">{method}<" in head for head in heads), method


def test_a_dry_run_says_what_fits_and_archives_nothing(fetched, capsys):
    printed = io.StringIO()
    plan = running.plan("era5/tiny", methods=["ensemble"])
    estimate.show(plan, None, Console(file=printed, width=120))
    told = printed.getvalue()
    assert "members in the model;" in told
    assert "32832 numbers (2, 24, 684) in float32" in told
    assert re.search(r"ensemble +4 +3 +- ", told) or re.search(r"ensemble +4 +3 +0 ", told), told
    assert not Path("runs").exists()


@pytest.fixture
def made(fetched):
    return make.system(load_scenario("era5/tiny"))


def test_truth_is_two_frames_and_land_has_no_sea_temperature(made, sources):
    x = made.layout.unflatten(made.truth(0, 2))
    assert x.shape == (3, 2, 24, 684)
    np.testing.assert_array_equal(x[1:, 0], x[:-1, 1])
    far = xr.open_zarr(sources[1])
    for frame, time in ((0, "2018-12-31T12"), (1, "2019-01-01T00")):
        there = far["2m_temperature"].sel(time=np.datetime64(time)).values[::-1][::2, ::2]
        np.testing.assert_array_equal(
            x[0, frame, made.layout.channel("2m_temperature")], there.ravel()
        )
    land = np.isnan(x[0, 1, made.layout.channel("sea_surface_temperature")])
    np.testing.assert_array_equal(
        land.reshape(19, 36), far["land_sea_mask"].values[::-1][::2, ::2] > 0.5
    )
    np.testing.assert_array_equal(land, made.layout.land)


def test_land_may_be_observed_and_output_projected_and_digests_say_so(made, sources):
    scenario = load_scenario("era5/tiny")
    options = {"land": "free", "project": True}
    choice = Choice(name="gencast", **{**scenario.system.settings, **options})
    other = make.system(scenario.model_copy(update={"system": choice}))
    assert made.layout.undefined is not None
    assert other.layout.undefined is None
    sst = made.layout.channel("sea_surface_temperature")
    x = other.layout.unflatten(other.truth(0, 1))[:, :, sst]
    np.testing.assert_array_equal(x[:, :, made.layout.land], other.model.normaliser.fill)
    assert (other.model.project, made.model.project) == (True, False)
    assert other.digest != made.digest


def test_without_a_climate_there_is_a_state_of_means(made, sources):
    x = made.layout.unflatten(made.climate)
    mean = xr.load_dataset(sources[0] / "stats/mean_by_level.nc")
    assert x.shape == (1, 2, 24, 684)
    t500 = made.layout.channel("temperature", 500)
    np.testing.assert_array_equal(x[0, :, t500], np.float32(mean["temperature"].sel(level=500)))
    assert np.isfinite(x).all()


def test_the_layout_is_known_without_files(made, monkeypatch, tmp_path):
    monkeypatch.setenv("DABENCH_CACHE", str(tmp_path / "empty"))
    layout = make.layout(load_scenario("era5/tiny"))
    assert layout.channels == made.layout.channels
    assert layout.shape == made.layout.shape
    for name, values in made.layout.coords.items():
        np.testing.assert_array_equal(layout.coords[name], values)


def test_a_restart_ends_with_the_same_bits(fetched, monkeypatch):
    monkeypatch.setattr(cycle, "FLUSH_SECONDS", 0.0)
    (whole,) = runs("ensemble", out="whole")
    record = cycle._Loop._record

    def interrupted(self, k, *rest):
        if k == 2:
            raise KeyboardInterrupt
        return record(self, k, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(cycle._Loop, "_record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            runs("ensemble", out="parts")
    (parts,) = runs("ensemble", out="parts")
    a, b = (read.open_run(f)["members"].to_dataset().load() for f in (whole, parts))
    assert a.equals(b)


def test_a_corrupt_frame_stops_the_run_before_the_first_cycle(fetched, tmp_path):
    (store,) = (tmp_path / "cache/era5").glob("*.zarr")
    zarr.open_array(store, path="temperature", mode="r+")[0, 3, 0, 0, 0] += 1
    with pytest.raises(UserError, match="frame 2019-01-02T00: does not have the checksum"):
        runs("ensemble")
    assert not list(Path("runs").rglob("archive.zarr"))


def refused(pattern, **changes):
    settings = {"model": MODEL, "start": "2019-01-01T00:00"} | changes
    with pytest.raises(UserError, match=pattern):
        system.gencast(**settings).truth(0, 3)


def test_what_is_not_there_is_named_with_the_command_that_gets_it(sources):
    refused("`dabench fetch gencast_1p0deg_mini` gets it")
    fetch([MODEL], source=str(sources[0]))
    refused(r"2 of 2 frames of ERA5 at 10 degrees .*`dabench fetch era5")


def test_a_wrong_model_is_refused(fetched):
    refused("no file gencast_2p0deg", model="gencast_2p0deg")
    refused("is a model of 10.0 degrees, not 5.0", resolution=5.0)
    refused("3 of 5 frames of ERA5", start="2019-01-02T12:00")
    refused("not at 00, 06, 12 or 18", start="2019-01-01T01:00")


def test_perturbed_members_need_a_climate(made):
    with pytest.raises(UserError, match="climate to 2 or more"):
        made.perturb(None, None, 1.0)


def test_training_years_are_a_caution():
    times = [np.datetime64(t, "h") for t in ("2018-12-31T12", "2019-01-01T00")]
    with pytest.warns(Caution, match="trained on 1979 to 2018.*not a causal evaluation"):
        warn_of_training_years(MODEL, times)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_training_years(MODEL, times[1:])
        warn_of_training_years("my.npz", times)


def test_a_mesh_too_fine_for_the_grid_is_refused():
    """Mesh 4 belongs to one degree; here are ten."""
    edges = graph.build(np.linspace(-90, 90, 19), np.arange(36) * 10.0, 4, 0.6)
    config = small.with_network(mesh_size=4)
    network = SimpleNamespace(graph=edges, grid_nodes=684, mesh_nodes=2562, config=config)
    with pytest.raises(UserError, match="wrong checkpoint for a grid of 684 points: with mesh 4"):
        system._fits(SimpleNamespace(network=network))

"""Runs as WeatherBench 2 reads them."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import mock_run
import numpy as np
import pytest
import xarray as xr
from patience import PATIENCE
from toy import Model

from dabench.cli.exchange import export
from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.runs.archive.read import open_run
from dabench.runs.exchange import background, evaluation, recorded
from dabench.runs.exchange import export as weatherbench2
from dabench.scores.metrics import deterministic, ensemble, regions


@pytest.fixture
def run(tmp_path):
    """Two variables, nine cycles, four members; one point without truth."""
    rec = mock_run.record(mock_run.SPHERE)
    rec.truth[:, 0, 5] = np.nan
    mock_run.write(tmp_path / "seed0", rec=rec)
    return tmp_path / "seed0", rec


def test_a_store_has_the_layout_that_weatherbench2_reads(run):
    folder, rec = run
    store = weatherbench2.export(folder, folder / "wb2")
    assert (store / ".zmetadata").exists()
    with xr.open_zarr(store, consolidated=True, decode_timedelta=True) as data:
        assert data.sizes["time"] == 10
        assert data["time"].values[0] == np.datetime64("1970-01-01", "ns")
        assert data["time"].values[1] - data["time"].values[0] == np.timedelta64(12, "h")
        assert data["prediction_timedelta"].dtype.kind == "m"
        assert data["prediction_timedelta"].values == np.timedelta64(0, "h")
        assert list(data["number"]) == [0, 1, 2, 3]
        assert data["level"].dtype.kind == "i"
        assert (np.diff(data["latitude"]) > 0).all()
        t = data["temperature"]
        assert t.dims == (
            "time",
            "number",
            "prediction_timedelta",
            "level",
            "latitude",
            "longitude",
        )
        assert t.dtype == np.float32
        assert t.encoding["chunks"] == (1, 4, 1, 2, 7, 8)
        assert t.attrs["units"] == "K"
        expected = rec.members[:, :, 1:3].reshape(10, 4, 1, 2, 7, 8)
        np.testing.assert_array_equal(t, expected)
    metadata = json.loads((store / ".zmetadata").read_text())["metadata"]
    assert metadata["prediction_timedelta/.zattrs"]["units"] == "hours"
    assert metadata["prediction_timedelta/.zarray"]["dtype"] == "<i8"


def test_where_the_truth_has_no_value_members_have_none(run):
    folder, rec = run
    store = weatherbench2.export(folder, folder / "wb2")
    with xr.open_zarr(store) as data, xr.open_zarr(store.with_name("truth.zarr")) as truth:
        assert truth["2m_temperature"].dims == ("time", "latitude", "longitude")
        np.testing.assert_array_equal(truth["2m_temperature"], rec.truth[:, 0].reshape(10, 7, 8))
        missing = np.isnan(data["2m_temperature"].values).reshape(10, 4, 56)
        np.testing.assert_array_equal(np.flatnonzero(missing.all((0, 1))), [5])
        assert missing.sum() == 40


def twelve_hours(rec, monkeypatch, truth_after=True):
    """A system whose forecast is x' = x(12 h before) + x(now) + time in cycles."""
    layout = mock_run.SPHERE

    class Sum(Model):
        def forecast(self, keys, x, time):
            frames = layout.unflatten(x)
            new = frames[:, 0] + frames[:, 1] + time.astype(x.dtype) / 43200
            return jnp.stack([frames[:, 1], new], 1).reshape(x.shape)

    def truth(seed, cycles):
        if not truth_after:
            raise UserError("the trajectory has 9 cycles")
        return np.full((cycles + 1, layout.size), cycles, "float32")

    first = np.zeros((4, layout.size), "float32")
    whole = SimpleNamespace(
        problem=Problem(Sum(), None, None),
        scenario=SimpleNamespace(seed=0, period=SimpleNamespace(cycles=9)),
        system=SimpleNamespace(layout=layout, cycle_seconds=43200.0, truth=truth),
        twin=SimpleNamespace(times=rec.time, initial=lambda n: first),
    )
    monkeypatch.setattr(background, "experiment", lambda attrs: whole)


def test_the_second_lead_is_the_models_forecast_of_the_whole_state(run, monkeypatch):
    """Members follow their ancestors."""
    folder, rec = run
    twelve_hours(rec, monkeypatch)
    export(folder, background=True)
    store = folder / "weatherbench2" / "forecast.zarr"
    with xr.open_zarr(store, decode_timedelta=True) as data:
        leads = data["prediction_timedelta"].values
        np.testing.assert_array_equal(leads, np.array([0, 12], "m8[h]"))
        t500 = data["temperature"].sel(level=500).isel(prediction_timedelta=1).values
    np.testing.assert_array_equal(t500[0], np.ones((4, 7, 8)))
    for k in (1, 9):
        older = rec.members[k - 1][rec.info["ancestor"][k], 2]
        expected = older + rec.members[k][:, 2] + np.float32(k + 1)
        np.testing.assert_allclose(t500[k].reshape(4, -1), expected, rtol=1e-6)
    with xr.open_zarr(store.with_name("truth.zarr")) as truth:
        assert truth["time"].values[-1] == np.datetime64("1970-01-06T00", "ns")
        np.testing.assert_array_equal(truth["temperature"].isel(time=10), np.full((2, 7, 8), 10))
        np.testing.assert_array_equal(
            truth["temperature"].isel(time=9).values.reshape(2, -1), rec.truth[9, 1:3]
        )


def flags(command):
    """What a command of the script says, by name; every word but the first two is a flag."""
    python, script, *words = shlex.split(command)
    assert (python, script) == ("python", "scripts/evaluate.py")
    pairs = [word.removeprefix("--").split("=", 1) for word in words]
    assert all(word.startswith("--") for word in words)
    return dict(pairs)


def printed(capsys):
    """The flags of the command that an export printed."""
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("evaluate  ")
    return flags(line.removeprefix("evaluate  "))


@pytest.mark.parametrize("truth_after", [True, False])
def test_the_printed_command_finds_all_that_it_names(run, truth_after, monkeypatch, capsys):
    """Every valid time has a truth, or the period ends a cycle before; land has its mask."""
    folder, rec = run
    twelve_hours(rec, monkeypatch, truth_after)
    land = np.linspace(0, 1, 56)
    monkeypatch.setattr(recorded, "land", lambda attrs: land)
    export(folder, background=True)
    given = printed(capsys)
    forecast = xr.open_zarr(given["forecast_path"], decode_timedelta=True)
    truth, climate = (xr.open_zarr(given[f"{name}_path"]) for name in ("obs", "climatology"))
    assert "latitude" in climate.coords
    names, levels = given["variables"].split(","), [int(x) for x in given["levels"].split(",")]
    assert sorted(names) == ["2m_temperature", "temperature", "u_component_of_wind"]
    period = slice(given["time_start"], given["time_stop"])
    chosen = forecast[names].sel(level=levels, time=period)
    assert list(chosen["level"]) == [250, 500]
    assert chosen.sizes["time"] == (7 if truth_after else 6)  # of nine cycles two are spin-up
    valid = chosen["time"].values[:, None] + chosen["prediction_timedelta"].values
    truth[names].sel(time=valid.ravel())
    assert given["skipna"] == "True"  # a point has no truth
    assert given["regions"] == "global,global_land"
    mask = truth["land_sea_mask"].transpose("latitude", "longitude").values
    np.testing.assert_allclose(mask.ravel(), land, rtol=1e-6)
    assert Path(given["output_dir"]).parent == Path(given["forecast_path"]).parent


def test_the_command_has_no_flag_that_is_not_needed(tmp_path, capsys):
    alone = Layout((Channel("2m_temperature", "K"),), mock_run.SPHERE.coords)
    mock_run.write(tmp_path, alone)
    export(tmp_path)
    assert not {"levels", "skipna", "regions"} & set(printed(capsys))


def test_what_cannot_be_exported_is_said(run, tmp_path):
    folder, _ = run
    (folder / "there").mkdir()
    with pytest.raises(UserError, match="is there already"):
        weatherbench2.export(folder, folder / "there")
    with pytest.raises(UserError, match="known are weatherbench2"):
        export(folder, "grib")
    mock_run.write(tmp_path / "toy", mock_run.SITES)
    with pytest.raises(UserError, match="latitude and longitude alone"):
        weatherbench2.export(tmp_path / "toy", tmp_path / "out")
    rec = mock_run.record(mock_run.SPHERE)._replace(members=None)
    mock_run.write(tmp_path / "mean", rec=rec)
    with pytest.raises(UserError, match="--store-members"):
        weatherbench2.export(tmp_path / "mean", tmp_path / "out")


def test_a_layout_undoes_its_own_labels():
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(2, 3, *mock_run.SPHERE.shape[1:]))
    labelled = mock_run.SPHERE.to_dataset(fields, ("cycle", "member"))
    back = mock_run.SPHERE.from_dataset(labelled.transpose("latitude", ...), ("cycle", "member"))
    np.testing.assert_array_equal(back, fields)


def test_the_official_script_runs_as_printed_and_scores_as_we_do(run, monkeypatch, capsys):
    """On the whole period with both leads, missing values skipped, with regions of land."""
    package = pytest.importorskip("weatherbench2")
    checkout = Path(package.__file__).parents[1]
    if not (checkout / evaluation.SCRIPT).exists():
        pytest.skip("weatherbench2 is not installed from its repository, which has the script")
    folder, rec = run
    twelve_hours(rec, monkeypatch)
    land = np.linspace(0, 1, 56)
    monkeypatch.setattr(recorded, "land", lambda attrs: land)
    export(folder, background=True)
    line = capsys.readouterr().out.splitlines()[-1].removeprefix("evaluate  ")
    words = [sys.executable, *shlex.split(line)[1:]]
    subprocess.run(words, cwd=checkout, check=True, timeout=PATIENCE)
    theirs = xr.load_dataset(Path(flags(line)["output_dir"]) / "probabilistic.nc")
    theirs = theirs["temperature"].isel(lead_time=0)
    members, true = (open_run(folder)[g]["temperature"][3:] for g in ("members", "truth"))
    weights = regions.area_weights(true, ["global"])
    ours = {
        "crps": ensemble.crps(members, true),
        "ensemble_mean_mse": deterministic.squared_error(members.mean("member"), true),
        "ensemble_variance": members.var("member", ddof=1),
    }
    for name, field in ours.items():
        expected = regions.spatial_mean(field, weights).mean("cycle")[0]
        np.testing.assert_allclose(theirs.sel(metric=name, region="global"), expected, rtol=1e-5)
    assert np.isfinite(theirs.sel(region="global_land")).all()

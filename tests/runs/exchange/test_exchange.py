"""Runs as WeatherBench 2 reads them, and its stores as runs."""

import json
from types import SimpleNamespace

import jax.numpy as jnp
import mock_run
import numpy as np
import pytest
import xarray as xr
from toy import Model

from dabench.cli.exchange import export
from dabench.core.errors import UserError
from dabench.filters.base import Problem
from dabench.runs.archive.read import open_run
from dabench.runs.exchange import background, import_
from dabench.runs.exchange import export as weatherbench2
from dabench.scores.metrics import ensemble, regions

START = np.datetime64("2019-01-01T00", "ns")


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


def test_the_second_lead_is_the_models_forecast_of_the_whole_state(run, monkeypatch):
    """x' = x(12 h before) + x(now) + time in cycles, members following their ancestors."""
    folder, rec = run
    layout = mock_run.SPHERE

    class Sum(Model):
        def forecast(self, keys, x, time):
            frames = layout.unflatten(x)
            new = frames[:, 0] + frames[:, 1] + time.astype(x.dtype) / 43200
            return jnp.stack([frames[:, 1], new], 1).reshape(x.shape)

    first = np.zeros((4, layout.size), "float32")
    whole = SimpleNamespace(
        problem=Problem(Sum(), None, None),
        system=SimpleNamespace(layout=layout, cycle_seconds=43200.0),
        twin=SimpleNamespace(times=rec.time, initial=lambda n: first),
    )
    monkeypatch.setattr(background, "experiment", lambda attrs: whole)
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


def store(members=3, **changes):
    """Someone else's analyses: other names, another order, latitude descending."""
    lat, lon = mock_run.SPHERE.coords["latitude"][::-1], mock_run.SPHERE.coords["longitude"]
    values = np.random.default_rng(0).normal(size=(2, 2, members, 8, 7, 2)).astype("float32")
    dims = ("prediction_timedelta", "time", "realization", "longitude", "latitude", "level")
    coords = {
        "prediction_timedelta": np.array([0, 12], "m8[h]").astype("m8[ns]"),
        "time": START + np.array([0, 12], "m8[h]"),
        "longitude": lon,
        "latitude": lat,
        "level": [250, 500],
    }
    return xr.Dataset({"temperature": (dims, values)}, coords | changes)


def test_any_order_of_dimensions_and_any_name_of_members_is_read():
    data = store()
    renamed = import_.analyses(data, "x")
    layout = import_.shared_layout(mock_run.SPHERE, renamed, "x")
    assert [(c.name, c.level) for c in layout.channels] == [
        ("temperature", 250.0),
        ("temperature", 500.0),
    ]
    fields = layout.from_dataset(renamed.isel(time=1), ("member",))
    expected = data["temperature"].values[0, 1].transpose(0, 3, 2, 1)[..., ::-1, :]
    np.testing.assert_array_equal(fields, expected.reshape(3, 2, 56))
    alone = import_.analyses(data.isel(realization=0), "x")
    assert alone.sizes["member"] == 1


def test_a_layout_undoes_its_own_labels():
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(2, 3, *mock_run.SPHERE.shape[1:]))
    labelled = mock_run.SPHERE.to_dataset(fields, ("cycle", "member"))
    back = mock_run.SPHERE.from_dataset(labelled.transpose("latitude", ...), ("cycle", "member"))
    np.testing.assert_array_equal(back, fields)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda d: d.isel(prediction_timedelta=[1]), "no lead 0 h"),
        (lambda d: d.rename(temperature="t"), "none of the scenario's variables"),
        (lambda d: d.isel(latitude=slice(1, None)), "latitude is not that of the scenario"),
        (lambda d: d.rename(longitude="x"), "no coordinate longitude"),
    ],
)
def test_stores_that_do_not_fit_are_refused(change, pattern):
    def read(data):
        return import_.shared_layout(
            mock_run.SPHERE, import_.analyses(data, "theirs.zarr"), "theirs"
        )

    with pytest.raises(UserError, match=pattern):
        read(change(store()))


def test_installed_weatherbench2_scores_an_export_as_we_do(run):
    evaluation = pytest.importorskip("weatherbench2.evaluation")
    from weatherbench2 import config, metrics

    folder, rec = run
    rec.truth[:, 0, 5] = rec.mean[:, 0, 5]  # that script's means have no place for a missing value
    mock_run.write(folder, rec=rec)
    store = weatherbench2.export(folder, folder / "wb2")
    everything = config.Selection(["2m_temperature"], time_slice=slice(None))
    truth = str(store.with_name("truth.zarr"))
    paths = config.Paths(str(store), truth, output_dir=str(folder / "scores"))
    scores = {
        "crps": metrics.CRPS(ensemble_dim="number"),
        "mse": metrics.EnsembleMeanMSE(ensemble_dim="number"),
        "variance": metrics.EnsembleVariance(ensemble_dim="number"),
    }
    evals = {"all": config.Eval(scores)}
    evaluation.evaluate_in_memory(config.Data(everything, paths, by_init=True), evals)
    theirs = xr.load_dataset(folder / "scores" / "all.nc")["2m_temperature"].isel(lead_time=0)

    members, true = (open_run(folder)[g]["2m_temperature"] for g in ("members", "truth"))
    weights = regions.area_weights(true, ["global"])
    ours = {
        "crps": ensemble.crps(members, true),
        "mse": ensemble.mean_squared_error(members, true),
        "variance": ensemble.variance(members),
    }
    for name, field in ours.items():
        expected = regions.spatial_mean(field, weights).mean()
        np.testing.assert_allclose(theirs.sel(metric=name), expected, rtol=1e-5)

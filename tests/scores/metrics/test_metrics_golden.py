"""Every metric against what WeatherBench 2's own code gave, on every golden set there is.

Sets: tests/data/wb2, and those of the directories in DABENCH_WB2_GOLDEN (os.pathsep separated;
each holds sets, or is one).
"""

import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dabench.scores.metrics import (
    area_weights,
    cell_area,
    deterministic,
    ensemble,
    rank,
    spatial_mean,
)
from dabench.scores.metrics.categorical import brier, gaussian_threshold, ignorance, rps

pytestmark = pytest.mark.golden

HERE = Path(__file__).parents[2] / "data" / "wb2"
ENSEMBLE_DIMS = {"number", "realization", "sample", "member"}
ELSEWHERE = ("central_reliability", "seeps")
"""Groups of scores in other golden sets that dabench does not have."""


def golden_sets() -> list[Path]:
    others = os.environ.get("DABENCH_WB2_GOLDEN", "").split(os.pathsep)
    roots = [HERE, *map(Path, filter(None, others))]
    folders = [folder for root in roots for folder in (root, *sorted(root.iterdir()))]
    return [folder for folder in folders if (folder / "forecast.nc").exists()]


def outputs() -> list:
    files = [f for d in golden_sets() for f in sorted(d.glob("wb2_f??_*.nc"))]
    return [
        pytest.param(file, id=f"{file.parent.name}-{file.stem}")
        for file in files
        if not file.stem.split("_", 2)[2].startswith(ELSEWHERE)
    ]


@functools.lru_cache(maxsize=2)
def load(directory: Path, dtype: str) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset | None]:
    """Forecast (ensemble dimension "member"), truth, climatology."""

    def read(name: str) -> xr.Dataset:
        with xr.open_dataset(directory / name) as ds:
            return ds.load().map(lambda v: v.astype(dtype) if v.dtype.kind == "f" else v)

    forecast, truth = read("forecast.nc"), read("truth.nc")
    dim = next(d for d in forecast.dims if d in ENSEMBLE_DIMS)
    climatology = read("climatology.nc") if (directory / "climatology.nc").exists() else None
    return forecast.rename({dim: "member"}), truth, climatology


class Case:
    """One golden set: its fields, and weights for the regions of an output file."""

    def __init__(self, file: Path):
        self.golden = xr.open_dataset(file).load()
        self.dtype = {"f32": "float32", "f64": "float64"}[file.stem.split("_")[1]]
        self.group = file.stem.split("_", 2)[2]
        self.forecast, self.truth, self.climatology = load(file.parent, self.dtype)
        self.skipna = self.group.endswith("skipna1")
        if "region" in self.golden.dims:
            land = self.truth.get("land_sea_mask")
            self.weights = area_weights(self.truth, self.golden["region"].values.tolist(), land)

    def clim(self, name: str) -> xr.DataArray:
        """The climatology at the times of the truth."""
        index = {"dayofyear": self.truth["time"].dt.dayofyear}
        if "hour" in self.climatology[name].dims:
            index["hour"] = self.truth["time"].dt.hour
        return self.climatology[name].sel(index).drop_vars(["dayofyear", "hour"], errors="ignore")

    def thresholds(self, name: str) -> dict[float, xr.DataArray]:
        quantiles = self.golden["quantile"].values if "quantile" in self.golden.dims else None
        if quantiles is None:
            quantiles = self.climatology["quantile"].values
        if "gaussian" in self.group:
            mean, std = self.clim(name), self.clim(f"{name}_std")
            return {q: gaussian_threshold(mean, std, q) for q in quantiles}
        table = self.clim(f"{name}_quantile")
        return {
            q: table.sel(quantile=q, method="nearest", tolerance=0.01).drop_vars("quantile")
            for q in quantiles
        }


def probabilistic(case: Case, name: str) -> dict[str, xr.DataArray]:
    x, y, w, skipna = case.forecast[name], case.truth[name], case.weights, case.skipna
    means = {k: spatial_mean(v, w, skipna) for k, v in pointwise(x, y).items()}
    return means | {
        "energy_score": ensemble.energy_score(x, y, w, skipna=skipna),
        "energy_score_skill": ensemble.energy_score_skill(x, y, w, skipna=skipna),
        "energy_score_spread": ensemble.energy_score_spread(x, w, skipna=skipna),
        "ensemble_mean_rmse_sqrt_before_time_avg": np.sqrt(means["ensemble_mean_mse"]),
        "ensemble_stddev_sqrt_before_time_avg": np.sqrt(means["ensemble_variance"]),
    }


def pointwise(x: xr.DataArray, y: xr.DataArray) -> dict[str, xr.DataArray]:
    return {
        "crps": ensemble.crps(x, y),
        "crps_skill": ensemble.crps_skill(x, y),
        "crps_spread": ensemble.crps_spread(x),
        "ensemble_mean_mse": deterministic.squared_error(ensemble.mean(x), y),
        "debiased_ensemble_mean_mse": ensemble.debiased_squared_error(
            ensemble.mean(x), ensemble.variance(x), y, x.sizes["member"]
        ),
        "ensemble_variance": ensemble.variance(x),
    }


def ensmean_deterministic(case: Case, name: str) -> dict[str, xr.DataArray]:
    if name.endswith("wind_vector"):
        prefix = name.removesuffix("wind_vector")
        parts = [f"{prefix}{c}_component_of_wind" for c in "uv"]
        u, v = (
            deterministic.squared_error(ensemble.mean(case.forecast[p]), case.truth[p])
            for p in parts
        )
        mse = spatial_mean(u + v, case.weights, case.skipna)
        return {"mse": mse, "rmse_sqrt_before_time_avg": np.sqrt(mse)}
    f, y = ensemble.mean(case.forecast[name]), case.truth[name]
    errors = {
        "mse": deterministic.squared_error(f, y),
        "bias": deterministic.error(f, y),
        "mae": deterministic.absolute_error(f, y),
    }
    means = {name: spatial_mean(v, case.weights, case.skipna) for name, v in errors.items()}
    return means | {"rmse_sqrt_before_time_avg": np.sqrt(means["mse"])}


def ensmean_acc(case: Case, name: str) -> dict[str, xr.DataArray]:
    f = ensemble.mean(case.forecast[name])
    return {"acc": deterministic.acc(f, case.truth[name], case.clim(name), case.weights)}


def binary(case: Case, name: str) -> dict[str, xr.DataArray]:
    x, y, thresholds = case.forecast[name], case.truth[name], case.thresholds(name)

    def over_quantiles(score) -> xr.DataArray:
        parts = [spatial_mean(score(t), case.weights) for t in thresholds.values()]
        return xr.concat(parts, xr.DataArray(list(thresholds), dims="quantile", name="quantile"))

    return {
        "brier_score": over_quantiles(lambda t: brier(x, y, t)),
        "debiased_brier_score": over_quantiles(lambda t: brier(x, y, t, fair=True)),
        "ignorance_score": over_quantiles(lambda t: ignorance(x, y, t)),
    }


def ranked(case: Case, name: str) -> dict[str, xr.DataArray]:
    x, y, thresholds = case.forecast[name], case.truth[name], case.thresholds(name)
    return {"rps": spatial_mean(rps(x, y, list(thresholds.values())), case.weights)}


def spatial(case: Case, name: str) -> dict[str, xr.DataArray]:
    times = case.golden["time"]
    return pointwise(case.forecast[name].sel(time=times), case.truth[name].sel(time=times))


def histogram(case: Case, name: str) -> xr.DataArray:
    """Share of the points that have each rank."""
    ranks = rank.rank(case.forecast[name], case.truth[name])
    bins = xr.DataArray(np.arange(case.forecast.sizes["member"] + 1), dims="bins", name="bins")
    return (ranks == bins).mean(["latitude", "longitude"])


GROUPS = {
    "probabilistic": probabilistic,
    "ensmean_deterministic": ensmean_deterministic,
    "ensmean_acc": ensmean_acc,
    "binary": binary,
    "rps": ranked,
    "spatial_time0": spatial,
    "rank_histogram": histogram,
}


def group_of(name: str):
    return next(f for prefix, f in GROUPS.items() if name.startswith(prefix))


@pytest.mark.parametrize("file", outputs())
def test_metrics_equal_weatherbench2(file):
    case = Case(file)
    compute = group_of(case.group)
    for name, golden in case.golden.items():
        scores = compute(case, name)
        if isinstance(scores, xr.DataArray):
            assert_golden(scores, golden, case)
            continue
        for metric in golden["metric"].values:
            if metric in scores:  # wind vectors have no bias, no absolute error
                assert_golden(scores[metric], golden.sel(metric=metric), case)


def assert_golden(score: xr.DataArray, golden: xr.DataArray, case: Case) -> None:
    np.testing.assert_allclose(
        score.transpose(*golden.dims).values,
        golden.values,
        **tolerance(golden, case),
        err_msg=f"{case.group} {golden.name} {golden.coords.get('metric', '')}",
    )


def tolerance(golden: xr.DataArray, case: Case) -> dict[str, float]:
    """float64: round-off. float32 weights or fields: their rounding, on the scale of the terms."""
    finite = np.abs(golden.values[np.isfinite(golden.values)])
    scale = finite.max(initial=0.0)
    if case.group.startswith("rank_histogram"):
        return {"rtol": 1e-12, "atol": tied_share(case, golden)}
    if case.dtype == "float32":
        at_points = map_rounding(case, golden.name, scale) if "spatial" in case.group else 0.0
        return {"rtol": 0.0, "atol": max(3e-5 * scale, at_points)}
    if case.truth["latitude"].dtype == np.float32:
        return {"rtol": 5e-6, "atol": 5e-6 * scale}
    return {"rtol": 1e-10, "atol": 1e-14 * scale}


def map_rounding(case: Case, name: str, scale: float) -> float:
    """What four float32 roundings of the field do to errors and squared errors up to `scale`."""
    rounding = 4 * np.finfo("float32").eps * float(np.abs(case.truth[name]).max())
    return rounding * (1 + 2 * np.sqrt(scale))


def tied_share(case: Case, golden: xr.DataArray) -> float:
    """Share of points where the truth equals a member: how WeatherBench 2 ranks them is open."""
    x, y = case.forecast[golden.name], case.truth[golden.name]
    return float((x == y).any("member").mean(["latitude", "longitude"]).max()) + 1e-15


def time_means() -> list:
    files = [f for d in golden_sets() for f in sorted(d.glob("wb2_f64_timemean.json"))]
    return [pytest.param(f, id=f.parent.name) for f in files]


@pytest.mark.parametrize("file", time_means())
def test_metrics_average_over_time_as_weatherbench2_does(file):
    """The root is taken before the time mean only where the name says so; NaN is null."""
    expected = json.loads(file.read_text())["probabilistic_skipna1"]
    case = Case(file.with_name("wb2_f64_probabilistic_skipna1.nc"))
    for name, entry in expected.items():
        golden = xr.DataArray(np.array(entry["values"], float), entry["coords"], entry["dims"])
        scores = probabilistic(case, name)
        for metric in entry["coords"]["metric"]:
            mean = scores[metric].mean("time", skipna=True)
            assert_golden(mean, golden.sel(metric=metric).rename(name), case)


def end_to_end() -> list:
    files = {d / f"../e2e_{d.name}/probabilistic.nc": d for d in golden_sets()}
    return [pytest.param(d, f, id=d.name) for f, d in files.items() if f.exists()]


@pytest.mark.parametrize(("directory", "file"), end_to_end())
def test_metrics_equal_the_official_script_on_a_forecast_store(directory, file):
    """Its initial times are all but the last lead's; lead 0 and the next leads verify there."""
    case = Case(directory / "wb2_f32_probabilistic_skipna0.nc")
    golden = xr.open_dataset(file).load()
    case.weights = area_weights(case.truth, golden["region"].values.tolist())
    leads = golden.sizes["lead_time"]
    starts = case.truth.sizes["time"] - leads + 1
    for name in golden:
        scores = probabilistic(case, name)
        for metric in golden["metric"].values:
            by_lead = [
                scores[metric].isel(time=slice(k, k + starts)).mean("time") for k in range(leads)
            ]
            score = xr.concat(by_lead, golden["lead_time"])
            assert_golden(score, golden[name].sel(metric=metric), case)


def test_metrics_weights_equal_weatherbench2():
    for directory in golden_sets():
        summary = directory.parent / "summary.json"
        table = json.loads(summary.read_text()) if summary.exists() else {}
        if directory.name in table:
            weights = cell_area(load(directory, "float64")[1]["latitude"].values)
            expected = table[directory.name]["lat_weights"]
            single = table[directory.name]["lat_weights_dtype"] == "float32"
            np.testing.assert_allclose(weights, expected, rtol=5e-6 if single else 1e-13)

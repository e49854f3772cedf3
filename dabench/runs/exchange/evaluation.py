"""The command by which WeatherBench 2's own script evaluates the stores of an export."""

from pathlib import Path

import numpy as np
import xarray as xr

from dabench.runs.exchange.export import LAND

SCRIPT = "scripts/evaluate.py"
"""Path of the script in WeatherBench 2's repository; it is no part of the package."""


def command(folder: Path, spinup: int) -> list[str]:
    """The words of the command, with every flag that the stores need.

    The period is that of our own scores, as far as there is a truth for every lead. The script
    opens a climatology even for scores that use none, so it is given the truth.

    Arguments:
        folder: Folder of forecast.zarr and truth.zarr.
        spinup: Number of cycles that are not scored.
    """
    forecast, truth = (_open(folder / f"{name}.zarr") for name in ("forecast", "truth"))
    start, stop = period(forecast, truth, spinup)
    names = [str(name) for name in forecast.data_vars]
    levels = forecast["level"].values if "level" in forecast.coords else ()
    missing = any(truth[name].sel(time=start).isnull().any() for name in names)
    flags = {
        "forecast_path": str(folder / "forecast.zarr"),
        "obs_path": str(folder / "truth.zarr"),
        "climatology_path": str(folder / "truth.zarr"),
        "output_dir": str(folder / "scores"),
        "eval_configs": "probabilistic",
        "variables": ",".join(names),
        **({"levels": ",".join(str(level) for level in levels)} if len(levels) else {}),
        "time_start": np.datetime_as_string(start, "s"),
        "time_stop": np.datetime_as_string(stop, "s"),
        **({"skipna": "True"} if missing else {}),
        **({"regions": "global,global_land"} if LAND in truth else {}),
    }
    return ["python", SCRIPT, *(f"--{name}={value}" for name, value in flags.items())]


def period(
    forecast: xr.Dataset, truth: xr.Dataset, spinup: int
) -> tuple[np.datetime64, np.datetime64]:
    """The first and the last analysis that are scored: every lead of theirs has a truth.

    Arguments:
        forecast, truth: The stores.
        spinup: Number of cycles that are not scored.
    """
    times = forecast["time"].values
    valid = times + forecast["prediction_timedelta"].values.max()
    last = int(np.flatnonzero(valid <= truth["time"].values[-1])[-1])
    return times[min(spinup + 1, last)], times[last]


def _open(store: Path) -> xr.Dataset:
    return xr.open_zarr(store, consolidated=True, chunks=None, decode_timedelta=True)

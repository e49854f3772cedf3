"""Real values on GenCast from end to end: soundings in a table, frames of two times, no truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from mirror import START, archive
from test_system import MODEL, here, runs, sources  # noqa: F401 (fixtures)

from dabench.cli.fetch import fetch
from dabench.runs.archive import read
from dabench.scores.files import score_run

REAL = """
title: Soundings
source: none
system: {name: gencast, model: gencast_1p0deg_mini}
observations: {file: soundings.csv, withhold: {share: 0.3, seed: 1}, reject_above: 20}
period: {start: "2019-01-01T00:00", cycles: 2}
initial: {kind: truth}
"""
VARIABLES = ("temperature", "u_component_of_wind")


@pytest.fixture
def soundings():
    """A table of soundings near noon, whose values are those of the archive with errors."""
    rng, rows = np.random.default_rng(0), []
    frame = archive().sel(time=START + np.timedelta64(12, "h"))
    for station in range(40):
        row, column = rng.integers(1, 36), rng.integers(0, 72)  # of the archive's 5 degrees
        place = frame.isel(latitude=row, longitude=column)
        for name in VARIABLES:
            for level in (300, 500, 850):
                time = f"2019-01-01T{11 + station % 2}:30"
                value = float(place[name].sel(level=level)) + rng.normal()
                where = float(place["latitude"]), float(place["longitude"])
                rows.append([time, *where, level, name, round(value, 2), 1.0, station])
    names = ["time", "latitude", "longitude", "level", "variable", "value", "error", "station"]
    table = pd.DataFrame(rows, columns=names)
    Path("scenarios/era5/tiny.yaml").write_text(REAL)
    table.to_csv("scenarios/era5/soundings.csv", index=False)
    return table


@pytest.mark.slow
def test_real_soundings_run_without_a_truth(soundings, sources):  # noqa: F811
    bucket, far = map(str, sources)
    fetch([MODEL], source=bucket)
    fetch(["era5"], scenario="era5/tiny", source=far)
    frames = xr.open_zarr(next(Path("cache").rglob("*.zarr")), consolidated=False)
    assert frames.sizes["time"] == 2  # those that the initial state is made of
    for folder in runs("ensemble", "letkf"):
        scores, tree = score_run(folder), read.open_run(folder)
        assert str(scores.status) == "complete"
        y = tree["observations"].to_dataset()["y"]
        withheld = tree["withheld"].to_dataset()["y"]
        there = [int(part.isel(cycle=1).notnull().sum()) for part in (y, withheld)]
        assert sum(there) == len(soundings)  # all of noon in cycle 1, none at midnight
        assert int(y.isel(cycle=2).notnull().sum()) == 0
        for name in VARIABLES:
            for level in (300.0, 500.0, 850.0):
                assert scores.value((name, level), "rmse") > 0
                assert scores.value((name, level), "crps") > 0

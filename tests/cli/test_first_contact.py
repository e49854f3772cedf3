"""From the official files to scores of WeatherBench 2, by the commands that a user types."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from mirror import official_files, sample

from dabench import cli
from dabench.cli import run
from dabench.scores.files import current_scores
from dabench.systems.gencast import official
from dabench.systems.gencast.fetch import cache

MODEL = "gencast_1p0deg_mini"
SCENARIO = """
title: Tiny
system: {name: gencast, model: gencast_1p0deg_mini}
observations:
  - {name: temperature, variables: [temperature], levels: [surface, all],
     locations: {blocks: 4}, error_std: 0.1}
period: {start: "2019-03-29T12:00", cycles: 2}
initial: {kind: truth}
"""
BASELINE = """
members: 2
filter:
  name: fa_apf
  guidance: {iterations: 1}
  sampler: {method: ab3, levels: 2, sigma_min: 0.03}
"""


@pytest.fixture
def dabench(monkeypatch, capsys, tmp_path):
    """What a command line that ends well prints, (out, err); in a folder with a scenario."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setitem(official.MODELS, MODEL, replace(official.MODELS[MODEL], resolution=10.0))
    monkeypatch.setattr(official, "TASK", replace(official.TASK, pressure_levels=(300, 500, 850)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "evaluate", lambda folders, out: None)  # scores have their command
    for name, text in (
        ("scenarios/tiny.yaml", SCENARIO),
        ("baselines/tiny/fa_apf.yaml", BASELINE),
    ):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text(text)

    def call(line: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["dabench", *shlex.split(line)])
        with pytest.raises(SystemExit) as e:
            cli.main()
        out, err = capsys.readouterr()
        assert not e.value.code, err
        return out, err

    return call


def test_official_files_are_fetched_run_scored_and_exported_without_a_warning(dabench, bucket):
    official_files(bucket.root)
    frames = xr.load_dataset(sample(bucket.root, cycles=2)).squeeze("batch")
    said = [dabench(f"fetch {name} --from {bucket.url}")[1] for name in (MODEL, "gencast_sample")]
    assert "Copernicus" in said[0]
    estimate, _ = dabench("run tiny -m fa_apf --dry-run")
    assert "not here yet" not in estimate
    said.append(dabench("run tiny -m fa_apf")[1])
    folder = "runs/tiny/gencast/fa_apf/seed0"
    said.append(dabench(f"score {folder}")[1])
    scores = current_scores(folder)
    counts = rf"fa_apf +2 +{scores.evaluations_a_cycle:g} +{scores.products_a_cycle:g} "
    assert re.search(counts, estimate)
    rmse = [v for k, v in scores.scores.items() if k.metric == "rmse"]
    assert len(rmse) > 12
    assert all(np.isfinite(score.value) for score in rmse)
    out, err = dabench(f"export {folder} --background")
    assert not [text for text in [*said, err] if "arning" in text]

    command = shlex.split(out.splitlines()[-1].removeprefix("evaluate  "))
    flags = dict(word.removeprefix("--").split("=", 1) for word in command[2:])
    assert flags["time_start"] == flags["time_stop"] == "2019-03-30T00:00:00"  # no frame after it
    truth, forecast = (xr.open_zarr(flags[f"{of}_path"]) for of in ("obs", "forecast"))
    assert truth["time"].values[-1] == np.datetime64("2019-03-30T12", "ns")
    np.testing.assert_array_equal(truth["land_sea_mask"], frames["land_sea_mask"])
    np.testing.assert_array_equal(truth["geopotential"], frames["geopotential"][1:])
    assert flags["skipna"] == "True"
    sst = forecast["sea_surface_temperature"].sel(time=flags["time_start"])
    missing = frames["sea_surface_temperature"].isel(time=2).isnull().values
    np.testing.assert_array_equal(np.isnan(sst.values), np.broadcast_to(missing, sst.shape))

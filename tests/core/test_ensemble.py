"""The CRPS on the device against WeatherBench 2's own numbers, and against that of scores."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from dabench.core import ensemble
from dabench.scores import metrics

GOLDEN = sorted((Path(__file__).parents[1] / "data" / "wb2").glob("*/wb2_f64_spatial_time0.nc"))


@pytest.mark.golden
@pytest.mark.compiled
@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.parent.name)
def test_crps_is_weatherbench2s_at_every_point(file):
    golden, forecast, truth = (
        xr.open_dataset(f).load() for f in (file, file.with_name("forecast.nc"),
                                            file.with_name("truth.nc"))
    )  # fmt: skip
    for name, values in golden.items():
        y = truth[name].sel(time=golden["time"]).transpose("time", "latitude", "longitude", ...)
        x = forecast[name].sel(time=golden["time"]).transpose(..., *y.dims)
        x, y = jnp.asarray(x.values, jnp.float64), jnp.asarray(y.values, jnp.float64)
        ours = {
            "crps": ensemble.fair_crps(x, y),
            "crps_skill": ensemble.crps_skill(x, y),
            "crps_spread": ensemble.crps_distance(x),
        }
        for metric, field in ours.items():
            theirs = values.sel(metric=metric).transpose("time", "latitude", "longitude", ...)
            scale = float(abs(theirs).max())
            np.testing.assert_allclose(field, theirs, rtol=1e-10, atol=1e-12 * scale)


@pytest.mark.parametrize("members", [1, 2, 7])
def test_crps_is_that_of_scores(members):
    rng = np.random.default_rng(members)
    x, y = rng.normal(size=(members, 5, 6)), rng.normal(size=(5, 6))
    theirs = metrics.ensemble.crps(xr.DataArray(x, dims=("member", "a", "b")),
                                   xr.DataArray(y, dims=("a", "b")))  # fmt: skip
    ours = ensemble.fair_crps(jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)

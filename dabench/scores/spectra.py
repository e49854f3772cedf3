"""Zonal power spectra of truth, mean and members."""

import numpy as np
import xarray as xr

from dabench.scores.cycles import field
from dabench.scores.metrics import area_weights, deterministic
from dabench.scores.record import GLOBAL


def spectra(tree: xr.DataTree, name: str, cycles: slice) -> xr.Dataset:
    """Mean zonal power of truth, error of the mean, and members (at most 4): ([level,] wavenumber).

    Powers are squared amplitudes in units of the variable squared, averaged over latitudes by area
    and over cycles; their sum over wavenumbers from 1 on is the variance along a circle of
    latitude.

    Arguments:
        name: Name of the variable.
        cycles: Cycles to average over.
    """
    truth, mean = (field(tree, g, name).isel(cycle=cycles) for g in ("truth", "mean"))
    waves = {"truth": truth, "error": deterministic.error(mean, truth)}
    if "members" in tree:
        waves["member"] = field(tree, "members", name).isel(cycle=cycles, member=slice(0, 4))
    return xr.Dataset({kind: _zonal_power(x) for kind, x in waves.items()})


def _zonal_power(x: xr.DataArray) -> xr.DataArray:
    """Squared amplitudes of the Fourier modes along longitude, averaged over all but level."""
    weights = area_weights(x, [GLOBAL])[0].isel(longitude=0)
    n = x.sizes["longitude"]
    amplitude = np.fft.rfft(x.transpose(..., "longitude").values.astype(np.float64)) / n
    power = 2 * np.abs(amplitude) ** 2
    power[..., 0] /= 2
    if n % 2 == 0:
        power[..., -1] /= 2
    dims = [d for d in x.dims if d != "longitude"]
    labelled = xr.DataArray(power, dims=(*dims, "wavenumber"))
    labelled = labelled.assign_coords({d: x[d] for d in dims if d in x.coords})
    mean = labelled.weighted(weights.drop_vars(["region", "longitude"])).mean("latitude")
    return mean.mean([d for d in ("cycle", "member") if d in mean.dims])

"""A bucket and an archive in the official layouts, small enough for tests."""

import shutil
from pathlib import Path

import numpy as np
import xarray as xr

from dabench.systems.gencast import official

GOLDEN = Path(__file__).parent / "data" / "gencast"
START = np.datetime64("2019-01-01T00", "h")
LEVELS = (200, 300, 500, 850)
SURFACE = (
    "10m_u_component_of_wind",
    "10m_v_component_of_wind",
    "2m_temperature",
    "mean_sea_level_pressure",
    "sea_surface_temperature",
    "total_precipitation_6hr",
    "total_precipitation_12hr",
)
UPPER = (
    "geopotential",
    "specific_humidity",
    "temperature",
    "u_component_of_wind",
    "v_component_of_wind",
    "vertical_velocity",
)


def official_files(root: Path, model: str = "gencast_1p0deg_mini") -> Path:
    """The tiny checkpoint and its statistics under the names of a published model."""
    for name in official.STATISTICS:
        (root / "stats").mkdir(parents=True, exist_ok=True)
        shutil.copy(GOLDEN / name, root / "stats" / name)
    (root / "params").mkdir(exist_ok=True)
    shutil.copy(GOLDEN / "tiny_checkpoint.npz", root / "params" / official.MODELS[model].file)
    (root / "dataset").mkdir(exist_ok=True)
    shutil.copy(GOLDEN / "example_batch.nc", root / "dataset" / official.MODELS[model].example)
    return root


def archive(spacing: float = 5.0, days: int = 5, seed: int = 0) -> xr.Dataset:
    """Waves and noise around the golden batch's means, laid out as WeatherBench 2's archive.

    6-hourly from two days before `START`; latitude descends; NaN as in ERA5.
    """
    rng = np.random.default_rng(seed)
    lat = np.linspace(90, -90, round(180 / spacing) + 1).astype("float32")
    lon = (np.arange(round(360 / spacing)) * spacing).astype("float32")
    time = (START - np.timedelta64(48, "h")) + 6 * np.arange(4 * days).astype("m8[h]")
    mean, std = (xr.load_dataset(GOLDEN / f"{n}_by_level.nc") for n in ("mean", "stddev"))
    waves = np.cos(np.radians(lat))[:, None] * np.sin(np.radians(3 * lon))[None]
    data = {}
    for name in (*SURFACE, *UPPER):
        upper = name in UPPER
        shape = (len(time), *([len(LEVELS)] if upper else []), len(lat), len(lon))
        known = name.replace("6hr", "12hr")
        middle, width = (
            t[known].sel(level=list(LEVELS)).values[:, None, None] if upper else float(t[known])
            for t in (mean, std)
        )
        values = middle + width * (waves + 0.3 * rng.standard_normal(shape))
        dims = ("time", *(["level"] if upper else []), "latitude", "longitude")
        values[..., [0, -1], :] = values[..., [0, -1], :1]  # a pole is one point
        data[name] = (dims, values.astype("float32"))
    land = (rng.random((len(lat), len(lon))) < 0.3).astype("float32")
    data["sea_surface_temperature"][1][:, land > 0.5] = np.nan
    data["land_sea_mask"] = (("latitude", "longitude"), land)
    height = 1e4 * land * rng.random(land.shape)
    data["geopotential_at_surface"] = (("latitude", "longitude"), height.astype("float32"))
    level = {"level": np.array(LEVELS)}
    times = time.astype("M8[ns]")
    return xr.Dataset(data, {"time": times, "latitude": lat, "longitude": lon, **level})


def sample(root: Path, cycles: int) -> Path:
    """Frames for so many cycles under the name of the official sample of 30, at 10 degrees."""
    fields = archive(spacing=10.0).isel(time=slice(0, 2 * cycles + 3, 2)).sel(level=[300, 500, 850])
    fields = fields.drop_vars("total_precipitation_6hr").sortby("latitude")
    since = fields["time"].values - fields["time"].values[0]
    first = np.datetime64("2019-03-29T00", "ns")
    changing = [name for name in fields if "time" in fields[name].dims]
    fields = fields.assign({name: fields[name].expand_dims("batch") for name in changing})
    fields = fields.rename(latitude="lat", longitude="lon").assign_coords(time=since)
    fields = fields.assign_coords(datetime=(("batch", "time"), (first + since)[None]))
    path = root / "dataset" / official.SAMPLES["gencast_sample"]
    path.parent.mkdir(parents=True, exist_ok=True)
    fields.to_netcdf(path)
    return path


def write(data: xr.Dataset, path: Path) -> Path:
    """Format 2, consolidated, one time a chunk, as the official archive."""
    encoding = {
        str(name): {"chunks": tuple(1 if d == "time" else n for d, n in v.sizes.items())}
        for name, v in data.data_vars.items()
    }
    data.to_zarr(path, mode="w", zarr_format=2, consolidated=True, encoding=encoding)
    return path

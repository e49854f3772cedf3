"""DeepMind's published GenCast models: their files, grids and training years.

GenCast specification, sections 7.1 to 7.3.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from dabench.core.errors import UserError
from dabench.systems.gencast.channels import ATMOSPHERIC, CLOCK, STATIC
from dabench.systems.gencast.checkpoint import (
    Config,
    DenoiserConfig,
    TaskConfig,
    TransformerConfig,
)

PARAMS, STATS, DATASET = "params", "stats", "dataset"
STATISTICS = tuple(f"{name}_by_level.nc" for name in ("diffs_stddev", "mean", "stddev", "min"))
LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
_SURFACE = (
    "10m_u_component_of_wind",
    "10m_v_component_of_wind",
    "2m_temperature",
    "mean_sea_level_pressure",
    "sea_surface_temperature",
)
TASK = TaskConfig(
    input_variables=(*_SURFACE, *sorted(ATMOSPHERIC), *sorted(CLOCK), *sorted(STATIC)),
    target_variables=(*_SURFACE, "total_precipitation_12hr", *sorted(ATMOSPHERIC)),
    forcing_variables=tuple(sorted(CLOCK)),
    pressure_levels=LEVELS,
)
"""What all published models read and forecast; each file says so itself too."""


@dataclass(frozen=True)
class Model:
    """One published model.

    Arguments:
        file: Name of the checkpoint in the bucket.
        resolution: Grid spacing in degrees.
        trained: First and last year of its training data.
        example: Name of an example batch of the same grid.
        mesh: Number of times that the mesh is refined.
        hops: Reach of the attention on the mesh.
    """

    file: str
    resolution: float
    trained: tuple[int, int]
    example: str
    mesh: int
    hops: int

    @property
    def config(self) -> Config:
        """The configuration as it was published; the file has the last word."""
        transformer = TransformerConfig(attention_k_hop=self.hops, d_model=512)
        return Config(TASK, DenoiserConfig(transformer, mesh_size=self.mesh))


_ERA5_1DEG = "source-era5_date-2019-03-29_res-1.0_levels-13_steps-01.nc"
_ERA5_QUARTER = "source-era5_date-2019-03-29_res-0.25_levels-13_steps-01.nc"
_HRES = "source-hres_date-2022-03-29_res-0.25_levels-13_steps-01.nc"

MODELS = {
    "gencast_1p0deg": Model("GenCast 1p0deg <2019.npz", 1.0, (1979, 2018), _ERA5_1DEG, 5, 16),
    "gencast_1p0deg_mini": Model(
        "GenCast 1p0deg Mini <2019.npz", 1.0, (1979, 2018), _ERA5_1DEG, 4, 16
    ),
    "gencast_0p25deg": Model("GenCast 0p25deg <2019.npz", 0.25, (1979, 2018), _ERA5_QUARTER, 6, 32),
    "gencast_0p25deg_operational": Model(
        "GenCast 0p25deg Operational <2022.npz", 0.25, (1979, 2021), _HRES, 6, 32
    ),
}
"""The models by the names that scenarios and `dabench fetch` give them."""

SAMPLES = {
    "gencast_sample": _ERA5_1DEG.replace("steps-01", "steps-30"),
    "gencast_sample_04": _ERA5_1DEG.replace("steps-01", "steps-04"),
    "gencast_sample_01": _ERA5_1DEG,
    "gencast_sample_hres": _HRES,
}
"""Files of consecutive frames, which may be a run's truth, by the names of `dabench fetch`."""

GRAPHS = {
    (1.0, 4): "9c03bc946f40079fca922da51222f2e3e87dd82413869593ebc5a580b3cfd104",
    (1.0, 5): "e5c0bc3e04b472ec338344804993012e5633af8a79e3166e34ffe504d1895760",
    (0.25, 6): "263af57ec352f479ecc3e6e488be586d49285f4ea1031b4dae91d2124ea85705",
}
"""Digest of the graph between a grid (spacing in degrees) and a mesh (times refined): that of
gencast_1p0deg_mini, that of gencast_1p0deg, and that of both models of 0.25 degrees."""
RADIUS_FRACTION = 0.6  # of the longest mesh edge, in all published models


def check_graph(spacing: float, network: DenoiserConfig, digest: str) -> None:
    """UserError if the graph of a published model's grid and mesh is not the published one."""
    published = GRAPHS.get((spacing, network.mesh_size))
    if network.radius_query_fraction_edge_length != RADIUS_FRACTION or published in (None, digest):
        return
    raise UserError(
        f"system.model: this machine builds another graph between the grid of {spacing} degrees "
        f"and mesh {network.mesh_size} (sha256 {digest[:12]}..) than the published weights were "
        f"trained on ({published[:12]}..), so its forecasts would be wrong at some points. "
        f"NumPy {np.__version__} and SciPy {scipy.__version__} made it: try other versions, "
        "and please report it."
    )


def known(model: str) -> Model | None:
    """The published model of a name, or of a file that still has its published name."""
    by_file = {name: m for m in MODELS.values() for name in (m.file, cached_name(m.file))}
    return MODELS.get(model) or by_file.get(Path(model).name)


def cached_name(name: str) -> str:
    """The name of an official file in the cache, legal on every system; a browser's, too."""
    return name.replace("<", "_")

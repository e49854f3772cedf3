"""DeepMind's published GenCast models: their files, grids and training years.

GenCast specification, sections 7.1 to 7.3.
"""

from dataclasses import dataclass
from pathlib import Path

from dabench.systems.gencast.channels import ATMOSPHERIC, CLOCK, STATIC
from dabench.systems.gencast.checkpoint import TaskConfig

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
        file: Its name in the bucket.
        resolution: Grid spacing in degrees.
        trained: First and last year of its training data.
        example: An example batch of the same grid.
    """

    file: str
    resolution: float
    trained: tuple[int, int]
    example: str


_ERA5_1DEG = "source-era5_date-2019-03-29_res-1.0_levels-13_steps-01.nc"
_ERA5_QUARTER = "source-era5_date-2019-03-29_res-0.25_levels-13_steps-01.nc"
_HRES = "source-hres_date-2022-03-29_res-0.25_levels-13_steps-01.nc"

MODELS = {
    "gencast_1p0deg": Model("GenCast 1p0deg <2019.npz", 1.0, (1979, 2018), _ERA5_1DEG),
    "gencast_1p0deg_mini": Model("GenCast 1p0deg Mini <2019.npz", 1.0, (1979, 2018), _ERA5_1DEG),
    "gencast_0p25deg": Model("GenCast 0p25deg <2019.npz", 0.25, (1979, 2018), _ERA5_QUARTER),
    "gencast_0p25deg_operational": Model(
        "GenCast 0p25deg Operational <2022.npz", 0.25, (1979, 2021), _HRES
    ),
}
"""The models by the names that scenarios and `dabench fetch` give them."""


def known(model: str) -> Model | None:
    """The published model of a name, or of a file that still has its published name."""
    by_file = {m.file: m for m in MODELS.values()}
    return MODELS.get(model) or by_file.get(Path(model).name)

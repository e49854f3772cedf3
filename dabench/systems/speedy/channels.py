"""The fields of SPEEDY's atmosphere, and the Earth's ground beneath it."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from dabench.systems.atmosphere.atmosphere import LMAX, Atmosphere, Ground
from dabench.systems.atmosphere.files import GROUND
from dabench.systems.speedy.files import FILES
from dabench.systems.sphere import gaussian

GRAVITY = 9.81  # m/s2, as in SPEEDY
UPPER = {
    "geopotential": "m**2 s**-2",
    "specific_humidity": "kg kg**-1",
    "temperature": "K",
    "u_component_of_wind": "m s**-1",
    "v_component_of_wind": "m s**-1",
}
STATIC = ("geopotential_at_surface", "land_sea_mask")


def ground(folder: Path) -> Ground:
    """Surface geopotential of the smoothed mountains, and the share of land."""
    with np.load(folder / GROUND) as file:
        return {name: file[name] for name in STATIC}


def static_fields(
    height: Float[np.ndarray, "lat lon"], land: Float[np.ndarray, "lat lon"]
) -> Ground:
    """Coefficients of the static fields, from height in m and share of land on the grid."""
    analysis = gaussian.analysis(gaussian.gaussian_grid(), LMAX)
    maps = (GRAVITY * height.astype(np.float64), land.astype(np.float64))
    return {name: x.ravel() @ analysis for name, x in zip(STATIC, maps, strict=True)}


SPEEDY = Atmosphere(
    name="speedy",
    title="SPEEDY in a perpetual January",
    upper=UPPER,
    levels=(100, 200, 300, 500, 700, 850, 925),  # near the model's eight layers
    static=STATIC,
    ground=ground,
    files=FILES,
)

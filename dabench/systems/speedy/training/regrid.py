"""From the nature run's spectral states to 39 band-limited channels.

Every channel is computed on the Gaussian grid (pressure levels by interpolation in ln p) and then
cut to degree 31, so that truth, training targets and the denoiser's output share one band. What
is lost of the time mean, the edges of coasts and mountains, is kept as one map a channel.

Below the lowest layer (sigma 0.95) winds and humidity are those of that layer, and temperature
rises by 6.5 K/km; geopotential and sea-level pressure follow from that temperature.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.systems.atmosphere.training.levels import Fields, Regridded, Transform, at_pressure
from dabench.systems.speedy.channels import GRAVITY, SPEEDY

RADIUS = 6.371e6  # m, as in SPEEDY
GAS_CONSTANT = 1004.64 * 2 / 7  # J/kg/K, as in SPEEDY
LAPSE_RATE = 6.5e-3  # K/m, below the lowest layer
REFERENCE_PRESSURE = 1e5  # Pa, to which the nature run's ln(surface pressure) refers
SIGMA_BOUNDARIES = np.array([0.0, 0.05, 0.14, 0.26, 0.42, 0.6, 0.77, 0.9, 1.0])
SIGMA = (SIGMA_BOUNDARIES[1:] + SIGMA_BOUNDARIES[:-1]) / 2
WARM, COLD = 290.5, 255.0  # K: hotter and colder columns are tempered before reduction
FALL = GAS_CONSTANT * LAPSE_RATE / GRAVITY  # power of pressure with which temperature grows


class Regridder:
    """Turns what `dynamics.Speedy.view` stores into coefficients of the channels.

    Arguments:
        height: Height of the mountains in m on the Gaussian grid, as the model feels it.
    """

    def __init__(self, height: Float[np.ndarray, "lat lon"]) -> None:
        self.transform = Transform(RADIUS)
        self.surface_geopotential = (GRAVITY * height).astype(np.float32).ravel()

    def __call__(self, arrays: Mapping[str, NDArray]) -> Regridded:
        """Channels of each frame; `arrays` as `dynamics.Speedy.view` stores them."""
        model, surface = (arrays[name].astype(np.float32) for name in ("coefficients", "surface"))
        return self.transform.band(self.on_grid(model, surface), SPEEDY)

    def on_grid(self, model: NDArray, surface: NDArray) -> Fields:
        """Every channel as (frame, point) on the Gaussian grid, before the band limit."""
        wind, rest = model[:, :16], self.transform.synthesise(model[:, 16:])
        temperature, humidity, height = rest[:, :8], rest[:, 8:16].clip(0), rest[:, 16:24]
        pressure = REFERENCE_PRESSURE * np.exp(rest[:, 24])
        air = surface.reshape(len(surface), 3, -1)
        out: Fields = {
            ("2m_temperature", None): air[:, 0],
            ("10m_u_component_of_wind", None): air[:, 1],
            ("10m_v_component_of_wind", None): air[:, 2],
            ("mean_sea_level_pressure", None): self.sea_level(pressure, temperature[:, -1]),
        }
        bottom = np.log(pressure)[:, None]
        depth = bottom + np.log(SIGMA).astype(np.float32)[None, :, None]  # ln p of the layers
        east, north = self.transform.winds(wind[:, :8], wind[:, 8:])
        clamped = {
            "u_component_of_wind": east,
            "v_component_of_wind": north,
            "specific_humidity": humidity,
            "temperature": temperature,
            "geopotential": height,
        }
        for level in SPEEDY.levels:
            for name, x in clamped.items():
                out[name, level] = at_pressure(level, depth, bottom, x, x[:, -1:])
            self._extend_below(level, depth[:, -1], temperature[:, -1], height[:, -1], out)
        return out

    def _extend_below(
        self, level: int, lowest: NDArray, temperature: NDArray, height: NDArray, out: Fields
    ) -> None:
        """Temperature and geopotential where `level` is below the lowest layer's centre."""
        depth = np.float32(np.log(100.0 * level)) - lowest
        below = depth > 0
        warmer = np.exp(np.float32(FALL) * depth)
        deeper = height - GRAVITY / LAPSE_RATE * temperature * (warmer - 1)
        out["temperature", level] = np.where(below, temperature * warmer, out["temperature", level])
        out["geopotential", level] = np.where(below, deeper, out["geopotential", level])

    def sea_level(self, pressure: NDArray, temperature: NDArray) -> NDArray:
        """Pressure in Pa reduced to sea level from the lowest layer's temperature.

        With 6.5 K/km, less where the ground or the sea below it would be hotter than 290.5 K, and
        from a tempered mean where the ground is colder than 255 K, as ECMWF reduces pressure (IFS
        documentation, part II, appendix on post-processing).
        """
        ground = temperature * np.float32(SIGMA[-1] ** -FALL)
        rise = LAPSE_RATE * self.surface_geopotential / GRAVITY
        hot = ground + rise > WARM
        rise = np.where(hot, np.clip(WARM - ground, 0, None), rise)
        ground = np.where(hot & (ground > WARM), (WARM + ground) / 2, ground)
        ground = np.where(ground < COLD, (COLD + ground) / 2, ground)
        x = rise / ground
        power = self.surface_geopotential / (GAS_CONSTANT * ground)
        return pressure * np.exp(power * (1 - x / 2 + x * x / 3))

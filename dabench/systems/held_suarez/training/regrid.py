"""From the nature run's spectral states to 24 band-limited channels.

Every channel is computed on a Gaussian grid (pressure levels by interpolation in log p) and then
cut to degree 31, so that truth, training targets and the denoiser's output share one band and can
be evaluated on any grid.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.systems.atmosphere.training.levels import Fields, Regridded, Transform, at_pressure
from dabench.systems.held_suarez.channels import (
    GRAVITY,
    HELD_SUAREZ,
    OMEGA,
    RADIUS,
    surface_height,
)
from dabench.systems.held_suarez.training import dynamics

GAS_CONSTANT = 1004.0 * 2 / 7
LAPSE_RATE = 6.5e-3  # K/m, below the lowest layer
WIND_UNIT = RADIUS * 2 * OMEGA  # m/s, of the spectral model
LOG_PASCAL = np.log(RADIUS / (2 * OMEGA) ** 2)  # log of one pascal in model units


class Regridder:
    """Turns coefficients of the spectral model into coefficients of the channels."""

    def __init__(self) -> None:
        self.transform = Transform(WIND_UNIT)
        self.sigma = np.asarray(dynamics.SIGMA_CENTRES)
        height = GRAVITY * surface_height()
        self.surface_geopotential = (height @ self.transform.basis).astype(np.float32)

    def __call__(
        self, arrays: Mapping[str, Float[np.ndarray, "frame 25 coefficient"]]
    ) -> Regridded:
        """Channels of each frame; `arrays` as stored by the nature run."""
        fields = self.on_grid(arrays["coefficients"].astype(np.float32))
        return self.transform.band(fields, HELD_SUAREZ)

    def on_grid(self, model: NDArray) -> Fields:
        """Every channel as (frame, point) on the Gaussian grid, before the band limit."""
        u, v = self.transform.winds(model[:, 0:8], model[:, 8:16])
        temperature = dynamics.REFERENCE_KELVIN + self.transform.synthesise(model[:, 16:24])
        pressure = self.pressure(model[:, 24])
        fall = (1 / self.sigma[-1]) ** (GAS_CONSTANT * LAPSE_RATE / GRAVITY)
        surface_temperature = temperature[:, -1] * np.float32(fall)
        out: Fields = {
            ("10m_u_component_of_wind", None): u[:, -1],
            ("10m_v_component_of_wind", None): v[:, -1],
            ("2m_temperature", None): surface_temperature,
            ("mean_sea_level_pressure", None): self.sea_level(pressure, surface_temperature),
        }
        bottom = np.log(pressure)[:, None]
        depth = bottom + np.log(self.sigma).astype(np.float32)[None, :, None]  # log p of layers
        height = self.geopotential(temperature)
        for level in HELD_SUAREZ.levels:
            below = (level, depth, bottom)
            out["temperature", level] = at_pressure(*below, temperature, temperature[:, -1:])
            out["u_component_of_wind", level] = at_pressure(*below, u, u[:, -1:])
            out["v_component_of_wind", level] = at_pressure(*below, v, v[:, -1:])
            ground = np.broadcast_to(self.surface_geopotential, bottom.shape)
            out["geopotential", level] = at_pressure(*below, height, ground, extrapolate=True)
        return out

    def pressure(self, logarithm: NDArray) -> NDArray:
        """Surface pressure in Pa from coefficients of its logarithm in model units."""
        small = logarithm.astype(np.float64)  # most of it is a constant, which costs digits
        small[:, 0] -= (LOG_PASCAL + np.log(dynamics.SURFACE_PRESSURE)) * np.sqrt(4 * np.pi)
        return dynamics.SURFACE_PRESSURE * np.exp(small.astype(np.float32) @ self.transform.basis)

    def geopotential(self, temperature: NDArray) -> NDArray:
        """Hydrostatic geopotential of the layers' centres, as the model's own dynamics has it."""
        log_sigma = np.log(self.sigma).astype(np.float32)
        lowest = -GAS_CONSTANT * temperature[:, -1:] * log_sigma[-1]
        between = (temperature[:, 1:] + temperature[:, :-1]) / 2
        thickness = GAS_CONSTANT * between * np.diff(log_sigma)[None, :, None]
        above = np.cumsum(thickness[:, ::-1], axis=1)[:, ::-1]
        return np.concatenate([above + lowest, lowest], axis=1) + self.surface_geopotential

    def sea_level(self, pressure: NDArray, temperature: NDArray) -> NDArray:
        """Pressure in Pa reduced to sea level with 6.5 K/km."""
        warmer = 1 + LAPSE_RATE / GRAVITY * self.surface_geopotential / temperature
        return pressure * warmer ** (GRAVITY / (GAS_CONSTANT * LAPSE_RATE))

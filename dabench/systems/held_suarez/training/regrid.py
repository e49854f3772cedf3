"""From the nature run's spectral states to 24 band-limited channels, and their statistics.

Every channel is computed on a Gaussian grid (pressure levels by interpolation in log p) and then
cut to degree 31, so that truth, training targets and the denoiser's output share one band and can
be evaluated on any grid.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.systems.held_suarez import harmonics
from dabench.systems.held_suarez.channels import (
    GRAVITY,
    LEVELS,
    OMEGA,
    RADIUS,
    Coefficients,
    Statistics,
    channels,
    surface_height,
)
from dabench.systems.held_suarez.training import nature

log = logging.getLogger(__name__)

GAS_CONSTANT = 1004.0 * 2 / 7
LAPSE_RATE = 6.5e-3  # K/m, below the lowest layer
WIND_UNIT = RADIUS * 2 * OMEGA  # m/s, of the spectral model
LOG_PASCAL = np.log(RADIUS / (2 * OMEGA) ** 2)  # log of one pascal in model units


class Regridder:
    """Turns coefficients of the spectral model into coefficients of the channels."""

    def __init__(self) -> None:
        self.grid = harmonics.gaussian_grid()
        self.sigma = np.asarray(nature.SIGMA_CENTRES)
        self.basis = harmonics.basis(self.grid.lat, self.grid.lon).astype(np.float32)
        self.east, self.north = self._wind_bases()
        self.analysis = harmonics.analysis(self.grid).astype(np.float32)
        self.surface_geopotential = (GRAVITY * surface_height() @ self.basis).astype(np.float32)

    def __call__(self, model: Float[np.ndarray, "frame 25 coefficient"]) -> Coefficients:
        """Channels of each frame; `model` as stored by `nature.run`."""
        fields = self.on_grid(model.astype(np.float32))
        names = [(c.name, c.level) for c in channels()]
        return _apply(np.stack([fields[name] for name in names], axis=1), self.analysis)

    def on_grid(self, model: NDArray) -> dict[tuple[str, float | None], NDArray]:
        """Every channel as (frame, point) on the Gaussian grid, before the band limit."""
        u, v = self.winds(model[:, 0:8], model[:, 8:16])
        temperature = nature.REFERENCE_KELVIN + _apply(model[:, 16:24], self.basis)
        pressure = self.pressure(model[:, 24])
        fall = (1 / self.sigma[-1]) ** (GAS_CONSTANT * LAPSE_RATE / GRAVITY)
        surface_temperature = temperature[:, -1] * np.float32(fall)
        out: dict = {
            ("10m_u_component_of_wind", None): u[:, -1],
            ("10m_v_component_of_wind", None): v[:, -1],
            ("2m_temperature", None): surface_temperature,
            ("mean_sea_level_pressure", None): self.sea_level(pressure, surface_temperature),
        }
        bottom = np.log(pressure)[:, None]
        depth = bottom + np.log(self.sigma).astype(np.float32)[None, :, None]  # log p of layers
        height = self.geopotential(temperature)
        for level in LEVELS:
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
        small[:, 0] -= (LOG_PASCAL + np.log(nature.SURFACE_PRESSURE)) * np.sqrt(4 * np.pi)
        return nature.SURFACE_PRESSURE * np.exp(small.astype(np.float32) @ self.basis)

    def winds(self, vorticity: NDArray, divergence: NDArray) -> tuple[NDArray, NDArray]:
        """Eastward and northward wind in m/s, (frame, layer, point)."""
        u = _apply(divergence, self.east) - _apply(vorticity, self.north)
        return u, _apply(vorticity, self.east) + _apply(divergence, self.north)

    def _wind_bases(self) -> tuple[NDArray, NDArray]:
        degree = harmonics.degrees()
        inverse = np.where(degree > 0, -1.0 / np.maximum(degree * (degree + 1), 1), 0.0)
        cos = np.repeat(np.cos(np.radians(self.grid.lat)), len(self.grid.lon))
        scale = inverse[:, None] / cos * WIND_UNIT
        slope = harmonics.gradient(self.grid.lat, self.grid.lon)
        return (slope.east * scale).astype(np.float32), (slope.north * scale).astype(np.float32)

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


def _apply(x: NDArray, matrix: NDArray) -> NDArray:
    return (x.reshape(-1, len(matrix)) @ matrix).reshape(*x.shape[:-1], -1)


def at_pressure(
    level: float,
    depth: Float[np.ndarray, "frame layer point"],
    bottom: Float[np.ndarray, "frame 1 point"],
    values: Float[np.ndarray, "frame layer point"],
    ground: Float[np.ndarray, "frame 1 point"],
    extrapolate: bool = False,
) -> Float[np.ndarray, "frame point"]:
    """`values` at `level` hPa, linear in log p, with `ground` as an extra node at the surface.

    Below the ground: `ground`, or with `extrapolate` the lowest segment's straight continuation.
    """
    nodes = np.concatenate([depth, bottom], axis=1)
    values = np.concatenate([values, ground], axis=1)
    target = np.float32(np.log(100.0 * level))
    above = np.clip((nodes < target).sum(axis=1, keepdims=True) - 1, 0, depth.shape[1] - 1)
    x0, x1 = (np.take_along_axis(nodes, above + i, 1)[:, 0] for i in (0, 1))
    y0, y1 = (np.take_along_axis(values, above + i, 1)[:, 0] for i in (0, 1))
    weight = (target - x0) / (x1 - x0)
    return y0 + (y1 - y0) * (weight if extrapolate else np.clip(weight, 0, 1))


def statistics(members: list[Coefficients]) -> Statistics:
    """Of consecutive 12-hourly frames of several members, by Parseval's identity in float64."""
    mean = np.mean([m[:, :, 0].astype(np.float64).mean(0) for m in members], 0)
    square = np.mean([(m.astype(np.float64) ** 2).sum(-1).mean(0) for m in members], 0)
    steps = [(np.diff(m.astype(np.float64), axis=0) ** 2).sum(-1).mean(0) for m in members]
    area = 4 * np.pi
    std = np.sqrt(square / area - mean**2 / area)
    return Statistics(mean / np.sqrt(area), std, np.sqrt(np.mean(steps, 0) / area))


def convert(run: Path, members: range) -> Iterator[tuple[Path, int, int]]:
    """Regrid every finished segment of the nature run that has not been regridded yet."""
    regrid = None
    for source in sorted(run.glob("member_*_segment_*.npz")):
        member, segment = int(source.stem[7:9]), int(source.stem[-3:])
        target = run / f"channels_{member:02d}_{segment:03d}.npy"
        if member not in members or segment == 0:
            continue
        if not target.exists():
            regrid = regrid or Regridder()
            draft = target.with_suffix(".part")
            with draft.open("wb") as file, np.load(source) as arrays:
                np.save(file, regrid(arrays["coefficients"]))
            draft.replace(target)
        yield target, member, segment


def load(run: Path, members: range) -> list[Coefficients]:
    """Channels of each of `members`, as far as the nature run has got: consecutive frames."""
    parts: dict[int, list[NDArray]] = {member: [] for member in members}
    for path, member, segment in convert(run, members):
        expected = len(parts[member]) + 1
        if segment != expected:
            raise FileNotFoundError(f"{run}: member {member} lacks segment {expected}")
        parts[member].append(np.load(path))
    return [np.concatenate(rows) for rows in parts.values() if rows]

"""Dry primitive equations with Held-Suarez forcing over four mountains, for the nature run.

Needs the optional package `dinosaur` (extra `train`); nothing else of this atmosphere does.
"""

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from dabench.systems.atmosphere.training.nature import triangle
from dabench.systems.held_suarez.channels import orography

TRUNCATION = 31
SIGMA_BOUNDARIES = (0.0, 0.06, 0.16, 0.30, 0.45, 0.60, 0.75, 0.90, 1.0)
SIGMA_CENTRES = tuple((a + b) / 2 for a, b in pairwise(SIGMA_BOUNDARIES))
ASYMMETRY_KELVIN = 6.0  # of the equilibrium temperature, in the lower half of the atmosphere
REFERENCE_KELVIN = 288.0
SURFACE_PRESSURE = 1e5  # Pa, global mean, kept by the mass fixer
FIELDS = ("vorticity", "divergence", "temperature_variation", "log_surface_pressure")
STEPS_PER_FRAME = 24  # of 30 minutes: one frame is 12 hours


def equilibrium_asymmetry(lat: NDArray, lon: NDArray, sigma: NDArray) -> NDArray:
    """Departure in K of the equilibrium temperature from zonal symmetry, (level, ...).

    Two waves of opposite tilt, confined to mid-latitudes and to sigma > 0.5.
    """
    phi, lam = np.radians(lat), np.radians(lon)
    wave = np.cos(lam - 0.5) * np.cos(phi) ** 2 + 0.6 * np.cos(2 * lam + 1.0) * np.sin(
        2 * phi
    ) * np.cos(phi)
    depth = np.clip((sigma - 0.5) / 0.5, 0.0, 1.0)
    return ASYMMETRY_KELVIN * depth.reshape(-1, *[1] * wave.ndim) * wave[None]


class HeldSuarez:
    """The model; states are dinosaur's spectral primitive-equation states."""

    def __init__(self) -> None:
        from dinosaur import (  # pyright: ignore[reportMissingImports]
            coordinate_systems,
            primitive_equations,
            scales,
            sigma_coordinates,
            spherical_harmonic,
        )

        self.specs: Any = primitive_equations.PrimitiveEquationsSpecs.from_si()
        self.grid = spherical_harmonic.Grid.T31(radius=self.specs.radius)
        vertical = sigma_coordinates.SigmaCoordinates(np.asarray(SIGMA_BOUNDARIES))
        self.coords = coordinate_systems.CoordinateSystem(self.grid, vertical)
        self.units = scales.units
        lon, sin_lat = self.grid.nodal_mesh
        self.lat, self.lon = np.degrees(np.arcsin(sin_lat)), np.degrees(lon)
        height = self.specs.nondimensionalize(orography(self.lat, self.lon) * self.units.meter)
        # Two passes of the T31 band limit would ring over the sea: smooth the spectrum a little.
        total = self.grid.modal_axes[1]
        taper = np.exp(-((total / TRUNCATION) ** 4)) * (total <= TRUNCATION)
        self.orography = np.asarray(self.grid.to_modal(jnp.asarray(height, jnp.float32))) * taper
        self.step = self._step_function()
        self._move = jax.jit(self._twelve_hours)

    def _step_function(self) -> Callable:
        from dinosaur import held_suarez, primitive_equations, time_integration  # pyright: ignore[reportMissingImports]

        reference = np.full(len(SIGMA_CENTRES), REFERENCE_KELVIN)
        dry = primitive_equations.PrimitiveEquationsSigma(
            reference, self.orography, self.coords, self.specs
        )
        forcing = held_suarez.HeldSuarezForcingSigma(self.coords, self.specs, reference)
        asymmetry = equilibrium_asymmetry(self.lat, self.lon, np.asarray(SIGMA_CENTRES))
        heating = self.grid.to_modal(jnp.asarray(forcing.kt() * asymmetry, jnp.float32))

        def stationary(state):
            zero = jax.tree.map(jnp.zeros_like, state)
            return dataclasses.replace(zero, temperature_variation=heating)

        equation = time_integration.compose_equations(
            [dry, forcing, time_integration.ExplicitODE.from_functions(stationary)]
        )
        dt = float(self.specs.nondimensionalize(30 * self.units.minute))
        step = time_integration.imex_rk_sil3(equation, dt)
        order: Any = 1.5  # annotated int upstream, used as a real exponent there
        smooth = time_integration.exponential_step_filter(
            self.grid, dt, tau=0.0087504, order=order, cutoff=0.8
        )
        return time_integration.step_with_filters(step, [smooth])

    @property
    def log_pascal(self) -> float:
        """log of one pascal in model units."""
        return float(np.log(self.specs.nondimensionalize(1.0 * self.units.pascal)))

    def mean_pressure(self, state) -> Float[Array, ""]:
        """Area-mean surface pressure in Pa of one member."""
        pressure = jnp.exp(self.grid.to_nodal(state.log_surface_pressure) - self.log_pascal)
        return jnp.asarray(self.grid.integrate(pressure[0])) / (4 * np.pi * self.specs.radius**2)

    def fix_mass(self, state):
        """Shift log surface pressure so that its mean pressure is `SURFACE_PRESSURE` again."""
        shift = jnp.log(SURFACE_PRESSURE / self.mean_pressure(state)) * np.sqrt(4 * np.pi)
        log_pressure = state.log_surface_pressure.at[0, 0, 0].add(shift)
        return dataclasses.replace(state, log_surface_pressure=log_pressure)

    def frame(self, state):
        """`state` 12 hours later, mass restored."""
        return self._move(state)

    def view(self, state) -> dict[str, NDArray]:
        """Coefficients (25, 1024) in model units, in the order of `harmonics.degrees`.

        Vorticity, divergence and temperature variation of eight layers each, and log surface
        pressure.
        """
        fields = np.concatenate([np.asarray(getattr(state, name), np.float32) for name in FIELDS])
        return {"coefficients": fields[:, *triangle()]}

    def ground(self) -> dict[str, NDArray]:
        """No maps: the mountains are a formula."""
        return {}

    def _twelve_hours(self, state):
        state = jax.lax.fori_loop(0, STEPS_PER_FRAME, lambda _, s: self.step(s), state)
        return self.fix_mass(state)

    def start(self, key: Array):
        """Isothermal rest over the mountains with small random vorticity in degrees 2 to 15."""
        from dinosaur.primitive_equations import State  # pyright: ignore[reportMissingImports]

        noise = self._random_vorticity(key, 1e-3)
        height = self.grid.to_nodal(self.orography)
        scale = REFERENCE_KELVIN * self.specs.R / self.specs.g
        hydrostatic = self.grid.to_modal(-height / scale)[None]
        offset = (np.log(SURFACE_PRESSURE) + self.log_pascal) * np.sqrt(4 * np.pi)
        pressure = jnp.asarray(hydrostatic, jnp.float32).at[0, 0, 0].add(offset)
        state = State(
            vorticity=noise,
            divergence=jnp.zeros_like(noise),
            temperature_variation=jnp.zeros_like(noise),
            log_surface_pressure=pressure,
        )
        return self.fix_mass(state)

    def branch(self, state, key: Array):
        """`state` plus a few m/s of random wind."""
        wind = self._random_vorticity(key, 5e-3)
        return dataclasses.replace(state, vorticity=state.vorticity + wind)

    def _random_vorticity(self, key: Array, size: float) -> Float[Array, "layer order degree"]:
        total = self.grid.modal_axes[1]
        keep = self.grid.mask * ((total >= 2) & (total <= 15))[None]
        shape = (len(SIGMA_CENTRES), *self.grid.modal_shape)
        return jax.random.normal(key, shape, jnp.float32) * keep[None] * size

"""The nature run: dry primitive equations with Held-Suarez forcing over four mountains.

Needs the optional package `dinosaur` (extra `train`); nothing else in dabench does. A run is a
folder of segments, `segment_000.npz` onwards, each with the spectral states of all members every
12 hours and the last full state, so that an interrupted run goes on where it stopped.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from dabench.core.files import save
from dabench.systems.held_suarez.channels import orography

log = logging.getLogger(__name__)

TRUNCATION = 31
SIGMA_BOUNDARIES = (0.0, 0.06, 0.16, 0.30, 0.45, 0.60, 0.75, 0.90, 1.0)
SIGMA_CENTRES = tuple((a + b) / 2 for a, b in pairwise(SIGMA_BOUNDARIES))
ASYMMETRY_KELVIN = 6.0  # of the equilibrium temperature, in the lower half of the atmosphere
REFERENCE_KELVIN = 288.0
SURFACE_PRESSURE = 1e5  # Pa, global mean, kept by the mass fixer
FIELDS = ("vorticity", "divergence", "temperature_variation", "log_surface_pressure")
STEPS_PER_FRAME = 24  # of 30 minutes: one frame is 12 hours


@dataclasses.dataclass(frozen=True)
class NatureSettings:
    """How long to run.

    One start from rest runs for `spinup_days`; `members` branch off with random winds of their own
    and run for `branch_days` more, unstored, to forget each other; then `frames` of each are
    stored, 12 hours apart, `segment_frames` to a file.
    """

    members: int = 8
    spinup_days: int = 140
    branch_days: int = 40
    frames: int = 1000
    segment_frames: int = 50
    seed: int = 2024


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


class Nature:
    """The model: `start` draws states, `frame` moves them on by 12 hours.

    States are dinosaur's spectral primitive-equation states, with a leading member axis outside.
    """

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
        """One member 12 hours on, mass restored."""
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

    def branch(self, state, seed: int, member: int):
        """`state` plus a few m/s of random wind, member 0 included."""
        key = jax.random.fold_in(jax.random.key(seed), member)
        wind = self._random_vorticity(key, 5e-3)
        return dataclasses.replace(state, vorticity=state.vorticity + wind)

    def _random_vorticity(self, key: Array, size: float) -> Float[Array, "layer order degree"]:
        total = self.grid.modal_axes[1]
        keep = self.grid.mask * ((total >= 2) & (total <= 15))[None]
        shape = (len(SIGMA_CENTRES), *self.grid.modal_shape)
        return jax.random.normal(key, shape, jnp.float32) * keep[None] * size


def pack(state) -> dict[str, NDArray]:
    """A state's arrays by name, as stored in a segment."""
    return {name: np.asarray(getattr(state, name), np.float32) for name in FIELDS}


def unpack(arrays: Mapping[str, NDArray]):
    """The state stored by `pack`."""
    from dinosaur.primitive_equations import State  # pyright: ignore[reportMissingImports]

    return State(**{name: jnp.asarray(arrays[name]) for name in FIELDS})


def triangle() -> tuple[NDArray, NDArray]:
    """Row and column of every harmonic of degree <= 31 in dinosaur's (order, degree) arrays.

    Sorted by degree, then by order 0, +1, -1, +2, ...: coefficient l*l + j is order j of degree l.
    """
    degree = np.repeat(np.arange(TRUNCATION + 1), 2 * np.arange(TRUNCATION + 1) + 1)
    return np.arange(degree.size) - degree**2, degree


def _spin_up(nature: Nature, out: Path, settings: NatureSettings):
    """The state all members branch from, from `out` if it is there."""
    path = out / "spinup.npz"
    if not path.exists():
        frame = jax.jit(nature.frame)
        state = nature.start(jax.random.key(settings.seed))
        for _ in range(2 * settings.spinup_days):
            state = frame(state)
        save(path, pack(state))
    return unpack(np.load(path))


def segment_path(out: Path, member: int, segment: int) -> Path:
    return out / f"member_{member:02d}_segment_{segment:03d}.npz"


def run(out: Path, settings: NatureSettings, members: Sequence[int] | None = None) -> None:
    """Bring the run in folder `out` up to `settings`, going on from what is there.

    A segment holds `coefficients` (frame, 25, 1024) in model units (vorticity, divergence,
    temperature variation of eight layers each, log surface pressure; harmonics as in `triangle`)
    and the last state in full. Several processes may share the work by taking different `members`.
    """
    out.mkdir(parents=True, exist_ok=True)
    chosen = range(settings.members) if members is None else members
    with jax.enable_x64(False):
        nature = Nature()
        branch_point = _spin_up(nature, out, settings)
        frame = jax.jit(nature.frame)
        for member in chosen:
            _branch(nature, frame, out, settings, member, branch_point)
        for segment in range(1, 1 - (-settings.frames // settings.segment_frames)):
            for member in chosen:
                _segment(frame, out, settings, member, segment)


def _branch(nature: Nature, frame, out: Path, settings: NatureSettings, member: int, state) -> None:
    path = segment_path(out, member, 0)
    if path.exists():
        return
    state = nature.branch(state, settings.seed, member)
    for _ in range(2 * settings.branch_days):
        state = frame(state)
    save(path, pack(state))


def _segment(frame, out: Path, settings: NatureSettings, member: int, segment: int) -> None:
    path = segment_path(out, member, segment)
    if path.exists():
        return
    state, rows = unpack(np.load(segment_path(out, member, segment - 1))), []
    for _ in range(settings.segment_frames):
        state = frame(state)
        fields = np.concatenate(list(pack(state).values()))
        rows.append(fields[:, *triangle()])
    if not np.isfinite(rows[-1]).all():
        raise FloatingPointError(f"member {member} blew up in segment {segment}")
    save(path, {"coefficients": np.asarray(rows, np.float32), **pack(state)})
    log.info("nature run: member %d, segment %d", member, segment)

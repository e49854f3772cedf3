"""SPEEDY (package jcm) in a perpetual January, as the nature run integrates it.

Needs the optional package `jcm` (extra `speedy`); nothing else in dabench does.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

from dabench.systems.atmosphere.training.nature import triangle

TRUNCATION = 31  # of the model; its mountains and tendencies end at degree 30
LAYERS = 8
DATE = "2000-01-15"  # whose sun, sea and soil last for ever
STEP_SECONDS = 2400  # SPEEDY's own: 36 steps a day
STEPS_PER_FRAME = 12 * 3600 // STEP_SECONDS
DIFFUSION_SECONDS = 2.4 * 3600  # e-folding time of the shortest wave, as in speedy.f90
DIFFUSION_ORDER = 4  # the Laplacian's power, as in speedy.f90
SEA_LEVEL_PRESSURE = 1.0115  # of the start, in units of 1000 hPa
COLUMN_KELVIN = 275.0  # temperature of the start's hydrostatic surface pressure
GRAVITY, GAS_CONSTANT = 9.81, 287.0  # SI, of the same
WIND_DEGREES = (2, 15)  # harmonics of the random wind that sets members apart
WIND_SIZE = 7.3e-7  # standard deviation of its coefficients of vorticity, 1/s: a few m/s in all


class FullState(NamedTuple):
    """Everything that the next step depends on."""

    dynamics: Any
    physics: Any
    step: Array


class Speedy:
    """SPEEDY with smoothed mountains, speedy.f90's diffusion and a date that stands still."""

    def __init__(self) -> None:
        from importlib import resources

        from jcm.date import to_datetime  # pyright: ignore[reportMissingImports]
        from jcm.forcing import ForcingData  # pyright: ignore[reportMissingImports]
        from jcm.physics.speedy.speedy_coords import (  # pyright: ignore[reportMissingImports]
            get_speedy_coords,
        )

        maps: Any = resources.files("jcm.data.bc.t30.clim")
        self.coords = get_speedy_coords(layers=LAYERS, spectral_truncation=TRUNCATION)
        self.grid = self.coords.horizontal
        self.degree = np.asarray(self.grid.modal_axes[1])
        self.terrain = self._terrain(maps / "terrain.nc")
        self.forcing = ForcingData.from_file(
            maps / "forcing.nc", coords=self.coords, align_mode="wrap_year"
        )
        self.model = self._model()
        self.date = to_datetime(DATE)
        self._move = jax.jit(self._twelve_hours)
        self._show = jax.jit(self._fields)

    def _terrain(self, path: Any) -> Any:
        """jcm's terrain, its mountains with a spectrum that falls off smoothly (Lanczos).

        Cut hard at degree 30, they would lie 500 m below sea level west of the Andes; so, 60 m.
        """
        from jcm.terrain import TerrainData  # pyright: ignore[reportMissingImports]

        terrain = TerrainData.from_file(path, coords=self.coords)
        taper = np.sinc(self.degree / TRUNCATION) * (self.degree < TRUNCATION)
        smooth = self.grid.to_nodal(self.grid.to_modal(terrain.orog) * taper)
        return TerrainData.from_coords(self.coords, orography=smooth, fmask=terrain.fmask)

    def _model(self) -> Any:
        from jcm.diffusion import DiffusionFilter  # pyright: ignore[reportMissingImports]
        from jcm.dycore.dinosaur.dycore import (  # pyright: ignore[reportMissingImports]
            DinosaurDycore,
        )
        from jcm.model import Model  # pyright: ignore[reportMissingImports]
        from jcm.physics.speedy.speedy_terms import (  # pyright: ignore[reportMissingImports]
            speedy_physics,
        )

        fields = ("vor_q", "temp", "div")
        diffusion = DiffusionFilter(
            **{f"{field}_timescale": DIFFUSION_SECONDS for field in fields},
            **{f"{field}_order": DIFFUSION_ORDER for field in fields},
        )
        dynamics = DinosaurDycore(self.coords, self.terrain, STEP_SECONDS, diffusion=diffusion)
        physics = speedy_physics(checkpoint_terms=False)
        return Model(dycore=dynamics, physics=physics, start_time=DATE)

    def start(self, key: Array) -> FullState:
        """Isothermal rest, with a surface pressure that balances the mountains; no `key` needed."""
        del key
        state = self.model.initial_state(random_seed=0)
        height = jnp.asarray(self.terrain.orog)
        balanced = jnp.log(SEA_LEVEL_PRESSURE) - height * GRAVITY / (GAS_CONSTANT * COLUMN_KELVIN)
        modes = self.grid.to_modal(balanced) * (self.degree < TRUNCATION)
        ripples = state.log_surface_pressure.at[0, 0, 0].set(0.0)
        dynamics, physics = self.model.bootstrap_state(
            state.replace(log_surface_pressure=ripples + modes[None])
        )
        return _plain(FullState(dynamics, physics, jnp.int32(0)))

    def branch(self, state: FullState, key: Array) -> FullState:
        """`state` plus a few m/s of random wind."""
        least, most = WIND_DEGREES
        keep = self.grid.mask * ((self.degree >= least) & (self.degree <= most))
        vorticity = state.dynamics.vorticity
        noise = WIND_SIZE * keep * jax.random.normal(key, vorticity.shape, jnp.float32)
        return _plain(state._replace(dynamics=state.dynamics.replace(vorticity=vorticity + noise)))

    def frame(self, state: FullState) -> FullState:
        """`state` 12 hours later; jcm itself restores the mass of air at every step."""
        return self._move(state, self.forcing)

    def view(self, state: FullState) -> dict[str, NDArray]:
        """Coefficients of the atmosphere, and maps of the air at the ground.

        `coefficients` (41, 1024), in the order of `harmonics.degrees`: vorticity and divergence
        (1/s), temperature (K), specific humidity (kg/kg) and geopotential (m2/s2) on eight layers,
        and ln(surface pressure / 1000 hPa). `surface` (3, latitude, longitude) on the Gaussian
        grid: temperature (K), eastward and northward wind (m/s) of the surface scheme.
        """
        return {name: np.asarray(x, np.float32) for name, x in self._show(state).items()}

    def ground(self) -> dict[str, NDArray]:
        """Height (m) of the mountains as the model feels it, and the share of land; on the grid."""
        maps = {"height": self.terrain.orog, "land": self.terrain.fmask}
        return {name: np.asarray(x, np.float32).T for name, x in maps.items()}

    def _twelve_hours(self, state: FullState, forcing: Any) -> FullState:
        from jcm.date import DateData  # pyright: ignore[reportMissingImports]

        move = self.model._get_op_split_step_fn(forcing)

        def step(_: Any, state: FullState) -> FullState:
            date = DateData(self.date, state.step, STEP_SECONDS)
            dynamics, physics = move(state.dynamics, state.physics, date)
            return FullState(dynamics, physics, state.step + 1)

        return jax.lax.fori_loop(0, STEPS_PER_FRAME, step, state)

    def _fields(self, state: FullState) -> dict[str, Array]:
        nodal = self.model.dycore.to_physics_state(state.dynamics)
        layers = [
            state.dynamics.vorticity,
            state.dynamics.divergence,
            self.grid.to_modal(nodal.temperature),
            self.grid.to_modal(nodal.specific_humidity),
            self.grid.to_modal(nodal.geopotential),
            state.dynamics.log_surface_pressure,
        ]
        air = state.physics["_surface_flux"]
        surface = jnp.stack([air.t0, air.u0, air.v0])
        return {
            "coefficients": jnp.concatenate(layers)[:, *triangle()],
            "surface": jnp.swapaxes(surface.reshape(3, *self.grid.nodal_shape), 1, 2),
        }


def _plain(state: Any) -> Any:
    """`state` without weak types, which a stored state lacks: both then compile to one program."""
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), state)

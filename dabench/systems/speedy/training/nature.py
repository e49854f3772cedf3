"""The nature run: SPEEDY (package jcm) in a perpetual January, a frame every 12 hours.

    spin-up, 360 days ──► member, 40 days unstored ──► segments of 50 frames
                     └──► member, 40 days unstored ──► segments of 50 frames

Needs the optional package `jcm` (extra `speedy`); nothing else in dabench does. A run is a folder
with one folder a member; a member's segments hold its spectral states, and beside them lies the
model's last state in full, so that an interrupted run goes on bit for bit where it stopped.
"""

import dataclasses
import logging
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpy.typing import NDArray

log = logging.getLogger(__name__)

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


class Member(NamedTuple):
    """A branch of the run: name of its folder, and how many frames it stores."""

    name: str
    frames: int


def planned_members(training: int = 12, frames: int = 1000) -> tuple[Member, ...]:
    """Everything a release needs: first what no network is trained on, then `training` members.

    Each verification stretch is a branch of its own, as are the one for tuning methods, the long
    one, the frames that judge training and those of the climate.
    """
    return (
        *(Member(f"verification_{i}", 50) for i in range(5)),
        Member("tuning", 50),
        Member("long", 150),
        Member("validation", 150),
        Member("climate", 400),
        *(Member(f"training_{i:02d}", frames) for i in range(training)),
    )


@dataclasses.dataclass(frozen=True)
class NatureSettings:
    """How long to run.

    One start from rest runs for `spinup_days`; `members` branch off with random winds of their own
    and run for `branch_days` more, unstored, to forget each other; then their frames are stored,
    12 hours apart, `segment_frames` to a file.
    """

    members: tuple[Member, ...] = planned_members()
    spinup_days: int = 360
    branch_days: int = 40
    segment_frames: int = 50
    seed: int = 2024


class Atmosphere(Protocol):
    """What a run needs of the model; states are trees of arrays."""

    def start(self) -> Any:
        """The state that the spin-up begins with."""
        ...

    def branch(self, state: Any, key: Array) -> Any:
        """`state` with a random wind added."""
        ...

    def frame(self, state: Any) -> Any:
        """`state` 12 hours later."""
        ...

    def view(self, state: Any) -> Mapping[str, NDArray]:
        """The arrays of a frame to store."""
        ...

    def ground(self) -> Mapping[str, NDArray]:
        """Maps that do not change."""
        ...


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

    def start(self) -> FullState:
        """Isothermal rest, with a surface pressure that balances the mountains."""
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


def triangle() -> tuple[NDArray, NDArray]:
    """Row and column of every harmonic of degree <= 31 in dinosaur's (order, degree) arrays.

    Sorted by degree, then by order 0, +1, -1, +2, ...: coefficient l*l + j is order j of degree l.
    """
    degree = np.repeat(np.arange(TRUNCATION + 1), 2 * np.arange(TRUNCATION + 1) + 1)
    return np.arange(degree.size) - degree**2, degree


def segment_path(out: Path, member: str, segment: int) -> Path:
    """File of the `segment`-th frames of a member, counted from one."""
    return out / member / f"segment_{segment:03d}.npz"


def run(
    out: Path,
    settings: NatureSettings,
    members: Sequence[str] | None = None,
    atmosphere: Atmosphere | None = None,
) -> None:
    """Bring the run in folder `out` up to `settings`, going on from what is there.

    A segment holds the arrays of `Speedy.view` with a leading frame axis. Several processes may
    share the work by taking different `members`, once the spin-up is there.
    """
    out.mkdir(parents=True, exist_ok=True)
    with jax.enable_x64(False):
        model = atmosphere or Speedy()
        save(out / "ground.npz", model.ground())
        like = model.start()
        origin = _spin_up(model, out, settings, like)
        for member in settings.members:
            if members is None or member.name in members:
                _run_member(model, out, settings, member, origin)


def _spin_up(model: Atmosphere, out: Path, settings: NatureSettings, state: Any) -> Any:
    """The state that all members branch from, out of its file if it is there.

    Written every 20 days on the way, with the day in the file's name.
    """
    day = max(_days_done(out), default=0)
    if day:
        state = load_state(out / f"spinup_{day:03d}.npz", state)
    while day < settings.spinup_days:
        days = min(20, settings.spinup_days - day)
        state = _advance(model, state, days)
        day += days
        save_state(out / f"spinup_{day:03d}.npz", state)
        log.info("spin-up: day %d", day)
    return state


def _days_done(out: Path) -> list[int]:
    return [int(path.stem[-3:]) for path in out.glob("spinup_???.npz")]


def _advance(model: Atmosphere, state: Any, days: int) -> Any:
    for _ in range(2 * days):
        state = model.frame(state)
    return state


def _run_member(
    model: Atmosphere, out: Path, settings: NatureSettings, member: Member, origin: Any
) -> None:
    folder = out / member.name
    folder.mkdir(exist_ok=True)
    segments = -(-member.frames // settings.segment_frames)
    done = max((int(path.stem[-3:]) for path in folder.glob("state_???.npz")), default=None)
    if done is None:
        key = jax.random.fold_in(jax.random.key(settings.seed), zlib.crc32(member.name.encode()))
        state = _advance(model, model.branch(origin, key), settings.branch_days)
        save_state(folder / "state_000.npz", state)
        done = 0
    elif done < segments:
        state = load_state(folder / f"state_{done:03d}.npz", origin)
    for segment in range(done + 1, segments + 1):
        state = _segment(model, out, settings, member.name, segment, state)


def _segment(
    model: Atmosphere, out: Path, settings: NatureSettings, member: str, segment: int, state: Any
) -> Any:
    """Store one segment and then the state after it; returns that state."""
    began, rows = time.process_time(), []
    for _ in range(settings.segment_frames):
        state = model.frame(state)
        rows.append(model.view(state))
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise FloatingPointError(f"member {member} blew up in segment {segment}")
    save(segment_path(out, member, segment), arrays)
    # The older state goes only when the newer one is there, and the newer one comes last of all.
    save_state(out / member / f"state_{segment:03d}.npz", state)
    (out / member / f"state_{segment - 1:03d}.npz").unlink(missing_ok=True)
    cost = (time.process_time() - began) / (settings.segment_frames / 2)
    log.info("%s: segment %d, %.2f CPU seconds a day", member, segment, cost)
    return state


def save_state(path: Path, state: Any) -> None:
    """Write every array of a state."""
    leaves = jax.tree.leaves(state)
    save(path, {f"leaf_{i:04d}": np.asarray(leaf) for i, leaf in enumerate(leaves)})


def load_state(path: Path, like: Any) -> Any:
    """What `save_state` wrote, in the structure of `like`."""
    with np.load(path) as file:
        leaves = [jnp.asarray(file[name]) for name in sorted(file.files)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def save(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz so that the file is either absent or whole."""
    draft = path.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as file:
        np.savez(file, **arrays)
    draft.replace(path)


def _plain(state: Any) -> Any:
    """`state` without weak types, which a stored state lacks: both then compile to one program."""
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), state)

"""The nature run of an atmosphere: branches of one spin-up, a frame every 12 hours.

    spin-up ──► member, 40 days unstored ──► segments of 50 frames
           └──► member, 40 days unstored ──► segments of 50 frames

A run is a folder with one folder a member. A member's segments hold what the dynamics shows of its
states, and beside the last one lies the state after it in full, so that an interrupted run goes on
bit for bit where it stopped.
"""

import dataclasses
import logging
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

from dabench.core.files import save
from dabench.systems.atmosphere.atmosphere import LMAX

log = logging.getLogger(__name__)

DAYS_A_CHECKPOINT = 20  # of the spin-up
STRETCHES = 5  # verification trajectories, one after another for the seeds 0, 1, ..


class Member(NamedTuple):
    """A branch of the run: name of its folder, and how many frames it stores."""

    name: str
    frames: int


class Lengths(NamedTuple):
    """Frames of each kind of member."""

    stretch: int = 50
    long: int = 150
    validation: int = 150
    climate: int = 400
    training: int = 1000


FULL = Lengths()


def planned_members(training: int, frames: Lengths) -> tuple[Member, ...]:
    """Everything a release needs: first what no network is trained on, then `training` members.

    Each verification stretch is a branch of its own, as are the one for tuning methods, the long
    one, the frames that judge training and those of the climate.
    """
    return (
        *(Member(f"verification_{i}", frames.stretch) for i in range(STRETCHES)),
        Member("tuning", frames.stretch),
        Member("long", frames.long),
        Member("validation", frames.validation),
        Member("climate", frames.climate),
        *(Member(f"training_{i:02d}", frames.training) for i in range(training)),
    )


@dataclasses.dataclass(frozen=True)
class NatureSettings:
    """How long to run.

    One start from rest runs for `spinup_days`; `members` branch off with random winds of their own
    and run for `branch_days` more, unstored, to forget each other; then their frames are stored,
    12 hours apart, `segment_frames` to a file.
    """

    members: tuple[Member, ...] = planned_members(12, FULL)
    spinup_days: int = 360
    branch_days: int = 40
    segment_frames: int = 50
    seed: int = 2024


class Dynamics(Protocol):
    """What a run needs of a model; states are trees of arrays."""

    def start(self, key: Array) -> Any:
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


def triangle() -> tuple[NDArray, NDArray]:
    """Row and column of every harmonic of degree <= 31 in dinosaur's (order, degree) arrays.

    Sorted by degree, then by order 0, +1, -1, +2, ...: coefficient l*l + j is order j of degree l.
    """
    degree = np.repeat(np.arange(LMAX + 1), 2 * np.arange(LMAX + 1) + 1)
    return np.arange(degree.size) - degree**2, degree


def segment_path(out: Path, member: str, segment: int) -> Path:
    """File of the `segment`-th frames of a member, counted from one."""
    return out / member / f"segment_{segment:03d}.npz"


def run(
    out: Path,
    settings: NatureSettings,
    dynamics: Dynamics,
    members: Sequence[str] | None = None,
) -> None:
    """Bring the run in folder `out` up to `settings`, going on from what is there.

    A segment holds the arrays of `Dynamics.view` with a leading frame axis. Several processes may
    share the work by taking different `members`, once the spin-up is there.
    """
    out.mkdir(parents=True, exist_ok=True)
    save(out / "ground.npz", dynamics.ground())
    first = dynamics.start(jax.random.key(settings.seed))
    origin = _spin_up(dynamics, out, settings, first)
    for member in settings.members:
        if members is None or member.name in members:
            _run_member(dynamics, out, settings, member, origin)


def _spin_up(dynamics: Dynamics, out: Path, settings: NatureSettings, state: Any) -> Any:
    """The state that all members branch from, out of its file if it is there.

    Written on the way too, with the day in the file's name.
    """
    day = max(_days_done(out), default=0)
    if day:
        state = load_state(out / f"spinup_{day:03d}.npz", state)
    if day < settings.spinup_days:
        log.info("spin-up: from day %d to day %d", day, settings.spinup_days)
    while day < settings.spinup_days:
        days = min(DAYS_A_CHECKPOINT, settings.spinup_days - day)
        state = _advance(dynamics, state, days)
        day += days
        save_state(out / f"spinup_{day:03d}.npz", state)
        log.info("spin-up: day %d", day)
    return state


def _days_done(out: Path) -> list[int]:
    return [int(path.stem[-3:]) for path in out.glob("spinup_???.npz")]


def _advance(dynamics: Dynamics, state: Any, days: int) -> Any:
    for _ in range(2 * days):
        state = dynamics.frame(state)
    return state


def _run_member(
    dynamics: Dynamics, out: Path, settings: NatureSettings, member: Member, origin: Any
) -> None:
    folder = out / member.name
    folder.mkdir(exist_ok=True)
    segments = -(-member.frames // settings.segment_frames)
    done = max((int(path.stem[-3:]) for path in folder.glob("state_???.npz")), default=None)
    if done is None:
        log.info("%s: branches off for %d days", member.name, settings.branch_days)
        key = jax.random.fold_in(jax.random.key(settings.seed), zlib.crc32(member.name.encode()))
        state = _advance(dynamics, dynamics.branch(origin, key), settings.branch_days)
        save_state(folder / "state_000.npz", state)
        done = 0
    elif done < segments:
        state = load_state(folder / f"state_{done:03d}.npz", origin)
    for segment in range(done + 1, segments + 1):
        state = _segment(dynamics, out, settings, member.name, segment, segments, state)


def _segment(
    dynamics: Dynamics,
    out: Path,
    settings: NatureSettings,
    member: str,
    segment: int,
    of: int,
    state: Any,
) -> Any:
    """Store one segment and then the state after it; returns that state.

    Arguments:
        of: Number of segments of the member.
    """
    began, rows = time.process_time(), []
    for _ in range(settings.segment_frames):
        state = dynamics.frame(state)
        rows.append(dynamics.view(state))
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise FloatingPointError(f"member {member} blew up in segment {segment}")
    save(segment_path(out, member, segment), arrays)
    # The older state goes only when the newer one is there, and the newer one comes last of all.
    save_state(out / member / f"state_{segment:03d}.npz", state)
    (out / member / f"state_{segment - 1:03d}.npz").unlink(missing_ok=True)
    cost = (time.process_time() - began) / (settings.segment_frames / 2)
    log.info("%s: segment %d of %d, %.2f CPU seconds a day", member, segment, of, cost)
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

"""Everything an embedded atmosphere ships, from nothing: `dabench train SYSTEM`.

    nature run ──► frames on pressure levels ──► network ──► files to ship ──► report

Every step goes on from whatever an earlier, interrupted call left behind.
"""

import csv
import dataclasses
import importlib.util
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from dabench.core.errors import UserError
from dabench.core.files import save
from dabench.systems.atmosphere import files, int16
from dabench.systems.atmosphere.atmosphere import Atmosphere, Coefficients, Ground, Statistics
from dabench.systems.atmosphere.coasts import load_coasts
from dabench.systems.atmosphere.means import MEANS, Relation, load_relation, relation
from dabench.systems.atmosphere.system import on_grid
from dabench.systems.atmosphere.training import frames, nature, release
from dabench.systems.atmosphere.training.nature import FULL, Dynamics, Lengths, NatureSettings
from dabench.systems.base import System
from dabench.systems.gencast import checkpoint

log = logging.getLogger(__name__)

Maps = Mapping[str, NDArray]


class Recipe(NamedTuple):
    """What training needs to know of one atmosphere.

    Arguments:
        dynamics: Makes the model that the nature run integrates.
        regrid: Maps of the ground, as the dynamics has them -> the regridding of a segment.
        ground: The same maps -> coefficients of the static fields.
        open: Folder of shipped files -> the system.
        packages: What must be installed, and `extra` what installs it.
        steps: Training steps that pay.
    """

    atmosphere: Atmosphere
    dynamics: Callable[[], Dynamics]
    regrid: Callable[[Maps], frames.Regrid]
    ground: Callable[[Maps], Ground]
    open: Callable[[Path], System]
    packages: tuple[str, ...]
    extra: str
    steps: int


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything: what `--small` makes small.

    Arguments:
        members: Members of the nature run that train the network.
        frames: Frames of each member.
        spinup_days, branch_days, segment_frames: Lengths of the nature run's parts.
        steps: Training steps of four pairs.
        width, mesh: Features a node of the network, and refinements of its mesh.
        cases, report_members, report_days: Starts, members and length of the report's forecasts.
        probes, cycles: Probes of the report on symmetry, and cycles of its guided ensemble.
    """

    members: int = 12
    frames: Lengths = FULL
    spinup_days: int = 360
    branch_days: int = 40
    segment_frames: int = 50
    steps: int = 40000
    width: int = 64
    mesh: int = 3
    cases: int = 12
    report_members: int = 8
    report_days: int = 20
    probes: int = 8
    cycles: int = 8

    @property
    def nature(self) -> NatureSettings:
        """Settings of the nature run."""
        members = nature.planned_members(self.members, self.frames)
        return NatureSettings(members, self.spinup_days, self.branch_days, self.segment_frames)


SMALL = Size(
    members=1,
    frames=Lengths(8, 8, 8, 8, 8),
    spinup_days=1,
    branch_days=1,
    segment_frames=4,
    steps=4,
    width=8,
    mesh=1,
    cases=1,
    report_members=2,
    report_days=2,
    probes=1,
    cycles=2,
)


def train(recipe: Recipe, out: Path, size: Size) -> Path:
    """Nature run, channels, training, files to ship and the report; the folder of the files.

    Arguments:
        out: Folder for everything; the files to ship end up in `out`/files.

    `system: {name: NAME, files: FOLDER}` uses the folder that is returned.
    """
    _need_packages(recipe)
    with jax.enable_x64(False):
        nature.run(out / "nature", size.nature, recipe.dynamics())
        learn(recipe, out, size)
        return publish(recipe, out, size)


def learn(recipe: Recipe, out: Path, size: Size) -> None:
    """Train the network on the nature run in `out`, as far as `size` asks for."""
    from dabench.systems.atmosphere.training import learning, state
    from dabench.systems.atmosphere.training.pairs import TrainingFrames

    run, regrid, maps = out / "nature", *_regrid(recipe, out)
    members = [frames.load(run, name, regrid) for name in _training_members(run)]
    statistics, means = _normalisation(recipe, out, members)
    trainer = learning.Trainer(
        state.TrainSettings(steps=size.steps),
        learning.network_config(recipe.atmosphere, size.width, size.mesh),
        recipe.ground(maps),
        means,
    )
    learning.fit(
        trainer,
        TrainingFrames(members, statistics, means),
        TrainingFrames([frames.load(run, "validation", regrid)], statistics, means),
        out / "training",
        progress=_log_validation,
    )


def _log_validation(row: Mapping[str, float]) -> None:
    numbers = ", ".join(f"{name} {v:.4g}" for name, v in row.items() if name != "step")
    log.info("training: validation at step %d: %s", row["step"], numbers)


def publish(recipe: Recipe, out: Path, size: Size) -> Path:
    """Write the files to ship and the report, from the nature run and the training in `out`."""
    from dabench.systems.atmosphere.training import learning, state

    run, regrid, maps = out / "nature", *_regrid(recipe, out)
    folder = out / "files"
    folder.mkdir(exist_ok=True)
    config = learning.network_config(recipe.atmosphere, size.width, size.mesh)
    average, steps = state.load_average(out / "training", config)
    statistics = frames.load_statistics(out / "statistics.npz")
    release.write_weights(
        folder / files.WEIGHTS, recipe.atmosphere, average, config, statistics, steps
    )
    means = load_relation(out / "means.npz")
    _calibrate(recipe, out, average, config)
    outside = frames.left_out(run, _training_members(run))
    release.write_ground(folder / files.GROUND, recipe.ground(maps), outside, means)
    about = {
        file: release.write_frames(
            folder / file,
            recipe.atmosphere,
            release.select(file, frames.load(run, member, regrid)),
        )
        for file, member in release.shipped_members().items()
    }
    release.write_provenance(
        folder / files.PROVENANCE,
        (*recipe.packages,),
        size=size,
        nature_run=size.nature,
        training=state.TrainSettings(steps=size.steps),
        data=about,
        validation=validation_curve(out / "training"),
    )
    _report(recipe, out, size, regrid)
    return folder


def _calibrate(
    recipe: Recipe, out: Path, params: checkpoint.Params, config: checkpoint.Config
) -> None:
    """Fit the calibration on the last few training members and write it among the files."""
    from dabench.systems.atmosphere.training import calibration, learning, state
    from dabench.systems.atmosphere.training.pairs import TrainingFrames

    log.info("calibration: fitted to the last training members")
    run, regrid, maps = out / "nature", *_regrid(recipe, out)
    statistics, means = _normalisation(recipe, out, [])
    trainer = learning.Trainer(state.TrainSettings(), config, recipe.ground(maps), means)
    members = [frames.load(run, name, regrid) for name in _training_members(run)[-3:]]
    fitted = calibration.fit(trainer, params, TrainingFrames(members, statistics, means))
    save(out / "files" / files.CALIBRATION, fitted._asdict(), compress=True)


def _report(recipe: Recipe, out: Path, size: Size, regrid: frames.Regrid) -> None:
    """Write the report of the published files beside them."""
    from dabench.systems.atmosphere.training import report

    log.info("report: forecasts and a guided ensemble of the files to ship")
    run, folder = out / "nature", out / "files"
    # The frames that judged training judge the network here too; nothing else is scored on them.
    int16.save(out / "validation.npz", int16.pack(frames.load(run, "validation", regrid)))
    rows = on_grid(out / "validation.npz", 4.0, load_coasts(folder, 4.0))
    states = np.concatenate([rows[:-1], rows[1:]], axis=1)
    report.write(
        folder,
        recipe.open(folder),
        states,
        size.cases,
        size.report_members,
        size.report_days,
        size.probes,
        size.cycles,
    )


def _normalisation(
    recipe: Recipe, out: Path, members: list[Coefficients]
) -> tuple[Statistics, Relation]:
    """Statistics and relation of means of the members that training began with, for ever after."""
    path, means = out / "statistics.npz", out / "means.npz"
    if not path.exists():
        frames.save_statistics(path, frames.statistics(members))
    statistics = frames.load_statistics(path)
    if not means.exists():
        save(means, {MEANS: relation(recipe.atmosphere, members, statistics)})
    return statistics, load_relation(means)


def validation_curve(folder: Path) -> list[dict[str, float]]:
    """The rows that training has written so far."""
    with (folder / "validation.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _training_members(run: Path) -> list[str]:
    return sorted(path.name for path in run.glob("training_*") if any(path.glob("segment_*")))


def _regrid(recipe: Recipe, out: Path) -> tuple[frames.Regrid, Maps]:
    with np.load(out / "nature" / "ground.npz") as file:
        maps = {name: file[name] for name in file.files}
    return recipe.regrid(maps), maps


def _need_packages(recipe: Recipe) -> None:
    missing = [name for name in recipe.packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"training {recipe.atmosphere.name} needs {' and '.join(missing)}: "
            f"python -m pip install 'dabench[{recipe.extra}]'"
        )

"""Everything the embedded atmosphere ships, from nothing: `dabench train held_suarez`.

Needs the extra `train` (dinosaur for the nature run, optax for the optimiser).
"""

import csv
import importlib.util
import logging
from pathlib import Path

import jax

from dabench.core.errors import UserError
from dabench.systems.held_suarez.training import nature, regrid
from dabench.systems.held_suarez.training.nature import NatureSettings
from dabench.systems.held_suarez.training.release import FRAMES_NEEDED

log = logging.getLogger(__name__)


def train(out: Path | str, *, frames: int = 1000, members: int = 8, steps: int = 20000) -> Path:
    """Nature run, normalisation, training, files to ship and the validation report.

    All but the last member train the network; the last gives verification and climate. Goes on
    from whatever an earlier, interrupted call left in `out`.

    Arguments:
        out: Folder for everything; the files to ship end up in `out`/files.
        frames: 12-hourly frames stored of each member.
        steps: Training steps of four pairs.

    Returns the folder of the files: `system: {name: held_suarez, files: FOLDER}` uses them.
    """
    _need_extra()
    if frames < FRAMES_NEEDED:
        raise UserError(f"frames: {frames} are too few; the held-out member needs {FRAMES_NEEDED}")
    with jax.enable_x64(False):
        return _train(Path(out), NatureSettings(members=members, frames=frames), steps)


def _train(out: Path, settings: NatureSettings, steps: int) -> Path:
    from dabench.systems.held_suarez import files as shipped
    from dabench.systems.held_suarez.training import learning, release, report

    nature.run(out / "nature", settings)
    last = settings.members - 1
    seen = regrid.load(out / "nature", range(last))
    held_out = regrid.load(out / "nature", range(last, last + 1))
    statistics = regrid.statistics(seen)
    trainer = learning.Trainer(learning.TrainSettings(steps=steps), learning.network_config())
    state = learning.fit(
        trainer,
        learning.Frames(seen, statistics),
        learning.Frames(held_out, statistics),
        out / "training",
        progress=lambda row: log.info("training: %s", row),
    )
    files = out / "files"
    files.mkdir(exist_ok=True)
    release.write_weights(
        files / shipped.WEIGHTS, state.average, trainer.config, statistics, int(state.step)
    )
    release.write_provenance(
        files / release.PROVENANCE,
        nature_run=settings,
        training=trainer.settings,
        data=release.write_data(files, held_out[0]),
        validation=validation_curve(out / "training"),
    )
    report.write(files)
    return files


def validation_curve(folder: Path) -> list[dict[str, float]]:
    """The rows that training has written so far."""
    with (folder / "validation.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _need_extra() -> None:
    missing = [m for m in ("dinosaur", "optax") if importlib.util.find_spec(m) is None]
    if missing:
        raise UserError(
            f"training needs {' and '.join(missing)}: python -m pip install 'dabench[train]'"
        )

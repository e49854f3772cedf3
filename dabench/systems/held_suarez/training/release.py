"""What ships: the network in GenCast's format, truth and climate, and where they are from."""

import dataclasses
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

from dabench.core.errors import UserError
from dabench.systems.gencast import checkpoint
from dabench.systems.held_suarez import channels, int16, model
from dabench.systems.held_suarez.files import CLIMATE, VERIFICATION

PROVENANCE = "provenance.json"
VERIFICATION_FRAMES = 150
CLIMATE_PAIRS = 40
GAP_FRAMES = 40  # between verification and climate: 20 days, ten error-doubling times
FRAMES_NEEDED = VERIFICATION_FRAMES + GAP_FRAMES + 2 * CLIMATE_PAIRS  # of the held-out member


def write_weights(
    path: Path,
    params: checkpoint.Params,
    config: checkpoint.Config,
    statistics: channels.Statistics,
    steps: int,
) -> None:
    """The network in GenCast's format; normalisation and training grid go into the metadata."""
    lat, lon = model.grid(4.0)
    arrays = {at: {k: np.asarray(v, np.float32) for k, v in p.items()} for at, p in params.items()}
    checkpoint.save(
        path,
        checkpoint.Checkpoint(
            arrays,
            config,
            description="GenCast, small, trained on a Held-Suarez atmosphere; see provenance.json",
            license="Apache-2.0",
            metadata={"training_grid_size": len(lat) * len(lon), "steps": steps}
            | {name: values.astype(np.float32) for name, values in statistics._asdict().items()},
        ),
    )


def split_held_out(
    frames: channels.Coefficients,
) -> tuple[channels.Coefficients, channels.Coefficients]:
    """(verification frames, climate frames) of a member the network never saw.

    Verification comes first and is consecutive; after a gap the climate has `CLIMATE_PAIRS` pairs
    of consecutive frames, evenly spread over the rest: rows 2 i and 2 i + 1 are one pair.
    """
    if len(frames) < FRAMES_NEEDED:
        raise UserError(f"the held-out member has {len(frames)} frames; {FRAMES_NEEDED} are needed")
    first = VERIFICATION_FRAMES + GAP_FRAMES
    spacing = (len(frames) - first - 2) // (CLIMATE_PAIRS - 1)
    starts = first + spacing * np.arange(CLIMATE_PAIRS)
    pairs = np.stack([starts, starts + 1], axis=1).ravel()
    return frames[:VERIFICATION_FRAMES], frames[pairs]


def write_data(out: Path, held_out: channels.Coefficients) -> dict[str, Any]:
    """Pack verification and climate of the held-out member; returns what provenance says of it."""
    about: dict[str, Any] = {}
    names = [f"{c.name}{'' if c.level is None else f'@{c.level:g}'}" for c in channels.channels()]
    for name, frames in zip((VERIFICATION, CLIMATE), split_held_out(held_out), strict=True):
        ints = int16.pack(frames)
        int16.save(out / name, ints)
        error = int16.rounding_error(frames, ints)
        about[name] = {
            "frames": len(frames),
            "rounding_error_rms": {n: float(f"{e:.2g}") for n, e in zip(names, error, strict=True)},
        }
    first = VERIFICATION_FRAMES + GAP_FRAMES
    about[CLIMATE]["pairs"] = CLIMATE_PAIRS
    about[CLIMATE]["days_between_pairs"] = (len(held_out) - first - 2) // (CLIMATE_PAIRS - 1) / 2
    return about


def write_provenance(path: Path, **entries: Any) -> None:
    """Settings, seeds, curves and software versions as JSON; settings may be dataclasses."""
    plain = {k: vars(v) if dataclasses.is_dataclass(v) else v for k, v in entries.items()}
    software = {"python": platform.python_version()} | {
        package: importlib.metadata.version(package)
        for package in ("jax", "numpy", "dinosaur", "optax")
    }
    path.write_text(json.dumps(plain | {"software": software}, indent=1) + "\n")

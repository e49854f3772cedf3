"""What ships: the network in GenCast's format, truth and climate, and where they are from."""

import dataclasses
import importlib.metadata
import importlib.util
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from dabench.core.files import save
from dabench.systems.atmosphere import int16
from dabench.systems.atmosphere.atmosphere import Atmosphere, Coefficients, Ground, Statistics
from dabench.systems.atmosphere.coasts import COAST_LMAX, COASTS
from dabench.systems.atmosphere.files import CLIMATE, LONG, TUNING, verification
from dabench.systems.atmosphere.grid import grid
from dabench.systems.atmosphere.means import MEANS, Relation
from dabench.systems.atmosphere.training import nature
from dabench.systems.gencast import checkpoint
from dabench.systems.sphere import gaussian

STRETCH_FRAMES = 32  # 30 cycles: a state holds two frames, and the first is of cycle 0
LONG_FRAMES = 122  # 120 cycles, 60 days
CLIMATE_PAIRS = 40
BITS = 12  # the rounding error is then a thousandth of the standard deviation


def shipped_members() -> dict[str, str]:
    """File -> the member of the nature run whose frames it holds."""
    stretches = {verification(i): f"verification_{i}" for i in range(nature.STRETCHES)}
    return stretches | {TUNING: "tuning", LONG: "long", CLIMATE: "climate"}


def write_weights(
    path: Path,
    atmosphere: Atmosphere,
    params: checkpoint.Params,
    config: checkpoint.Config,
    statistics: Statistics,
    steps: int,
) -> None:
    """The network in GenCast's format; normalisation and training grid go into the metadata."""
    lat, lon = grid(4.0)
    arrays = {at: {k: np.asarray(v, np.float32) for k, v in p.items()} for at, p in params.items()}
    checkpoint.save(
        path,
        checkpoint.Checkpoint(
            arrays,
            config,
            description=f"GenCast, small, trained on {atmosphere.title}; see provenance.json",
            license="Apache-2.0",
            metadata={"training_grid_size": len(lat) * len(lon), "steps": steps}
            | {name: values.astype(np.float32) for name, values in statistics._asdict().items()},
        ),
    )


def select(file: str, frames: Coefficients) -> Coefficients:
    """The frames of a member that its file holds.

    Of the climate, `CLIMATE_PAIRS` pairs of consecutive frames, evenly spread: rows 2 i and
    2 i + 1 are one pair. Of any other, the first ones, consecutive.
    """
    if file != CLIMATE:
        return frames[: LONG_FRAMES if file == LONG else STRETCH_FRAMES]
    pairs = min(CLIMATE_PAIRS, len(frames) // 2)
    starts = np.linspace(0, len(frames) - 2, pairs).astype(int)
    return frames[np.stack([starts, starts + 1], axis=1).ravel()]


def write_frames(path: Path, atmosphere: Atmosphere, frames: Coefficients) -> dict[str, Any]:
    """Pack frames; returns what provenance says of them."""
    names = [f"{c.name}{'' if c.level is None else f'@{c.level:g}'}" for c in atmosphere.channels]
    ints = int16.pack(frames, BITS)
    int16.save(path, ints)
    error = int16.rounding_error(frames, ints)
    rounding = {n: float(f"{e:.2g}") for n, e in zip(names, error, strict=True)}
    return {"frames": len(frames), "bits": BITS, "rounding_error_rms": rounding}


def write_ground(
    path: Path,
    ground: Ground,
    outside: Float[np.ndarray, "channel point"],
    means: Relation,
) -> None:
    """The static fields, the coasts, and the relation of means.

    Arguments:
        outside: What the band leaves out of the channels' time mean, on the Gaussian grid.
    """
    coasts = outside @ gaussian.analysis(gaussian.gaussian_grid(), COAST_LMAX)
    arrays = {**ground, COASTS: coasts.astype(np.float32), MEANS: means}
    save(path, arrays, compress=True)


def write_provenance(path: Path, packages: tuple[str, ...], **entries: Any) -> None:
    """Settings, seeds, curves and software versions as JSON; settings may be dataclasses.

    A package that only the nature run needs may be missing where the rest is done.
    """
    plain = {
        k: v if isinstance(v, dict | list) else dataclasses.asdict(v) for k, v in entries.items()
    }
    there = [name for name in ("jax", "numpy", *packages) if importlib.util.find_spec(name)]
    software = {"python": platform.python_version()}
    software |= {name: importlib.metadata.version(name) for name in there}
    path.write_text(json.dumps(plain | {"software": software}, indent=1) + "\n")

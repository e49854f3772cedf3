"""The dry embedded atmosphere as a system."""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from dabench.diffusion.model import Sampler
from dabench.systems.atmosphere.calibration import load_calibration
from dabench.systems.atmosphere.coasts import load_coasts
from dabench.systems.atmosphere.files import (
    CALIBRATION,
    CLIMATE,
    GROUND,
    WEIGHTS,
    stretches,
    verification,
)
from dabench.systems.atmosphere.means import load_relation
from dabench.systems.atmosphere.model import model
from dabench.systems.atmosphere.system import Stretch, embedded, need_files, statistics
from dabench.systems.base import System
from dabench.systems.gencast import checkpoint
from dabench.systems.held_suarez.channels import HELD_SUAREZ
from dabench.systems.held_suarez.files import FILES, digest_of

SAMPLER = Sampler("dpmpp_2m", levels=12, sigma_max=60.0, sigma_min=0.01)


def held_suarez(
    *,
    resolution: Literal[2, 4] = 4,
    offset: Annotated[int, Ge(0), Le(10_000_000)] = 0,
    files: str = "",
) -> System:
    """A dry global atmosphere with a small GenCast, both shipped with the package.

    Arguments:
        resolution: Grid spacing in degrees; the same weights, truth and climate on either grid.
        offset: Where on the verification trajectory the truth begins, in cycles.
        files: Folder with other weights and data, as written by `dabench train held_suarez`.

    Truth and climate come from a nature run's member that the network was never trained on.
    """
    folder = Path(files) if files else FILES
    need_files("held_suarez", folder, (WEIGHTS, verification(0), CLIMATE))
    network, truths = checkpoint.load(folder / WEIGHTS), stretches(folder)
    normal, static = statistics(network), HELD_SUAREZ.ground(folder)
    # The packaged network is older than coasts, the relation of means and calibration.
    later = (folder / GROUND).exists()
    coasts = load_coasts(folder, resolution) if later else None
    means = load_relation(folder / GROUND) if later else None
    calibrated = (folder / CALIBRATION).exists()
    calibration = load_calibration(folder / CALIBRATION) if calibrated else None
    return embedded(
        "held_suarez",
        model(
            HELD_SUAREZ, network, normal, static, resolution, SAMPLER, coasts, means, calibration
        ),
        folder,
        resolution,
        stretch=lambda seed: Stretch(truths[seed % len(truths)], offset),
        digest=digest_of(resolution=resolution, offset=offset, files=files),
        coasts=coasts,
    )

"""SPEEDY's atmosphere as a system."""

from pathlib import Path
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dabench.diffusion.model import Sampler
from dabench.systems.atmosphere.calibration import load_calibration
from dabench.systems.atmosphere.coasts import load_coasts
from dabench.systems.atmosphere.files import CALIBRATION, CLIMATE, GROUND, WEIGHTS
from dabench.systems.atmosphere.grid import sphere_noise
from dabench.systems.atmosphere.means import load_relation
from dabench.systems.atmosphere.model import model
from dabench.systems.atmosphere.system import Stretch, embedded, need_files, statistics
from dabench.systems.base import System
from dabench.systems.gencast import checkpoint
from dabench.systems.speedy.channels import SPEEDY, ground
from dabench.systems.speedy.files import FILES, Truth, digest_of, trajectories

# Of the third order and from sigma 20 on: members of 12-hour forecasts then spread 1.04 times as
# far as they err, and 1.13 times with the second order from 60 on, at the same twelve evaluations.
SAMPLER = Sampler("dpmpp_3m", levels=12, sigma_max=20.0, sigma_min=0.01)


def speedy(
    *, resolution: Literal[2, 4] = 4, truth: Truth = "verification", files: str = ""
) -> System:
    """The Earth's atmosphere as SPEEDY has it in January, with a small GenCast; all in the package.

    Arguments:
        resolution: Grid spacing in degrees; the same weights, truth and climate on either grid.
        truth: Which trajectories the truth is: `verification`, five of 30 cycles, one after the
            other for the seeds 0, 1, ..; `tuning`, one of 30 cycles for choosing settings; `long`,
            one of 120 cycles.
        files: Folder with other weights and data, as written by `dabench train speedy`.

    Each trajectory is a branch of the nature run that the network was never trained on.
    """
    folder = Path(files) if files else FILES
    need_files("speedy", folder, (WEIGHTS, CALIBRATION, GROUND, CLIMATE))
    truths = trajectories(folder, truth)
    need_files("speedy", folder, tuple(path.name for path in truths))
    network, coasts = checkpoint.load(folder / WEIGHTS), load_coasts(folder, resolution)
    means = load_relation(folder / GROUND)
    normal, static = statistics(network), ground(folder)
    calibration = load_calibration(folder / CALIBRATION)
    return embedded(
        "speedy",
        model(SPEEDY, network, normal, static, resolution, SAMPLER, coasts, means, calibration),
        folder,
        resolution,
        stretch=lambda seed: Stretch(truths[seed % len(truths)]),
        digest=digest_of(resolution=resolution, truth=truth, files=files),
        coasts=coasts,
    )


def land(
    *, resolution: Literal[2, 4] = 4, files: str = "", **_: object
) -> Float[np.ndarray, "point"]:
    """The share of land at every point, by the system's settings."""
    coefficients = ground(Path(files) if files else FILES)["land_sea_mask"]
    share = sphere_noise(resolution).synthesise(jnp.asarray(coefficients, jnp.float32))
    return np.clip(np.asarray(share).ravel(), 0, 1)

"""What an archive records of its scenario, made again."""

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float

from dabench.core.errors import Caution, UserError
from dabench.runs.experiment import Experiment
from dabench.scenario.scenario import Scenario
from dabench.systems import LAND


def scenario(attrs: Any) -> Scenario:
    """The scenario of a run, from the attributes of its archive."""
    content = {k: v for k, v in attrs["scenario"].items() if k != "digest"}
    return Scenario.model_validate(content)


def experiment(attrs: Any) -> Experiment:
    """The experiment of a run; UserError where its system is no longer what it was.

    Arguments:
        attrs: Attributes of the run's archive.
    """
    restored = Experiment(scenario(attrs))
    if restored.system.digest != attrs["system"]["digest"]:
        raise UserError("the run's system (weights, data or settings) is not what is here now")
    return restored


def land(attrs: Any) -> Float[np.ndarray, "point"] | None:
    """Share of land at every point; None where the system has no land or its files are gone.

    Arguments:
        attrs: Attributes of the run's archive.
    """
    if attrs["system"]["name"] not in LAND:
        return None
    from dabench.systems import make

    try:
        return make.land(scenario(attrs))
    except UserError as reason:
        warnings.warn(f"regions of land are left out: {reason}", Caution, stacklevel=2)
        return None

"""Cautions before a run: samplers that ask a network for noise levels it was not trained on."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dabench.core.errors import Caution
from dabench.diffusion.model import Sampler
from dabench.diffusion.samplers import steps

if TYPE_CHECKING:
    from dabench.runs.execute import Job


def warn_of_samplers(jobs: "Sequence[Job]") -> None:
    """Warn, once a method, where its sampler leaves the levels of its network."""
    for job in jobs:
        sampler = job.baseline.arguments.get("sampler")
        text = sampler and beyond_training(job.experiment.system.model, sampler)
        if text:
            warnings.warn(f"{job.label}: {text}", Caution, stacklevel=2)


def beyond_training(model: Any, sampler: Sampler) -> str | None:
    """What noise levels a sampler has beyond those of the model, in words; None if it has none.

    Levels of the model are those that its network was trained on (`model.trained_on`), and those of
    its own sampler. A model without `trained_on` has an exact denoiser, good at all levels.
    """
    trained = getattr(model, "trained_on", None)
    if trained is None:
        return None
    levels, own = steps(sampler).sigma, steps(model.sampler).sigma
    low, high = min(trained[0], own.min()), max(trained[1], own.max())
    outside = int(((levels < low * (1 - 1e-6)) | (levels > high * (1 + 1e-6))).sum())
    if not outside:
        return None
    return (
        f"filter.sampler: {outside} of {len(levels)} noise levels, from {levels.max():.3g} to "
        f"{levels.min():.3g}, lie outside of {low:.3g} to {high:.3g}, where the network of this "
        "system was trained; what it says there is a guess"
    )

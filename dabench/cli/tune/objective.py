"""One number for a run, and what the run cost."""

import numpy as np

from dabench.core.work import PASSES
from dabench.leaderboard.cost_and_skill import geometric_mean
from dabench.scores.observed import kinds_of_fields
from dabench.scores.record import Scores

METRICS = "crps", "rmse"  # of a search; the first is the default
IN_WORDS = "over the free ensemble's; mean of the geometric means of observed and of other fields"
"""What the objective does with a metric."""


def objective(scores: Scores, reference: Scores, metric: str) -> float | None:
    """The run's metric over the reference's: a geometric mean of each kind of fields, their mean.

    Observed fields and the others weigh alike, however many there are; where there is one kind
    alone it is that. None where the run diverged, or a field has no value.

    Arguments:
        reference: Scores of the free ensemble on the same problem.
    """
    means = []
    for fields in kinds_of_fields(reference).values():
        pairs = [(scores.value(cell, metric), reference.value(cell, metric)) for cell in fields]
        scored = [(value, scale) for value, scale in pairs if scale]
        mean = geometric_mean([value and value / scale for value, scale in scored])
        if mean is None:
            return None
        means.append(mean)
    return float(np.mean(means)) if means else None


def evaluations(scores: Scores) -> float:
    """Denoiser evaluations of all members and cycles of a run, a Jacobian product being `PASSES`.

    Where a model has no denoiser, forecasts of members are counted.
    """
    calls = scores.cost.get("evaluations") or scores.completed
    return scores.members * (calls + PASSES * (scores.cost.get("products") or 0))

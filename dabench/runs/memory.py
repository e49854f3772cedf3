"""Memory of a run: what it took, what an ensemble takes, and what to change where it is short."""

from typing import TYPE_CHECKING

from dabench.core.errors import UserError
from dabench.core.memory import free_bytes

if TYPE_CHECKING:
    from dabench.runs.experiment import Experiment

from typing import Any


def peak_bytes() -> int | None:
    """The most that this process has held on the first device; None where it does not tell."""
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def used_by(step: Any, before: int | None, after: int | None) -> dict[str, int]:
    """Bytes that a run took, under the name of how they are known; empty if they are not.

    Arguments:
        step: Compiled; its arguments, outputs and temporaries are `compiled_step_bytes`.
        before, after: `peak_bytes`. If the run raised it, it is the run's `device_peak_bytes`.
    """
    if before is not None and after is not None and after > before:
        return {"device_peak_bytes": after}
    found = step.memory_analysis()
    if found is None:
        return {}
    sizes = found.argument_size_in_bytes, found.output_size_in_bytes, found.temp_size_in_bytes
    return {"compiled_step_bytes": sum(sizes) - found.alias_size_in_bytes}


if TYPE_CHECKING:
    from dabench.runs.experiment import Experiment

EXHAUSTED = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
COPIES = 4
"""Arrays of the size of a target that a sampler keeps of every member."""


def member_bytes(experiment: "Experiment", members: int) -> int:
    """What a method keeps of each member: states, the sampler's arrays, known channels."""
    import numpy as np

    from dabench.core.devices import held
    from dabench.diffusion.draw import KEEP_BELOW, context_bytes
    from dabench.diffusion.model import DiffusionModel

    model, layout = experiment.system.model, experiment.system.layout
    number = np.dtype(layout.dtype).itemsize
    found = 3 * layout.size * number
    if isinstance(model, DiffusionModel):
        context = context_bytes(model)
        found += context if held(members) * context <= KEEP_BELOW else 0
        found += COPIES * model.target_size * number
    return found


def explained(error: Exception, experiment: "Experiment", members: int) -> Exception:
    """The same error; or, where memory ran out, what would fit and which settings change it."""
    if not isinstance(error, MemoryError) and not any(text in str(error) for text in EXHAUSTED):
        return error
    from dabench.core.devices import held

    batch, advice = experiment.problem.batch, experiment.system.memory_advice
    a_member, free = member_bytes(experiment, members), free_bytes()
    fit = max(1, int(0.5 * free / a_member)) * members // held(members)
    return UserError(
        f"out of memory with {members} members, {batch} of them in the model at once. "
        f"Each keeps {a_member / 2**20:.0f} MiB and {free / 2**30:.1f} GiB are free, so about "
        f"{fit} members fit: use --members {min(fit, max(1, members - 1))} or less"
        + (f", or a smaller {advice}" if advice else "")
    )

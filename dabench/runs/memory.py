"""Memory of a run: what it took, what an ensemble takes, and what to change where it is short."""

from typing import TYPE_CHECKING, Any

from dabench.core import environment
from dabench.core.errors import UserError
from dabench.core.memory import free_bytes

if TYPE_CHECKING:
    from dabench.runs.experiment import Experiment

EXHAUSTED = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
COPIES = 4  # arrays of the size of a target that a sampler keeps for every member


def peak_bytes() -> int | None:
    """Largest number of bytes in use so far on the first device; None if it reports none."""
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def used_by(step: Any, before: int | None, after: int | None) -> dict[str, int]:
    """Bytes that a run took, by the name of their measure; empty if nothing measures them.

    `device_peak_bytes` is the device's peak, where the run raised it; else `compiled_step_bytes`
    are arguments, outputs and temporaries of the step, as the compiler counts them.

    Arguments:
        step: The compiled step.
        before: Peak before the run, see `peak_bytes`.
        after: Peak after the run.
    """
    if before is not None and after is not None and after > before:
        return {"device_peak_bytes": after}
    sizes = step.memory_analysis()
    if sizes is None:
        return {}
    parts = sizes.argument_size_in_bytes, sizes.output_size_in_bytes, sizes.temp_size_in_bytes
    return {"compiled_step_bytes": sum(parts) - sizes.alias_size_in_bytes}


def member_bytes(experiment: "Experiment", members: int) -> int:
    """Bytes that a method keeps for each member: states, the sampler's arrays, its context.

    Arguments:
        experiment: The experiment, whose model decides.
        members: Ensemble size: a context is kept where those of all members fit on a device.
    """
    import numpy as np

    from dabench.core.devices import members_per_device
    from dabench.diffusion.draw import KEEP_BELOW, context_bytes
    from dabench.diffusion.model import DiffusionModel

    model, layout = experiment.system.model, experiment.system.layout
    number = np.dtype(layout.dtype).itemsize
    total = 3 * layout.size * number
    if isinstance(model, DiffusionModel):
        context = context_bytes(model)
        total += context if members_per_device(members) * context <= KEEP_BELOW else 0
        total += COPIES * model.target_size * number
    return total


def explained(error: Exception, experiment: "Experiment", members: int) -> Exception:
    """The error, or a UserError: what would fit if memory ran out, or a fault of the machine.

    Arguments:
        error: Error that ended a run.
        experiment: Experiment of the run.
        members: Ensemble size of the run.
    """
    if not isinstance(error, MemoryError) and not any(text in str(error) for text in EXHAUSTED):
        return environment.explained(error)
    from dabench.core.devices import members_per_device

    batch, advice = experiment.problem.batch, experiment.system.memory_advice
    a_member, free = member_bytes(experiment, members), free_bytes()
    fit = max(1, int(0.5 * free / a_member)) * members // members_per_device(members)
    return UserError(
        f"out of memory with {members} members, {batch} of them in the model at once. "
        f"Each keeps {a_member / 2**20:.0f} MiB and {free / 2**30:.1f} GiB are free, so about "
        f"{fit} members fit: use --members {min(fit, max(1, members - 1))} or less"
        + (f", or a smaller {advice}" if advice else "")
    )

"""Free memory, what an ensemble takes of it, and what to say when it does not suffice."""

from pathlib import Path
from typing import TYPE_CHECKING

from dabench.errors import UserError

if TYPE_CHECKING:
    from dabench.run import Experiment

EXHAUSTED = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
COPIES = 4
"""Arrays of the size of a target that a sampler keeps of every member."""


def free_bytes() -> int:
    """Of the first device, or of the host where the device does not tell."""
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        known = dict(line.split(":", 1) for line in lines)
        return int(known["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 8 * 2**30


def member_bytes(experiment: "Experiment", members: int) -> int:
    """What a method keeps of each member: states, the sampler's arrays, known channels."""
    import numpy as np

    from dabench.devices import held
    from dabench.diffusion import KEEP_BELOW, condition_bytes
    from dabench.systems.base import DiffusionModel

    model, layout = experiment.system.model, experiment.system.layout
    number = np.dtype(layout.dtype).itemsize
    found = 3 * layout.size * number
    if isinstance(model, DiffusionModel):
        condition = condition_bytes(model)
        found += condition if held(members) * condition <= KEEP_BELOW else 0
        found += COPIES * model.target_size * number
    return found


def explained(error: Exception, experiment: "Experiment", members: int) -> Exception:
    """The same error; or, where memory ran out, what would fit and which settings change it."""
    if not isinstance(error, MemoryError) and not any(text in str(error) for text in EXHAUSTED):
        return error
    from dabench.devices import held

    batch, advice = experiment.problem.batch, experiment.system.extra.get("memory_advice", "")
    a_member, free = member_bytes(experiment, members), free_bytes()
    fit = max(1, int(0.5 * free / a_member)) * members // held(members)
    return UserError(
        f"out of memory with {members} members, {batch} of them in the model at once. "
        f"Each keeps {a_member / 2**20:.0f} MiB and {free / 2**30:.1f} GiB are free, so about "
        f"{fit} members fit: use --members {min(fit, max(1, members - 1))} or less"
        + (f", or a smaller {advice}" if advice else "")
    )

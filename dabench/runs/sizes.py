"""Sizes as people read them, and those of archives."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dabench.core.layout import Layout
    from dabench.runs.execute import Job


def archive(job: "Job", layout: "Layout", store_members: bool | None) -> str:
    """The folder of a job, and the size of its members' archive.

    Arguments:
        job: The job.
        layout: Layout of the states.
        store_members: Whether all members would be archived; None: where they take less than 1 GiB.
    """
    from dabench.runs.cycle import STORE_BELOW, members_bytes

    total = members_bytes(layout, job.baseline.members, job.experiment.scenario.period.cycles)
    store = total < STORE_BELOW if store_members is None else store_members
    return f"  {job.folder} ({'with' if store else 'without'} members: {size(total)})"


def size(n: float) -> str:
    """A number of bytes as people read it: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} GiB"

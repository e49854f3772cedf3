"""What a run would take: sizes from the layout, time and memory from one measured cycle."""

import inspect
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from dabench.core.memory import free_bytes
from dabench.runs import memory
from dabench.runs.execute import Job, Unfit
from dabench.scenario import plugins

if TYPE_CHECKING:
    from dabench.runs.twin import Twin


class RunEstimate(NamedTuple):
    """Of one method, rough: bytes of `memory` on a device, `seconds`, from `probed` members."""

    evaluations: float | None
    products: float | None
    memory: float
    seconds: float
    probed: int
    compile_seconds: float


def estimate(job: Job) -> RunEstimate:
    """Compile a method for up to a batch of members a device, run two cycles, scale the second."""
    import jax

    from dabench.core import devices
    from dabench.core.random import stream
    from dabench.runs.step import compile_step

    twin, n = job.experiment.twin, job.baseline.members
    probed = min(n, job.experiment.problem.batch * len(devices.available()))
    method, key = job.filter(), stream(twin.seed, "filter")
    carry, obs = jax.jit(method.init)(twin.initial(probed)), twin.observation(1)
    begin = time.perf_counter()
    step, _ = compile_step(method, key, carry, obs)
    compiled = time.perf_counter()
    jax.block_until_ready(step(key, carry, obs))
    warm = time.perf_counter()
    _, info = jax.block_until_ready(step(key, carry, obs))
    cycle = time.perf_counter() - warm
    return RunEstimate(
        *(
            None if name not in info else float(info[name].mean())
            for name in ("evaluations", "products")
        ),
        memory=_memory(step, twin) + _kept(job, n) - _kept(job, probed),
        seconds=cycle * n / probed * twin.cycles,
        probed=probed,
        compile_seconds=compiled - begin,
    )


def _memory(step: Any, twin: "Twin") -> float:
    """What the compiler allots, and the truth."""
    found = step.memory_analysis()
    parts = ("argument", "output", "temp")
    allotted = sum(getattr(found, f"{part}_size_in_bytes", 0) for part in parts)
    return allotted + twin.truth.nbytes


def _kept(job: Job, members: int) -> float:
    """What a device keeps of all members: three states of each, and what a sampler needs."""
    from dabench.core import devices

    make = plugins.factory("filters", job.baseline.filter)
    if "sampler" in inspect.signature(make).parameters:
        each = memory.member_bytes(job.experiment, members)
    else:
        each = 3 * job.experiment.twin.truth[0].nbytes
    return devices.held(members) * each


def show(jobs: Sequence[Job], store_members: bool | None, console: Console | None = None) -> None:
    """Print sizes and estimates of all jobs; nothing is archived."""
    from dabench.runs.cycle import STORE_BELOW, members_bytes

    console = console or Console()
    experiment = jobs[0].experiment
    scenario, layout = experiment.scenario, experiment.system.layout
    network = experiment.problem.network
    console.print(f"{scenario.name} on {scenario.system.name}: {scenario.period.cycles} cycles")
    console.print(f"state          {layout.size} numbers {layout.shape} in {layout.dtype}")
    console.print(f"observations   {network.size} a cycle")
    at_once, free = experiment.problem.batch, free_bytes()
    console.print(f"at once        {at_once} members in the model; {size(free)} of memory are free")
    table = Table(
        "method", "members", "evaluations*", "products*", "memory", "time", "archive", box=None
    )
    archives = []
    for job in jobs:
        try:
            n, e = job.baseline.members, estimate(job)
        except Unfit as reason:
            console.print(f"{job.label} would be left out: {reason}", markup=False)
            continue
        kept = members_bytes(layout, n, scenario.period.cycles)
        store = kept < STORE_BELOW if store_members is None else store_members
        table.add_row(
            job.label,
            str(n),
            *("-" if x is None else f"{x:g}" for x in (e.evaluations, e.products)),
            size(e.memory),
            f"{e.compile_seconds:.0f} s + {e.seconds:.0f} s",
        )
        archives.append(f"  {job.folder} ({'with' if store else 'without'} members: {size(kept)})")
    console.print(table)
    console.print("would be archived in", *archives, sep="\n", soft_wrap=True, markup=False)
    console.print("* of the denoiser, a member and cycle")
    console.print(
        f"Rough: memory and time (compilation + cycles) are scaled from one measured cycle of "
        f"at most {experiment.problem.batch} members a device."
    )


def size(n: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} GiB"

"""Cost of a run before it starts: sizes from the layout, time and memory from one evaluation.

A cycle is measured instead where that is asked for, and where no denoiser makes up the cost; models
too large for either are counted, see `count`.
"""

import inspect
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from dabench.core.jax_setup import set_up_jax
from dabench.core.memory import free_bytes
from dabench.runs import memory
from dabench.runs.cautions import warn_of_samplers
from dabench.runs.execute import Job, Unfit
from dabench.runs.progress import duration
from dabench.runs.sizes import archive, size
from dabench.scenario import plugins
from dabench.systems import COSTS

if TYPE_CHECKING:
    from dabench.runs.evaluation import Evaluation
    from dabench.runs.experiment import Experiment
    from dabench.runs.twin import Twin


class RunEstimate(NamedTuple):
    """Rough costs of one method.

    Arguments:
        evaluations: Evaluations of the denoiser a member and cycle; None if none are counted.
        products: Jacobian products a member and cycle; None if none are counted.
        memory: Bytes on a device.
        seconds: Time of all cycles.
        probed: Number of members that were measured; 0 where that was not a cycle.
        compile_seconds: Time of compilation; None if it is not known.
    """

    evaluations: float | None
    products: float | None
    memory: float
    seconds: float
    probed: int
    compile_seconds: float | None


def estimate(job: Job) -> RunEstimate:
    """Compile a method, run two cycles and scale the second.

    No more members than a batch a device are used for it. Raises: Unfit or UserError if the method
    cannot work here.
    """
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
        memory=_memory(step, twin) + _members_memory(job, n) - _members_memory(job, probed),
        seconds=cycle * n / probed * twin.cycles,
        probed=probed,
        compile_seconds=compiled - begin,
    )


def _scaled(job: Job, one: "Evaluation") -> RunEstimate:
    """The costs that follow from one evaluation; raises as `estimate` does."""
    from dabench.runs import evaluation

    counts = evaluation.counts_of(job)
    return RunEstimate(
        counts.evaluations,
        counts.products or None,
        memory=evaluation.memory(job, one, counts),
        seconds=evaluation.seconds(job, one, counts),
        probed=0,
        compile_seconds=None,
    )


def _memory(step: Any, twin: "Twin") -> float:
    """Bytes that the compiler allots to a step, and those of the truth."""
    sizes = step.memory_analysis()
    parts = ("argument", "output", "temp")
    return sum(getattr(sizes, f"{p}_size_in_bytes", 0) for p in parts) + twin.truth.nbytes


def _members_memory(job: Job, members: int) -> float:
    """Bytes that a device keeps of all members: states, and the arrays of a sampler."""
    from dabench.core import devices

    make = plugins.factory("filters", job.baseline.filter)
    if "sampler" in inspect.signature(make).parameters:
        a_member = memory.member_bytes(job.experiment, members)
    else:
        a_member = 3 * job.experiment.twin.truth[0].nbytes
    return devices.members_per_device(members) * a_member


def show(
    jobs: Sequence[Job],
    store_members: bool | None,
    console: Console | None = None,
    *,
    measure: bool = False,
) -> None:
    """Print sizes and estimates of all jobs on one scenario; nothing is archived.

    Arguments:
        jobs: The jobs.
        store_members: Whether all members would be archived; None: where they take less than 1 GiB.
        console: Console to print on.
        measure: Compile every method and time a cycle of it, instead of one evaluation.
    """
    console = console or Console()
    experiment = jobs[0].experiment
    if experiment.scenario.system.name in COSTS:
        set_up_jax()
        from dabench.runs import count

        count.show(jobs, store_members, console)
        return
    warn_of_samplers(jobs)
    _show_sizes(experiment, console)
    from dabench.runs import evaluation

    if measure or not evaluation.can_be_scaled(experiment):
        _show_table(jobs, estimate, store_members, console)
        console.print(
            "Rough: memory and time (compilation + cycles) are scaled from one measured cycle of "
            f"at most {experiment.problem.batch} members a device."
        )
        return
    one = evaluation.evaluation(experiment)
    _show_table(jobs, lambda job: _scaled(job, one), store_members, console)
    console.print(
        f"Rough: time and memory are those of the denoiser, {one.seconds:.2g} s for "
        f"{experiment.problem.batch} members here; the analysis and compiling come on top. "
        "--measure compiles every method and times a cycle."
    )


def _show_table(
    jobs: Sequence[Job],
    costs_of: Callable[[Job], RunEstimate],
    store_members: bool | None,
    console: Console,
) -> None:
    """Print the costs of every method, and where it would be archived."""
    table = Table("method", "members", "evaluations*", "products*", "memory", "time", box=None)
    archives = []
    for job in jobs:
        try:
            table.add_row(*_row(job, costs_of(job)))
        except Unfit as reason:
            console.print(f"{job.label} would be left out: {reason}", markup=False)
            continue
        archives.append(archive(job, job.experiment.system.layout, store_members))
    console.print(table)
    console.print("would be archived in", *archives, sep="\n", soft_wrap=True, markup=False)
    console.print("* of the denoiser, a member and cycle")


def _show_sizes(experiment: "Experiment", console: Console) -> None:
    scenario, layout = experiment.scenario, experiment.system.layout
    problem, free = experiment.problem, free_bytes()
    console.print(f"{scenario.name} on {scenario.system.name}: {scenario.period.cycles} cycles")
    console.print(f"state          {layout.size} numbers {layout.shape} in {layout.dtype}")
    console.print(f"observations   {problem.network.size} a cycle")
    console.print(
        f"at once        {problem.batch} members in the model; {size(free)} of memory are free"
    )


def _row(job: Job, costs: RunEstimate) -> list[str]:
    counts = ("-" if x is None else f"{x:g}" for x in (costs.evaluations, costs.products))
    time = duration(costs.seconds)
    if costs.compile_seconds is not None:
        time = f"{duration(costs.compile_seconds)} + {time}"
    return [job.label, str(job.baseline.members), *counts, size(costs.memory), time]

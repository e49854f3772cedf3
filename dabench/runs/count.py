"""Cost of a run on a model too large to be tried, counted from settings alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from dabench.core import devices
from dabench.core.layout import Layout
from dabench.core.memory import free_bytes
from dabench.core.work import PASSES
from dabench.diffusion.draw import KEEP_BELOW
from dabench.diffusion.model import NoiseFactor, Sampler
from dabench.filters.base import Problem
from dabench.observe.network import Network, Observation, networks
from dabench.runs.execute import Job, Unfit
from dabench.runs.memory import COPIES
from dabench.runs.sizes import archive, size
from dabench.systems import make
from dabench.systems.base import ModelCost

FRAMES = 6  # of a member, in three states of two frames each
SMALL = {"latitude": np.array([-45.0, 45.0]), "longitude": np.array([0.0, 180.0])}


class Counts(NamedTuple):
    """Work of a member in a cycle: denoiser evaluations and Jacobian products."""

    evaluations: float
    products: float


@dataclass(eq=False)
class StandIn:
    """A diffusion model of a few independent variables, for a network that is not here.

    What a method asks of its model depends on the method and the sampler, not on the model.
    """

    layout: Layout
    sampler: Sampler
    target_size: int

    def condition(self, x: Any, time: Any) -> tuple[()]:
        return ()

    def denoiser(self, sigma: Any) -> Any:
        return lambda z, _: z / (1 + jnp.asarray(sigma, z.dtype) ** 2)

    def noise(self, key: Any) -> Any:
        return jax.random.normal(key, (self.target_size,), self.layout.dtype)

    def noise_cov(self, w: Any) -> Any:
        return w

    @property
    def noise_factor(self) -> NoiseFactor:
        return NoiseFactor(1, self.target_size, self.target_size, lambda w: w, lambda z: z)

    @property
    def climate_std(self) -> np.ndarray:
        return np.ones(self.target_size, self.layout.dtype)

    def next_state(self, z: Any, x: Any) -> Any:
        return z


def counted(job: Job, network: Network, sampler: Sampler) -> Counts:
    """The counts that a method itself reports, of a cycle on a model of four points.

    Arguments:
        job: The method and its scenario.
        network: The scenario's observations.
        sampler: The model's own sampler.
    Raises: Unfit or UserError where the method cannot work here.
    """
    layout = Layout(make.layout(job.experiment.scenario).channels, SMALL)
    problem = Problem(
        StandIn(layout, sampler, layout.size), _folded(network, layout), _climate(layout)
    )
    method, members = job.filter(problem), job.baseline.members

    @jax.jit
    def cost(key: Any) -> dict[str, Any]:
        x = jnp.zeros((members, layout.size), layout.dtype)
        present = jnp.ones(network.size, bool) if network.gaps else None
        obs = Observation(jnp.zeros(()), jnp.zeros(network.size, layout.dtype), present)
        _, info = method.step(key, method.init(x), obs)
        return {name: jnp.asarray(info.get(name, 0)).mean() for name in Counts._fields}

    return Counts(**{name: float(value) for name, value in cost(jax.random.key(0)).items()})


def _folded(network: Network, layout: Layout) -> Network:
    """As many observations as there are, of the few variables in turn."""
    index = np.arange(network.size) % layout.size
    return replace(network, h=lambda x: x[index], linear=True)


def _climate(layout: Layout) -> Any:
    draws = np.random.default_rng(0).standard_normal((2, layout.size))
    return jnp.asarray(draws, layout.dtype)


def show(jobs: Sequence[Job], store_members: bool | None, console: Console) -> None:
    """Print sizes, counts, and the commands that get what is not here; no file is needed.

    Arguments:
        jobs: The jobs, all on one scenario.
        store_members: Whether all members would be archived; None: where they take less than 1 GiB.
        console: Console to print on.
    """
    scenario = jobs[0].experiment.scenario
    cost, layout = make.cost(scenario), make.layout(scenario)
    seconds = make.cycle_seconds(scenario) if scenario.is_real else 0.0
    network = networks(scenario, layout, seconds).assimilated
    console.print(f"{scenario.name} on {scenario.system.name}: {scenario.period.cycles} cycles")
    console.print(f"state          {layout.size} numbers {layout.shape} in {layout.dtype}")
    values = " real values at most" if scenario.is_real else ""
    console.print(f"observations   {network.size}{values} a cycle")
    console.print(
        f"at once        {cost.batch} members in the model; {size(free_bytes())} of memory are free"
    )
    console.print(f"evaluation     {flops(cost.flops)} a member")
    _show_methods(jobs, cost, network, store_members, console)
    console.print(
        "Counted, not measured: memory is that of a device; FLOPs are those of the denoiser in "
        f"all cycles, a product worth {PASSES} evaluations."
    )
    for command in cost.missing:
        text = command.replace("SCENARIO", scenario.name)
        console.print(f"not here yet   {text}", soft_wrap=True, markup=False)


def _show_methods(
    jobs: Sequence[Job],
    cost: ModelCost,
    network: Network,
    store_members: bool | None,
    console: Console,
) -> None:
    """Print the counts of every method, and where it would be archived."""
    table = Table("method", "members", "evaluations*", "products*", "memory", "FLOPs", box=None)
    layout, archives = make.layout(jobs[0].experiment.scenario), []
    for job in jobs:
        try:
            table.add_row(*_row(job, cost, counted(job, network, cost.sampler)))
        except Unfit as reason:
            console.print(f"{job.label} would be left out: {reason}", markup=False)
            continue
        archives.append(archive(job, layout, store_members))
    console.print(table)
    console.print("would be archived in", *archives, sep="\n", soft_wrap=True, markup=False)
    console.print("* of the denoiser, a member and cycle")


def _row(job: Job, cost: ModelCost, counts: Counts) -> list[str]:
    members, cycles = job.baseline.members, job.experiment.scenario.period.cycles
    passes = counts.evaluations + PASSES * counts.products
    return [
        job.label,
        str(members),
        *(f"{count:g}" if count else "-" for count in counts),
        size(memory(cost, members, cycles)),
        flops(passes * cost.flops * members * cycles) if passes else "-",
    ]


def memory(cost: ModelCost, members: int, cycles: int) -> float:
    """Bytes on a device: parameters, truth, members in the model at once, and what is kept of all.

    Arguments:
        cost: What the model takes.
        members: Ensemble size.
        cycles: Number of cycles, whose truth is two frames each.
    """
    own = devices.members_per_device(members)
    context = cost.context_bytes if own * cost.context_bytes <= KEEP_BELOW else 0
    ensemble = own * ((FRAMES + COPIES) * cost.frame_bytes + context)
    truth = 2 * (cycles + 1) * cost.frame_bytes
    return cost.weights_bytes + min(cost.batch, own) * cost.step_bytes + ensemble + truth


def flops(number: float) -> str:
    """A number of operations as people read it: `2.4 TFLOP`."""
    for unit in ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"):
        if number < 1000:
            return f"{number:.2g} {unit}" if number < 100 else f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.2g} EFLOP"

"""Time and memory of one evaluation of a denoiser, from which a run's are scaled."""

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dabench.core import devices
from dabench.core.work import PASSES
from dabench.runs.count import Counts, counted
from dabench.runs.memory import member_bytes

if TYPE_CHECKING:
    from dabench.runs.execute import Job
    from dabench.runs.experiment import Experiment

REPEATS = 3  # the fastest of which counts: a busy machine makes the others slower
SIGMA = 1.0  # the noise level, on which the time does not depend


class Evaluation(NamedTuple):
    """Cost of the denoiser for one batch of members.

    Arguments:
        seconds: Time.
        memory: Bytes on a device.
    """

    seconds: float
    memory: float


def can_be_scaled(experiment: "Experiment") -> bool:
    """Whether a run is a number of evaluations: a denoiser on a sphere makes up its cost."""
    from dabench.diffusion.model import DiffusionModel

    system = experiment.system
    return system.layout.on_sphere and isinstance(system.model, DiffusionModel)


def evaluation(experiment: "Experiment") -> Evaluation:
    """Compile the denoiser for a batch of states of the climate, and time it."""
    problem = experiment.problem
    model: Any = problem.model  # a denoiser, see `can_be_scaled`
    size = problem.batch
    x = problem.climate[np.arange(size) % len(problem.climate)]
    context = jax.jit(model.condition)(x, jnp.zeros(()))
    z = jnp.zeros((size, model.target_size), x.dtype)
    denoise = jax.jit(lambda z, context: model.denoiser(jnp.asarray(SIGMA, z.dtype))(z, context))
    program = denoise.lower(z, context).compile()
    times = []
    for _ in range(1 + REPEATS):
        begin = time.perf_counter()
        jax.block_until_ready(program(z, context))
        times.append(time.perf_counter() - begin)
    sizes = program.memory_analysis()
    parts = ("argument", "output", "temp")
    return Evaluation(
        min(times[1:]), float(sum(getattr(sizes, f"{part}_size_in_bytes", 0) for part in parts))
    )


def counts_of(job: "Job") -> Counts:
    """The work of a member in a cycle; Unfit or UserError where the method cannot work here."""
    experiment = job.experiment
    model: Any = experiment.system.model
    return counted(job, experiment.networks.assimilated, model.sampler)


def seconds(job: "Job", one: Evaluation, counts: Counts) -> float:
    """Time of the denoiser in all cycles; a product is worth `PASSES` evaluations."""
    passes = counts.evaluations + PASSES * counts.products
    members = devices.members_per_device(job.baseline.members)
    batches = math.ceil(members / job.experiment.problem.batch)
    return passes * batches * one.seconds * job.experiment.scenario.period.cycles


def memory(job: "Job", one: Evaluation, counts: Counts) -> float:
    """Bytes on a device: truth, all members, and a batch of them in the denoiser.

    A Jacobian product keeps what the evaluation computed, beside its own.
    """
    experiment, members = job.experiment, job.baseline.members
    layout, cycles = experiment.system.layout, experiment.scenario.period.cycles
    truth = (cycles + 1) * layout.size * np.dtype(layout.dtype).itemsize
    ensemble = devices.members_per_device(members) * member_bytes(experiment, members)
    return truth + ensemble + one.memory * (PASSES if counts.products else 1)

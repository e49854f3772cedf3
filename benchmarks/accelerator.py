"""`python -m benchmarks --gpu`: the official one-degree sizes, with random weights.

Forward, VJP, JVP and a guided step in each precision: achieved FLOP/s (counted with exact sparsity)
over those of a large matrix product, members a second, memory, and the hours that the paper's
experiment would take; then more and more members at once, until memory is exhausted.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from benchmarks.race import Row, race
from dabench.diffusion.guidance import Condition, GuidanceSettings, posterior_mean
from dabench.observe.network import Network as Observations
from dabench.observe.network import networks
from dabench.runs.memory import EXHAUSTED, used_by
from dabench.runs.step import Program, constants_as_arguments
from dabench.scenario.load import load_scenario
from dabench.systems.gencast import official
from dabench.systems.gencast.checkpoint import Checkpoint, Config, DenoiserConfig, TransformerConfig
from dabench.systems.gencast.model import GenCast, on_grid
from dabench.systems.gencast.network import parameters
from dabench.systems.gencast.network.denoiser import DenoiserNetwork
from dabench.systems.gencast.normalise import Statistics

SIDE, MOST = 8192, 64
SIGMA, SECONDS = 1.0, 1546344000.0
MEMBERS, CYCLES, LEVELS, CORRECTORS = 256, 30, 40, 2
PRECISIONS = ("highest", "tensorfloat32", "bfloat16")
Function = Callable[..., Array]


class Size(NamedTuple):
    """A published architecture: mesh refinements, hops of the attention, FLOPs of one evaluation.

    The last with exact sparsity, from the GenCast specification, section 8.
    """

    mesh: int
    hops: int
    flops: float


SIZES = {
    "Mini, mesh 4, 16 hops": Size(4, 16, 1.37e12),
    "mesh 5, 16 hops": Size(5, 16, 2.38e12),
    "mesh 5, 32 hops": Size(5, 32, 3.08e12),
}
GUIDE = GuidanceSettings()
PASSES = {"forward": 1, "VJP": 2, "JVP": 2, "guided": 1 + GUIDE.products}
"""Forward passes that the arithmetic of each is worth; derivatives in the weights are not made.

`posterior_mean` linearises once and multiplies with Jᵀ twice in each of two BiCGStab iterations.
"""


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """All sizes and precisions; RuntimeError where there is no accelerator.

    Quick: Mini alone, with more members at once in the default precision alone. What takes the time
    is to compile each step anew for each number of members.
    """
    if jax.default_backend() == "cpu":
        raise RuntimeError(
            "JAX finds no accelerator here; pip install 'jax[cuda13]' on one with a GPU"
        )
    for name, size in list(SIZES.items())[: 1 if quick else None]:
        transformer = TransformerConfig(attention_k_hop=size.hops, d_model=512)
        config = Config(official.TASK, DenoiserConfig(transformer, mesh_size=size.mesh))
        for precision in PRECISIONS:
            model = one_degree(config, precision)
            network = networks(load_scenario("era5/temp_4deg"), model.layout).assimilated
            yield from measure(f"{name}, {precision}", model, network, size.flops, rounds)
            if not quick or precision == PRECISIONS[0]:
                yield from crowded(f"{name}, {precision}", model, network, rounds)


def one_degree(config: Config, precision: str, spacing: float = 1.0) -> GenCast:
    """A model of random weights and plain statistics on a global grid."""
    lat = np.linspace(-90, 90, round(180 / spacing) + 1)
    lon = np.arange(round(360 / spacing)) * spacing
    points = len(lat) * len(lon)
    static = {f: np.zeros(points, np.float32) for f in ("land_sea_mask", "geopotential_at_surface")}
    params = parameters.initialise(jax.random.key(0), config)
    plain = Statistics(*[xr.Dataset()] * 4)
    return on_grid(Checkpoint(params, config), plain, lat, lon, static, precision=precision)


def measure(
    name: str, model: GenCast, network: Observations, flops: float, rounds: int
) -> Iterator[Row]:
    """One member at a time, the ratio being to the forward pass."""
    ceiling, one = product(model.network, rounds), arguments(model, 1)
    steps = {what: fitting(f, one) for what, f in functions(model, network).items()}
    compiled = {what: step for what, step in steps.items() if step}
    notes = {what: {"GiB": gibibytes(step)} for what, step in compiled.items()}
    candidates = {what: partial(step, *one) for what, step in compiled.items()}
    rows = race(name, candidates, rounds, notes) if candidates else []
    for row in rows:
        _annotate(row, flops, ceiling)
    if "guided" in compiled:
        rows[-1].notes.update(experiment(rows[0].seconds, rows[-1].seconds))
    yield from rows


def crowded(name: str, model: GenCast, network: Observations, rounds: int) -> Iterator[Row]:
    """2, 4, .. members at once, of the forward pass and of the guided evaluation."""
    steps = functions(model, network)
    for what in ("forward", "guided"):
        yield from at_once(name, what, steps[what], model, rounds)


def at_once(name: str, what: str, f: Function, model: GenCast, rounds: int) -> Iterator[Row]:
    """2, 4, .. members in one call, up to the first number that memory does not hold."""
    members = 2
    while members <= MOST:
        given = arguments(model, members)
        if (step := fitting(f, given)) is None:
            return
        notes = {what: {"members": members, "GiB": gibibytes(step)}}
        (row,) = race(f"{name}, {members} at once", {what: partial(step, *given)}, rounds, notes)
        row.notes["members/s"] = round(members / row.seconds, 3)
        yield row
        members *= 2


def arguments(model: GenCast, members: int) -> tuple[Array, ...]:
    """(sigma, z, condition, x)."""
    x = jnp.zeros((members, model.layout.size), jnp.float32)
    known = jax.jit(model.condition)(x, jnp.asarray(SECONDS))
    z = jax.vmap(model.noise)(jax.random.split(jax.random.key(1), members))
    return jnp.float32(SIGMA), z, known, x


def fitting(f: Function, given: tuple[Array, ...]) -> Any:
    """f compiled and called once; None where memory does not hold it."""
    try:
        explicit, constants = constants_as_arguments(f, *given)
        step = Program(jax.jit(explicit).lower(constants, *given).compile(), constants)
        jax.block_until_ready(step(*given))
    except jax.errors.JaxRuntimeError as e:
        if any(text in str(e) for text in EXHAUSTED):
            return None
        raise
    return step


def gibibytes(step: Any) -> float:
    """Of a compiled step's arguments, results and temporaries."""
    return round(used_by(step, None, None).get("compiled_step_bytes", 0) / 2**30, 2)


def functions(model: GenCast, network: Observations) -> dict[str, Function]:
    """Of (sigma, z, condition, x): D, its products with z, and the paper's guided evaluation."""
    given = Condition(network.h, network.error_std, jnp.zeros(network.size, jnp.float32), GUIDE)

    def forward(sigma: Array, z: Array, known: Array, x: Array) -> Array:
        return model.denoiser(sigma)(z, known)

    def vjp(sigma: Array, z: Array, known: Array, x: Array) -> Array:
        return jax.vjp(lambda z: forward(sigma, z, known, x), z)[1](z)[0]

    def jvp(sigma: Array, z: Array, known: Array, x: Array) -> Array:
        return jax.jvp(lambda z: forward(sigma, z, known, x), (z,), (z,))[1]

    def guided(sigma: Array, z: Array, known: Array, x: Array) -> Array:
        denoise = model.denoiser(sigma)
        return posterior_mean(model, given, lambda z: denoise(z, known), sigma, z, x)[0]

    return {"forward": forward, "VJP": vjp, "JVP": jvp, "guided": guided}


def product(network: DenoiserNetwork, rounds: int) -> float:
    """FLOP/s of a large matrix product of a network's operands, in its precision."""
    square = jnp.ones((SIDE, SIDE), jnp.bfloat16 if network.half else jnp.float32)
    with jax.default_matmul_precision(network.precision):
        multiply = jax.jit(lambda a: a @ a).lower(square).compile()
    (row,) = race("ceiling", {"matmul": lambda: multiply(square)}, rounds)
    return 2 * SIDE**3 / row.seconds


def _annotate(row: Row, flops: float, ceiling: float) -> None:
    rate = PASSES[row.candidate] * flops / row.seconds
    row.notes.update({"TFLOP/s": rate / 1e12, "of matmul": f"{rate / ceiling:.0%}"})
    row.notes["members/s"] = round(1 / row.seconds, 3)


def experiment(forward: float, guided: float) -> dict[str, float]:
    """Hours of the paper's run: 256 members, 30 cycles, 40 levels with two correctors each."""
    evaluations = LEVELS * (1 + CORRECTORS)
    seconds = MEMBERS * CYCLES * (evaluations * guided + forward)
    return {"hours of FA-APF": round(seconds / 3600, 1)}

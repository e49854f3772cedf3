"""`python -m benchmarks --gpu`: the official one-degree sizes, with random weights.

Forward, VJP, JVP and a guided step in each precision: achieved FLOP/s (counted with exact sparsity)
over those of a large matrix product, members a second, memory, and the hours that the paper's
experiment would take.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from benchmarks.race import Row, race, temporary_bytes
from dabench.guidance import Guidance, Guide, posterior_mean
from dabench.observe import Network as Observations
from dabench.scenario import load_scenario
from dabench.systems.gencast import official, parameters
from dabench.systems.gencast.checkpoint import Checkpoint, Config, DenoiserConfig, TransformerConfig
from dabench.systems.gencast.model import GenCast
from dabench.systems.gencast.normalise import Statistics

SIDE = 8192
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
PASSES = {"forward": 1, "VJP": 2, "JVP": 2}
"""Forward passes that the arithmetic of each is worth; derivatives in the weights are not made."""


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """All sizes and precisions; Mini alone if quick. RuntimeError where there is no accelerator."""
    if jax.default_backend() == "cpu":
        raise RuntimeError(
            "JAX finds no accelerator here; pip install 'jax[cuda13]' on one with a GPU"
        )
    for name, size in list(SIZES.items())[: 1 if quick else None]:
        transformer = TransformerConfig(attention_k_hop=size.hops, d_model=512)
        config = Config(official.TASK, DenoiserConfig(transformer, mesh_size=size.mesh))
        for precision in PRECISIONS:
            model = one_degree(config, precision)
            network = load_scenario("era5/temp_4deg").network(model.layout)
            yield from measure(f"{name}, {precision}", model, network, size.flops, rounds)


def one_degree(config: Config, precision: str, spacing: float = 1.0) -> GenCast:
    """A model of random weights and plain statistics on a global grid."""
    lat = np.linspace(-90, 90, round(180 / spacing) + 1)
    lon = np.arange(round(360 / spacing)) * spacing
    points = len(lat) * len(lon)
    static = {f: np.zeros(points, np.float32) for f in ("land_sea_mask", "geopotential_at_surface")}
    params = parameters.initialise(jax.random.key(0), config)
    plain = Statistics(*[xr.Dataset()] * 4)
    return GenCast(Checkpoint(params, config), plain, lat, lon, static, precision=precision)


def measure(
    name: str, model: GenCast, network: Observations, flops: float, rounds: int
) -> list[Row]:
    """One member at a time; the ratio is to the forward pass."""
    x = jnp.zeros((1, model.layout.size), jnp.float32)
    known = jax.jit(model.condition)(x, jnp.asarray(SECONDS))
    z = jax.vmap(model.noise)(jax.random.split(jax.random.key(1), 1))
    given = Guidance(network, jnp.zeros(network.size, jnp.float32), Guide())
    arguments = (jnp.float32(SIGMA), z, known, x)
    compiled, notes, ceiling = {}, {}, product(model.network.precision, rounds)
    for what, f in functions(model, given).items():
        step, used = temporary_bytes(f, *arguments)
        compiled[what] = lambda step=step: step(*arguments)
        notes[what] = {"GiB": round(used / 2**30, 2)}
    rows = race(name, compiled, rounds, notes)
    for row in rows:
        _annotate(row, flops, ceiling)
    rows[-1].notes.update(experiment(rows[0].seconds, rows[-1].seconds))
    return rows


def functions(model: GenCast, given: Guidance) -> dict[str, Function]:
    """Of (sigma, z, condition, x): D, its products with z, and the paper's guided evaluation."""

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


def product(precision: str, rounds: int) -> float:
    """FLOP/s of a large float32 matrix product in a precision."""
    square = jnp.ones((SIDE, SIDE), jnp.float32)
    with jax.default_matmul_precision(precision):
        multiply = jax.jit(lambda a: a @ a).lower(square).compile()
    (row,) = race("ceiling", {"matmul": lambda: multiply(square)}, rounds)
    return 2 * SIDE**3 / row.seconds


def _annotate(row: Row, flops: float, ceiling: float) -> None:
    stats = jax.local_devices()[0].memory_stats() or {}
    row.notes["peak GiB"] = round(stats.get("peak_bytes_in_use", 0) / 2**30, 1)
    if row.candidate in PASSES:
        rate = PASSES[row.candidate] * flops / row.seconds
        row.notes.update({"TFLOP/s": rate / 1e12, "of matmul": f"{rate / ceiling:.0%}"})
    row.notes["members/s"] = round(1 / row.seconds, 3)


def experiment(forward: float, guided: float) -> dict[str, float]:
    """Hours of the paper's run: 256 members, 30 cycles, 40 levels with two correctors each."""
    evaluations = LEVELS * (1 + CORRECTORS)
    seconds = MEMBERS * CYCLES * (evaluations * guided + forward)
    return {"hours of FA-APF": round(seconds / 3600, 1)}

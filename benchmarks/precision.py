"""What cheaper numbers change: D and drawn increments of the embedded GenCast, by precision.

TF32 exists on GPUs alone. Elsewhere it is imitated: the operands of every product are rounded to
the ten bits of a TF32 mantissa and summed in float32, which costs time and saves none.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks.race import Row, race
from dabench.diffusion import draw
from dabench.runs.experiment import Experiment
from dabench.scenario.load import change, load_scenario
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

MEMBERS = 4
SIGMAS = (0.05, 0.5, 2.0, 11.0)
PRECISIONS = ("highest", "tensorfloat32", "bfloat16")

Function = Callable[..., Array]


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Forward passes at every level, and one 12-hour draw, of the same noise in every precision."""
    experiment = Experiment(change(load_scenario("dry_temp_4deg"), cycles=1))
    model: Any = experiment.system.model
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    x, time = experiment.twin.initial(MEMBERS), jnp.asarray(experiment.twin.times[1])
    condition = jax.jit(model.condition)(x, time)
    start = draw.Start(keys, x, condition)
    target = draw.expected_target(start, model, time, model.sampler, MEMBERS)
    noise = jax.jit(jax.vmap(model.noise))(keys)

    def denoise(sigma: Array, z: Array, condition: Array) -> Array:
        return model.denoiser(sigma)(z, condition)

    def increments(keys: Array, x: Array) -> Array:
        drawn, _ = draw.members(keys, model, x, time, model.sampler, MEMBERS)
        return model.layout.now(drawn) - model.layout.now(x)

    for sigma in SIGMAS[:1] if quick else SIGMAS:
        level = jnp.float32(sigma)
        name = f"D of {MEMBERS} members at sigma {sigma:g}"
        yield from compared(
            name, model, denoise, (level, target + level * noise, condition), rounds
        )
    yield from compared(f"increments drawn for {MEMBERS}", model, increments, (keys, x), rounds)


def compared(name: str, model: Any, f: Function, arguments: tuple, rounds: int) -> list[Row]:
    """f in every precision, and how far its values are from those in float32."""
    candidates, values = {}, {}
    for precision in PRECISIONS:
        compiled = in_precision(model, f, arguments, precision)
        candidates[precision] = lambda compiled=compiled: compiled(*arguments)
        values[precision] = np.asarray(compiled(*arguments))
    exact = values["highest"]
    notes = {p: {"change": f"{_relative(v, exact):.2%}"} for p, v in values.items()}
    return race(name, candidates, rounds, notes)


def in_precision(model: Any, f: Function, arguments: tuple, precision: str) -> Function:
    """f, compiled with the model's network in a precision."""
    usual = model.network
    lat, lon = model.layout.coords.values()
    imitated = precision == "tensorfloat32" and jax.default_backend() == "cpu"
    model.network = DenoiserNetwork(usual.config, lat, lon, precision=precision)
    model.network.sum_scale = usual.sum_scale
    with rounded_products() if imitated else nullcontext():
        compiled = jax.jit(lambda *a: f(*a)).lower(*arguments).compile()
    model.network = usual
    return compiled


@contextmanager
def rounded_products() -> Iterator[None]:
    """What is traced meanwhile multiplies as TF32 does."""
    from jax._src.lax import lax

    plain = lax.dot_general
    lax.dot_general = lambda a, b, *args, **kw: plain(_tf32(a), _tf32(b), *args, **kw)
    try:
        yield
    finally:
        lax.dot_general = plain


def _tf32(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Rounded to ten bits after the leading one."""
    if x.dtype != jnp.float32:
        return x
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) + np.uint32(0x1000)
    return jax.lax.bitcast_convert_type(bits & np.uint32(0xFFFFE000), jnp.float32)


def _relative(found: np.ndarray, exact: np.ndarray) -> float:
    """Root mean square of the difference over that of the values."""
    return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))

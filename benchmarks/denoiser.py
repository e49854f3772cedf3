"""Our denoiser, forward and VJP, against the straightforward one (`literal`)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.literal import Literal
from benchmarks.race import Row, race, temporary_bytes
from dabench.core.memory import free_bytes
from dabench.systems.gencast import channels, official
from dabench.systems.gencast.checkpoint import Config, DenoiserConfig, TransformerConfig
from dabench.systems.gencast.network import parameters
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

FULL_LATENT, NARROW_LATENT = 512, 128
SIGMA = 1.0
SHARE = 0.8
"""Of the free memory, that a timed run may take."""


class Case(NamedTuple):
    """A network with random parameters and random fields of some members."""

    network: DenoiserNetwork
    literal: Literal
    params: Any
    known: jax.Array
    z: jax.Array


def mini(latent: int) -> Config:
    """The published one-degree Mini configuration, or a narrower one of the same graph."""
    transformer = TransformerConfig(
        attention_k_hop=16, d_model=latent, num_heads=4, ffw_hidden=4 * latent
    )
    return Config(official.TASK, DenoiserConfig(transformer, mesh_size=4, latent_size=latent))


def case(config: Config, latitude: np.ndarray, longitude: np.ndarray, members: int) -> Case:
    """Parameters all of which have an effect, and fields of unit variance."""
    network, rng = DenoiserNetwork(config, latitude, longitude), np.random.default_rng(0)
    params = {
        path: {k: jnp.asarray(_draw(rng, shape)) for k, shape in arrays.items()}
        for path, arrays in parameters.shapes(config).items()
    }
    task, nodes = config.task_config, network.grid_nodes
    group = channels.forcings_and_targets(task)
    noisy = np.array([f.name in task.target_variables for f in group])
    inputs = len(channels.inputs(task))
    literal = Literal(config, network.graph, inputs + np.flatnonzero(noisy))
    widths = (inputs + int((~noisy).sum()), int(noisy.sum()))
    shapes = [(members, nodes, width) for width in widths]
    known, z = (jnp.asarray(rng.standard_normal(s, dtype=np.float32)) for s in shapes)
    return Case(network, literal, params, known, z)


def _draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.7 / shape[0] ** 0.5)


def embedded(members: int) -> Case:
    """The shipped network's size on its 4-degree grid."""
    from dabench.systems.gencast import checkpoint
    from dabench.systems.held_suarez.system import FILES, WEIGHTS, held_suarez

    coords = held_suarez(resolution=4).layout.coords
    config = checkpoint.load(FILES / WEIGHTS).config
    return case(config, coords["latitude"], coords["longitude"], members)


def one_degree(latent: int) -> Case:
    """One member on the one-degree grid."""
    latitude, longitude = np.linspace(-90, 90, 181), np.arange(360.0)
    return case(mini(latent), latitude.astype(np.float32), longitude.astype(np.float32), 1)


def compare(name: str, case: Case, rounds: int, timed: bool = True) -> list[Row]:
    """Forward and VJP of both; memory is what the compiler allots to intermediate results.

    Ours is timed with all it does at a level and a cycle, and once more without, as a sampler with
    many batches runs it. `timed` False, or more memory than there is: nothing runs.
    """
    network, params, known, z = case.network, case.params, case.known, case.z
    sigma = jnp.asarray(SIGMA, jnp.float32)

    def ours(z: jax.Array, sigma: jax.Array) -> jax.Array:
        level = network.at_level(params, sigma)
        return network.denoise(params, level, network.condition(params, known), z)

    def literal(z: jax.Array, sigma: jax.Array) -> jax.Array:
        sigmas = jnp.broadcast_to(sigma[None], (len(z),))
        return jax.vmap(case.literal, (None, 0, 0, 0))(params, known, z, sigmas)

    level = jax.jit(network.at_level)(params, sigma)
    condition = jax.jit(network.condition)(params, known)

    def prepared(z: jax.Array, sigma: jax.Array) -> jax.Array:
        return network.denoise(params, level, condition, z)

    functions = {"literal": literal, "ours": ours, "ours, level known": prepared}
    found: list[Row] = []
    for what, wrap in {"forward": lambda f: f, "VJP": _vjp}.items():
        compiled, notes = {}, {}
        for candidate, f in functions.items():
            run, used = temporary_bytes(wrap(f), z, sigma)
            compiled[candidate] = _bound(run, z, sigma)
            notes[candidate] = {"MiB": round(used / 2**20, 1)}
        for candidate in notes:
            saved = notes["literal"]["MiB"] / notes[candidate]["MiB"]
            notes[candidate]["memory ratio"] = round(saved, 2)
        comparison, most = f"{name}, {what}", max(note["MiB"] for note in notes.values())
        if timed and most * 2**20 < SHARE * free_bytes():
            notes["ours"]["difference"] = _difference(compiled)
            found += race(comparison, compiled, rounds, notes)
        else:
            nothing = float("nan")
            found += [
                Row(comparison, c, nothing, nothing, nothing, nothing, 0, notes[c]) for c in notes
            ]
    return found


def _vjp(f: Any) -> Any:
    return lambda z, sigma: jax.vjp(lambda z: f(z, sigma), z)[1](z)[0]


def _bound(run: Any, *arguments: Any) -> Any:
    return lambda: run(*arguments)


def _difference(compiled: dict[str, Any]) -> float:
    """Largest difference of ours from the literal one, over the latter's largest value."""
    expected, found = (np.asarray(compiled[name]()) for name in ("literal", "ours"))
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """The embedded size, and one degree: official width unless `quick`."""
    yield from compare("denoiser 4 degrees, 4 members", embedded(4), rounds)
    if quick:
        name = f"denoiser 1-degree Mini, width {NARROW_LATENT}"
        yield from compare(name, one_degree(NARROW_LATENT), rounds)
    name = f"denoiser 1-degree Mini, width {FULL_LATENT}"
    yield from compare(name, one_degree(FULL_LATENT), rounds, timed=not quick)

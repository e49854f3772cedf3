"""The parameters of a configuration: their names, shapes and initial values.

GenCast specification, sections 6.3 and 5.7.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr, ndtri

from dabench.core.errors import UserError
from dabench.systems.gencast import channels
from dabench.systems.gencast.checkpoint import Config, Params

NODE_FEATURES = 3  # structural features of a node: sin(lat), cos(lon), sin(lon)
EDGE_FEATURES = 4  # structural features of an edge: its length and its direction
ENCODER = "grid2mesh_gnn/~_networks_builder"
DECODER = "mesh2grid_gnn/~_networks_builder"
TRANSFORMER = "mesh_transformer/~/transformer"
NOISE_ENCODER = "fourier_features_mlp/~/mlp/~"
CONDITIONING_STD = 1e-8  # of conditional norms: at first the noise level changes nothing
TRUNCATED_STD = 0.87962566  # standard deviation of a unit normal cut at two


class Linear(NamedTuple):
    """One linear layer: its sizes, its first values (standard deviation, law), its bias."""

    path: str
    inputs: int
    outputs: int
    std: float
    law: str = "truncated"
    bias: bool = True


def block(index: int) -> str:
    """Module path of one transformer layer."""
    return f"{TRANSFORMER}/block_{index:02d}"


def linears(config: Config) -> Iterator[Linear]:
    """Every linear layer of a network, in no particular order."""
    yield from _noise_encoder(config)
    yield from _graph_networks(config)
    yield from _transformer(config)


def _noise_encoder(config: Config) -> Iterator[Linear]:
    encoder = config.noise_encoder_config
    width = 2 * encoder.num_frequencies
    for i, size in enumerate(encoder.output_sizes):
        std = (2 / width) ** 0.5
        yield Linear(f"{NOISE_ENCODER}/linear_{i}", width, size, std, law="uniform")
        width = size


def _graph_networks(config: Config) -> Iterator[Linear]:
    network, task = config.denoiser_architecture_config, config.task_config
    latent = network.latent_size
    stacked = len(channels.inputs(task)) + len(channels.forcings_and_targets(task))
    nodes, outputs = stacked + NODE_FEATURES, len(channels.targets(task))
    widths = {
        f"{ENCODER}/encoder_edges_grid2mesh": EDGE_FEATURES,
        f"{ENCODER}/encoder_nodes_grid_nodes": nodes,
        f"{ENCODER}/encoder_nodes_mesh_nodes": nodes,
        f"{ENCODER}/processor_edges_0_grid2mesh": 3 * latent,
        f"{ENCODER}/processor_nodes_0_grid_nodes": latent,
        f"{ENCODER}/processor_nodes_0_mesh_nodes": 2 * latent,
        f"{DECODER}/encoder_edges_mesh2grid": EDGE_FEATURES,
        f"{DECODER}/processor_edges_0_mesh2grid": 3 * latent,
        f"{DECODER}/processor_nodes_0_grid_nodes": 2 * latent,
        f"{DECODER}/processor_nodes_0_mesh_nodes": latent,
    }
    for path, width in widths.items():
        yield from _mlp(path, width, [latent] * (network.hidden_layers + 1))
        yield _conditioning(config, f"{path}_norm_conditioning", latent)
    sizes = [latent] * network.hidden_layers + [outputs]
    yield from _mlp(f"{DECODER}/decoder_nodes_grid_nodes", latent, sizes)


def _transformer(config: Config) -> Iterator[Linear]:
    network = config.denoiser_architecture_config
    transformer, width = network.sparse_transformer_config, network.latent_size
    hidden, layers = transformer.ffw_hidden, transformer.num_layers

    def scaled(scale: float, inputs: int) -> float:
        return (scale / layers / inputs) ** 0.5 / TRUNCATED_STD

    into, attended, forwarded = (
        scaled(2, width),
        scaled(transformer.attn_winit_final_mult, width),
        scaled(transformer.ffw_winit_final_mult, hidden),
    )
    for i in range(layers):
        for name in ("q", "k", "v"):
            yield Linear(f"{block(i)}/mha_proj_{name}", width, width, into, bias=False)
        yield Linear(f"{block(i)}/mha_final", width, width, attended)
        yield Linear(f"{block(i)}/ffw_up", width, hidden, into)
        yield Linear(f"{block(i)}/ffw_down", hidden, width, forwarded)
        for suffix in ("", "_1"):
            path = f"{block(i)}/block_{i:02d}_norm_conditioning{suffix}"
            yield _conditioning(config, path, width)
    yield _conditioning(config, f"{TRANSFORMER}/transformer_final_norm_conditioning", width)


def _mlp(path: str, width: int, sizes: list[int]) -> Iterator[Linear]:
    for i, size in enumerate(sizes):
        yield Linear(f"{path}_mlp/~/linear_{i}", width, size, width**-0.5)
        width = size


def _conditioning(config: Config, path: str, width: int) -> Linear:
    size = config.noise_encoder_config.output_sizes[-1]
    return Linear(f"{path}/linear", size, 2 * width, CONDITIONING_STD)


def shapes(config: Config) -> dict[str, dict[str, tuple[int, ...]]]:
    """Module path -> array name -> shape."""
    return {
        layer.path: {"w": (layer.inputs, layer.outputs)}
        | ({"b": (layer.outputs,)} if layer.bias else {})
        for layer in linears(config)
    }


def check(params: Params, config: Config) -> None:
    """UserError unless the parameters have the names and shapes of the configuration."""
    for path, arrays in shapes(config).items():
        for name, shape in arrays.items():
            own = getattr(params.get(path, {}).get(name), "shape", "none")
            if own != shape:
                raise UserError(
                    f"checkpoint: array params:{path}:{name} has shape {own}, "
                    f"but its configuration needs {shape}"
                )


def initialise(key: jax.Array, config: Config, output_scale: float = 1.0) -> Params:
    """Parameters to start training from, float32.

    Arguments:
        output_scale: Factor on the last layer's weights; below 1 the network starts near the
            preconditioner's own guess (0.1 serves small networks well).
    """
    layers, params = list(linears(config)), {}
    sizes = [layer.inputs * layer.outputs for layer in layers]
    uniform = np.asarray(jax.random.uniform(key, (sum(sizes),), jnp.float32), float)
    last = f"{DECODER}/decoder_nodes_grid_nodes_mlp/~/linear_"
    last += str(config.denoiser_architecture_config.hidden_layers)
    for layer, u in zip(layers, np.split(uniform, np.cumsum(sizes)[:-1]), strict=True):
        scale = layer.std * (output_scale if layer.path == last else 1.0)
        w = (scale * _quantile(u, layer.law)).reshape(layer.inputs, layer.outputs)
        params[layer.path] = {"w": jnp.asarray(w, jnp.float32)}
        if layer.bias:
            params[layer.path]["b"] = jnp.zeros(layer.outputs, jnp.float32)
    return params


def _quantile(u: np.ndarray, law: str) -> np.ndarray:
    """Quantiles u of the uniform law with unit variance, or of the unit normal cut at two."""
    if law == "uniform":
        return np.sqrt(3) * (2 * u - 1)
    return ndtri(ndtr(-2) + u * (ndtr(2) - ndtr(-2)))

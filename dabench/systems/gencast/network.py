"""GenCast's denoiser D(z, sigma) and the network F inside it.

GenCast specification, sections 3.1, 3.2 and 5. Arrays are (node, member, feature) inside. What
depends on the noise level alone is computed by `at_level`, what depends on the known channels
alone by `condition`; both are exact rearrangements: the first layer of a perceptron over
concatenated parts is the sum of one product per part, taken on nodes before it is gathered to
edges, and the affine map of a conditional norm commutes with sums over edges.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.errors import UserError
from dabench.systems.gencast import channels, graph, layers, parameters
from dabench.systems.gencast.attention import attention
from dabench.systems.gencast.checkpoint import Config, NoiseEncoderConfig, Params
from dabench.systems.gencast.layers import Affine, bias, linear, mlp, normalised_mlp
from dabench.systems.gencast.parameters import DECODER, ENCODER, TRANSFORMER, block

EMBED_GRID = f"{ENCODER}/encoder_nodes_grid_nodes"
EMBED_MESH = f"{ENCODER}/encoder_nodes_mesh_nodes"
EMBED_TO_MESH = f"{ENCODER}/encoder_edges_grid2mesh"
TO_MESH = f"{ENCODER}/processor_edges_0_grid2mesh"
UPDATE_MESH = f"{ENCODER}/processor_nodes_0_mesh_nodes"
UPDATE_GRID = f"{ENCODER}/processor_nodes_0_grid_nodes"
EMBED_TO_GRID = f"{DECODER}/encoder_edges_mesh2grid"
TO_GRID = f"{DECODER}/processor_edges_0_mesh2grid"
RECEIVE_GRID = f"{DECODER}/processor_nodes_0_grid_nodes"
OUTPUT = f"{DECODER}/decoder_nodes_grid_nodes"
CORNERS = 3

Nodes = Float[Array, "node member feature"]


class Level(NamedTuple):
    """All that depends on the noise level and the graph alone; the member axis has length `level`.

    Arguments:
        c_in, c_skip, c_out: The preconditioning.
        norms: Module path -> affine map of its conditional norm.
        to_mesh: (edge, level, feature) first layer of the grid-to-mesh messages, without senders.
        mesh, mesh_first: Embedded mesh nodes, and their part of the first layer of their update.
        to_grid: (corner, grid, level, feature) as `to_mesh`, without senders and receivers.
        grid_first: The constant part of the first layer of the grid nodes' last update.
    """

    c_in: Float[Array, "1 level 1"]
    c_skip: Float[Array, "1 level 1"]
    c_out: Float[Array, "1 level 1"]
    norms: dict[str, Affine]
    to_mesh: Float[Array, "edge level feature"]
    mesh: Float[Array, "mesh level feature"]
    mesh_first: Float[Array, "mesh level feature"]
    to_grid: Float[Array, "corner grid level feature"]
    grid_first: Float[Array, "1 level feature"]


class Network:
    """D and F of one configuration on one grid; holds no parameters.

    Arguments:
        config: Of a checkpoint.
        latitude, longitude: The grid in degrees, both ascending; nodes are latitude-major.
        training_grid_size: Grid nodes at training. Where given, sums over grid nodes are scaled
            by their number, so that weights of one grid serve another; official files have none.
        precision: Of matrix products; "highest" is float32 throughout. With "bfloat16" weights and
            activations are bfloat16, while noise levels, sums over the edges of a mesh
            node, softmax and the preconditioner around the network stay float32.
    """

    def __init__(
        self,
        config: Config,
        latitude: Float[np.ndarray, "lat"],
        longitude: Float[np.ndarray, "lon"],
        training_grid_size: int | None = None,
        precision: str = "highest",
    ):
        self.config, self.half = config, precision == "bfloat16"
        self.precision = "highest" if self.half else precision
        size = config.denoiser_architecture_config
        transformer = size.sparse_transformer_config
        _check_sizes(config)
        self.graph = graph.build(
            latitude, longitude, size.mesh_size, size.radius_query_fraction_edge_length
        )
        reach = graph.within_hops(self.graph.mesh, transformer.attention_k_hop)
        self.attention = attention(reach, self.graph.mesh.vertices, transformer.num_heads)
        self.grid_nodes = len(self.graph.grid_features)
        self.mesh_nodes = len(self.graph.mesh_features)
        self.sum_scale = 1 / (size.grid2mesh_aggregate_normalization or 1.0)
        if training_grid_size is not None:
            self.sum_scale *= training_grid_size / self.grid_nodes
        self.in_degree = np.bincount(self.graph.grid2mesh.receivers, minlength=self.mesh_nodes)
        self.corners = self.graph.mesh2grid.senders.reshape(-1, CORNERS).T
        self._known_rows, self._noisy_rows = _input_rows(config)

    def encode_noise(self, params: Params, sigma: Float[Array, "level"]) -> Array:
        """The conditioning vector (level, code) of noise levels."""
        encoder = self.config.noise_encoder_config
        x = noise_features(sigma, encoder)
        for i in range(len(encoder.output_sizes)):
            x = jax.nn.gelu(x, approximate=True) if i else x
            x = linear(params[f"{parameters.NOISE_ENCODER}/linear_{i}"], x)
        return x

    def at_level(self, params: Params, sigma: Float[Array, "*level"]) -> Level:
        """The level-only work, for one noise level for all members or one for each."""
        with jax.default_matmul_precision(self.precision):
            return self._at_level(params, jnp.atleast_1d(sigma))

    def condition(
        self, params: Params, known: Float[Array, "member grid channel"]
    ) -> Float[Array, "member grid feature"]:
        """The known channels' part of the grid embedding's first layer.

        Arguments:
            known: Normalised inputs, then forcings, each in the order of `channels`.
        """
        with jax.default_matmul_precision(self.precision):
            first = mlp(params, EMBED_GRID)[0]
            structure = self.graph.grid_features @ first["w"][-parameters.NODE_FEATURES :]
            return known @ first["w"][self._known_rows] + (structure + first["b"][None])[None]

    def denoise(
        self,
        params: Params,
        level: Level,
        condition: Float[Array, "member grid feature"],
        z: Float[Array, "member grid channel"],
    ) -> Float[Array, "member grid channel"]:
        """D(z, sigma) = E[target | z], in normalised units; differentiable in both modes."""
        z = jnp.swapaxes(z, 0, 1)
        arguments: Any = (params, level, condition, level.c_in * z)
        if self.half:
            arguments = jax.tree.map(lambda a: a.astype(jnp.bfloat16), arguments)
        raw = self.raw(*arguments).astype(z.dtype)
        return jnp.swapaxes(level.c_skip * z + level.c_out * raw, 0, 1)

    def raw(
        self, params: Params, level: Level, condition: Array, noisy: Nodes
    ) -> Float[Array, "grid member channel"]:
        """F of the scaled noisy target."""
        mesh, grid = self.encode(params, level, condition, noisy)
        return self.decode(params, level, self.process(params, level, mesh), grid)

    def encode(
        self, params: Params, level: Level, condition: Array, noisy: Nodes
    ) -> tuple[Nodes, Nodes]:
        """Latent mesh and grid nodes after the messages from grid to mesh."""
        with jax.default_matmul_precision(self.precision):
            first, *rest = mlp(params, EMBED_GRID)
            x = jnp.swapaxes(condition, 0, 1) + noisy @ first["w"][self._noisy_rows]
            grid = level.norms[EMBED_GRID](normalised_mlp(rest, x))
            mesh = self._receive_on_mesh(params, level, grid)
            first, *rest = mlp(params, UPDATE_GRID)
            update = level.norms[UPDATE_GRID](normalised_mlp(rest, linear(first, grid)))
            return mesh, grid + update

    def process(self, params: Params, level: Level, x: Nodes) -> Nodes:
        """The transformer on the mesh."""
        with jax.default_matmul_precision(self.precision):
            layers_ = self.config.denoiser_architecture_config.sparse_transformer_config.num_layers
            for i in range(layers_):
                x = self._transformer_layer(params, level, i, x)
            return level.norms[TRANSFORMER](layers.layer_norm(x))

    def decode(self, params: Params, level: Level, mesh: Nodes, grid: Nodes) -> Nodes:
        """Output channels on the grid after the messages from mesh to grid."""
        with jax.default_matmul_precision(self.precision):
            first, *rest = mlp(params, TO_GRID)
            _, from_sender, from_receiver = _parts(first, 3)
            sent, received = mesh @ from_sender, grid @ from_receiver
            total = sum(
                normalised_mlp(rest, level.to_grid[j] + sent[corner] + received)
                for j, corner in enumerate(self.corners)
            )
            first, *rest = mlp(params, RECEIVE_GRID)
            own, incoming = _parts(first, 2)
            x = grid @ own + (total * level.norms[TO_GRID].scale) @ incoming + level.grid_first
            grid = grid + level.norms[RECEIVE_GRID](normalised_mlp(rest, x))
            first, *rest = mlp(params, OUTPUT)
            return layers.silu_linears(rest, linear(first, grid))

    def _receive_on_mesh(self, params: Params, level: Level, grid: Nodes) -> Nodes:
        edges = self.graph.grid2mesh
        first, *rest = mlp(params, TO_MESH)
        sent = grid @ _parts(first, 3)[1]
        messages = normalised_mlp(rest, level.to_mesh + sent[edges.senders])
        wide = messages.astype(jnp.promote_types(messages.dtype, jnp.float32))
        total = jax.ops.segment_sum(
            wide, jnp.asarray(edges.receivers), self.mesh_nodes, indices_are_sorted=True
        ).astype(messages.dtype)
        total = total * (level.norms[TO_MESH].scale * self.sum_scale)
        first, *rest = mlp(params, UPDATE_MESH)
        x = level.mesh_first + total @ _parts(first, 2)[1]
        return level.mesh + level.norms[UPDATE_MESH](normalised_mlp(rest, x))

    def _transformer_layer(self, params: Params, level: Level, i: int, x: Nodes) -> Nodes:
        at = block(i)
        h = level.norms[f"{at}/attention"](layers.layer_norm(x))
        weights = [params[f"{at}/mha_proj_{name}"]["w"] for name in "qkv"]
        q, k, v = jnp.split(h @ jnp.concatenate(weights, axis=1), 3, axis=-1)
        x = x + linear(params[f"{at}/mha_final"], self.attention(q, k, v))
        h = level.norms[f"{at}/ffw"](layers.layer_norm(x))
        h = jax.nn.gelu(linear(params[f"{at}/ffw_up"], h), approximate=True)
        return x + linear(params[f"{at}/ffw_down"], h)

    def _at_level(self, params: Params, sigma: Float[Array, "level"]) -> Level:
        norms = self._norms(params, self.encode_noise(params, sigma))

        def embed(path: str, features: np.ndarray) -> Array:
            first, *rest = mlp(params, path)
            rows = first["w"][-features.shape[-1] :]
            x = jnp.asarray(features, rows.dtype) @ rows
            return norms[path](normalised_mlp(rest, x[:, None] + bias(first)))

        mesh = embed(EMBED_MESH, self.graph.mesh_features)
        first = mlp(params, TO_MESH)[0]
        from_edge, _, from_mesh = _parts(first, 3)
        to_mesh = embed(EMBED_TO_MESH, self.graph.grid2mesh.features) @ from_edge
        to_mesh = to_mesh + (mesh @ from_mesh)[self.graph.grid2mesh.receivers] + bias(first)

        first = mlp(params, UPDATE_MESH)[0]
        own, incoming = _parts(first, 2)
        count = jnp.asarray(self.in_degree * self.sum_scale, mesh.dtype)[:, None, None]
        mesh_first = mesh @ own + count * (norms[TO_MESH].offset @ incoming) + bias(first)

        first = mlp(params, TO_GRID)[0]
        to_grid = embed(EMBED_TO_GRID, self.graph.mesh2grid.features) @ _parts(first, 3)[0]
        to_grid = (to_grid + bias(first)).reshape(-1, CORNERS, *to_grid.shape[1:])

        first = mlp(params, RECEIVE_GRID)[0]
        grid_first = CORNERS * norms[TO_GRID].offset @ _parts(first, 2)[1] + bias(first)
        total = (1 + sigma**2)[None, :, None]
        return Level(
            c_in=total**-0.5,
            c_skip=1 / total,
            c_out=sigma[None, :, None] * total**-0.5,
            norms=norms,
            to_mesh=to_mesh,
            mesh=mesh,
            mesh_first=mesh_first,
            to_grid=jnp.swapaxes(to_grid, 0, 1),
            grid_first=grid_first,
        )

    def _norms(self, params: Params, encoding: Float[Array, "level code"]) -> dict[str, Affine]:
        paths = {path: f"{path}_norm_conditioning" for path in _CONDITIONED}
        paths[TRANSFORMER] = f"{TRANSFORMER}/transformer_final_norm_conditioning"
        layers_ = self.config.denoiser_architecture_config.sparse_transformer_config.num_layers
        for i in range(layers_):
            norm = f"{block(i)}/block_{i:02d}_norm_conditioning"
            paths |= {f"{block(i)}/attention": norm, f"{block(i)}/ffw": f"{norm}_1"}
        return {name: layers.conditioning(params, path, encoding) for name, path in paths.items()}


_CONDITIONED = (
    EMBED_GRID,
    EMBED_MESH,
    EMBED_TO_MESH,
    TO_MESH,
    UPDATE_MESH,
    UPDATE_GRID,
    EMBED_TO_GRID,
    TO_GRID,
    RECEIVE_GRID,
)


def noise_features(
    sigma: Float[Array, "level"], encoder: NoiseEncoderConfig
) -> Float[Array, "level feature"]:
    """Cosines, then sines, of 2π k ln(sigma) / base period, k = 1 .. number of frequencies."""
    position = jnp.log(sigma) if encoder.apply_log_first else sigma
    k = np.arange(1, encoder.num_frequencies + 1)
    frequency = jnp.asarray(k * 2 * np.pi / encoder.base_period, sigma.dtype)
    angle = position[:, None] * frequency[None]
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)


def _parts(layer: dict[str, Array], count: int) -> list[Array]:
    """The weights of a linear layer over `count` concatenated inputs of equal width."""
    return jnp.split(layer["w"], count)


def _input_rows(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the grid embedding's first layer for inputs then forcings, and for the target."""
    task = config.task_config
    inputs, group = channels.inputs(task), channels.forcings_and_targets(task)
    noisy = np.array([field.name in task.target_variables for field in group], bool)
    rows = len(inputs) + np.arange(len(group))
    return np.concatenate([np.arange(len(inputs)), rows[~noisy]]), rows[noisy]


def _check_sizes(config: Config) -> None:
    network = config.denoiser_architecture_config
    transformer = network.sparse_transformer_config
    if transformer.d_model != network.latent_size:
        raise UserError(
            f"checkpoint: d_model is {transformer.d_model} but latent_size is "
            f"{network.latent_size}; GenCast's transformer needs them equal"
        )
    if transformer.d_model % transformer.num_heads:
        raise UserError(
            f"checkpoint: d_model {transformer.d_model} is not a multiple of "
            f"num_heads {transformer.num_heads}"
        )

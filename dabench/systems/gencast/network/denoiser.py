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

from dabench.core.errors import UserError
from dabench.systems.gencast import channels
from dabench.systems.gencast.checkpoint import Config, NoiseEncoderConfig, Params
from dabench.systems.gencast.network import graph, layers, parameters
from dabench.systems.gencast.network.attention import attention
from dabench.systems.gencast.network.blocks import Rows, by_blocks
from dabench.systems.gencast.network.graph import Edges
from dabench.systems.gencast.network.layers import Affine, bias, linear, mlp, normalised_mlp
from dabench.systems.gencast.network.parameters import DECODER, ENCODER, TRANSFORMER, block

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
CORNERS = 3  # of the mesh triangle that holds a grid point, which the point hears from
FILL = 64  # edges are padded to a multiple of this, so that blocks are equal

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


class DenoiserNetwork:
    """D and F of one configuration on one grid; holds no parameters.

    Arguments:
        config: Configuration of a checkpoint.
        latitude, longitude: The grid in degrees, both ascending; nodes are latitude-major.
        training_grid_size: Grid nodes at training. Where given, sums over grid nodes are scaled
            by their number, so that weights of one grid serve another; official files have none.
        precision: Precision of matrix products; "highest" is float32 throughout. With "bfloat16"
            weights and activations are bfloat16, while noise levels, sums over the edges of a mesh
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
        self.edges = _filled(self.graph.grid2mesh, self.mesh_nodes)
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
        self, params: Params, inputs: Float[Array, "member grid channel"]
    ) -> Float[Array, "member grid feature"]:
        """The known channels' part of the grid embedding's first layer.

        Arguments:
            inputs: Normalised inputs, then forcings, each in the order of `channels`.
        """
        with jax.default_matmul_precision(self.precision):
            first = mlp(params, EMBED_GRID)[0]
            structure = self.graph.grid_features @ first["w"][-parameters.NODE_FEATURES :]
            return inputs @ first["w"][self._known_rows] + (structure + first["b"][None])[None]

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
            sent, grid = self._embed_grid(params, level, condition, noisy)
            return self._receive_on_mesh(params, level, sent), grid

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
            sent = mesh @ from_sender

            def on_grid(rows: Rows, grid: Nodes) -> Nodes:
                received = grid @ from_receiver
                total = sum(
                    normalised_mlp(rest, rows(level.to_grid[j]) + sent[rows(corner)] + received)
                    for j, corner in enumerate(self.corners)
                )
                return self._output(params, level, grid, total * level.norms[TO_GRID].scale)

            return by_blocks(on_grid, grid, width=grid[0].size)

    def _embed_grid(
        self, params: Params, level: Level, condition: Array, noisy: Nodes
    ) -> tuple[Nodes, Nodes]:
        """The senders' part of the messages to the mesh, and the updated grid nodes."""
        embed, *embed_rest = mlp(params, EMBED_GRID)
        update, *update_rest = mlp(params, UPDATE_GRID)
        from_sender = _parts(mlp(params, TO_MESH)[0], 3)[1]
        from_known, from_noisy = jnp.swapaxes(condition, 0, 1), embed["w"][self._noisy_rows]

        def on_grid(rows: Rows, noisy: Nodes) -> tuple[Nodes, Nodes]:
            x = rows(from_known) + noisy @ from_noisy
            grid = level.norms[EMBED_GRID](normalised_mlp(embed_rest, x))
            change = normalised_mlp(update_rest, linear(update, grid))
            return grid @ from_sender, grid + level.norms[UPDATE_GRID](change)

        return by_blocks(on_grid, noisy, width=from_known[0].size)

    def _receive_on_mesh(self, params: Params, level: Level, sent: Nodes) -> Nodes:
        """Mesh nodes after the messages of grid nodes, of whose first layer `sent` is a part."""
        rest = mlp(params, TO_MESH)[1:]

        def on_edges(rows: Rows, sent: Nodes) -> Nodes:
            return normalised_mlp(rest, rows(level.to_mesh) + sent)

        messages = by_blocks(on_edges, sent[self.edges.senders], width=sent[0].size)
        wide = messages.astype(jnp.promote_types(messages.dtype, jnp.float32))
        total = jax.ops.segment_sum(
            wide, jnp.asarray(self.edges.receivers), self.mesh_nodes, indices_are_sorted=True
        ).astype(messages.dtype)
        total = total * (level.norms[TO_MESH].scale * self.sum_scale)
        first, *rest = mlp(params, UPDATE_MESH)
        x = level.mesh_first + total @ _parts(first, 2)[1]
        return level.mesh + level.norms[UPDATE_MESH](normalised_mlp(rest, x))

    def _output(self, params: Params, level: Level, grid: Nodes, incoming: Nodes) -> Nodes:
        """Output channels, from grid nodes and the sums of the messages to them."""
        first, *rest = mlp(params, RECEIVE_GRID)
        own, from_messages = _parts(first, 2)
        x = grid @ own + incoming @ from_messages + level.grid_first
        grid = grid + level.norms[RECEIVE_GRID](normalised_mlp(rest, x))
        first, *rest = mlp(params, OUTPUT)
        return layers.silu_linears(rest, linear(first, grid))

    def _transformer_layer(self, params: Params, level: Level, i: int, x: Nodes) -> Nodes:
        """Mesh nodes after layer i: attention, then a perceptron, each added to what it reads."""
        at = block(i)
        h = level.norms[f"{at}/attention"](layers.layer_norm(x))
        weights = [params[f"{at}/mha_proj_{name}"]["w"] for name in "qkv"]
        q, k, v = jnp.split(h @ jnp.concatenate(weights, axis=1), 3, axis=-1)
        x = x + linear(params[f"{at}/mha_final"], self.attention(q, k, v))
        h = level.norms[f"{at}/ffw"](layers.layer_norm(x))
        h = layers.gelu(linear(params[f"{at}/ffw_up"], h))
        return x + linear(params[f"{at}/ffw_down"], h)

    def _at_level(self, params: Params, sigma: Float[Array, "level"]) -> Level:
        norms = self._norms(params, self.encode_noise(params, sigma))

        def embed(path: str, features: Any) -> Array:
            first, *rest = mlp(params, path)
            rows = first["w"][-features.shape[-1] :]
            x = jnp.asarray(features, rows.dtype) @ rows
            return norms[path](normalised_mlp(rest, x[:, None] + bias(first)))

        def embed_edges(path: str, features: np.ndarray, first: dict[str, Array]) -> Array:
            """The embedded edges' part of the first layer of their messages, and its bias."""
            layer = {"w": _parts(first, 3)[0], "b": first["b"]}
            edges, width = jnp.asarray(features, layer["w"].dtype), len(sigma) * len(layer["w"])
            return by_blocks(lambda _, block: linear(layer, embed(path, block)), edges, width=width)

        mesh = embed(EMBED_MESH, self.graph.mesh_features)
        first = mlp(params, TO_MESH)[0]
        to_mesh = embed_edges(EMBED_TO_MESH, self.edges.features, first)
        to_mesh = to_mesh + (mesh @ _parts(first, 3)[2])[self.edges.receivers]

        first = mlp(params, UPDATE_MESH)[0]
        own, incoming = _parts(first, 2)
        count = jnp.asarray(self.in_degree * self.sum_scale, mesh.dtype)[:, None, None]
        mesh_first = mesh @ own + count * (norms[TO_MESH].offset @ incoming) + bias(first)

        features = self.graph.mesh2grid.features.reshape(-1, CORNERS, parameters.EDGE_FEATURES)
        by_corner = np.moveaxis(features, 1, 0).reshape(-1, parameters.EDGE_FEATURES)
        to_grid = embed_edges(EMBED_TO_GRID, by_corner, mlp(params, TO_GRID)[0])

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
            to_grid=to_grid.reshape(CORNERS, self.grid_nodes, *to_grid.shape[1:]),
            grid_first=grid_first,
        )

    def _norms(self, params: Params, encoding: Float[Array, "level code"]) -> dict[str, Affine]:
        """The affine map of every conditional norm, by the path of what it normalises."""
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


def _filled(edges: Edges, receiver: int) -> Edges:
    """Edges to a receiver that is not there, to a multiple of `FILL`, so that blocks are equal."""
    more = -len(edges.senders) % FILL
    senders = np.pad(edges.senders, (0, more))
    receivers = np.pad(edges.receivers, (0, more), constant_values=receiver)
    return Edges(senders, receivers, np.pad(edges.features, ((0, more), (0, 0))))


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
    """UserError for sizes that do not fit together."""
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

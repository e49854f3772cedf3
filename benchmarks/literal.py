"""GenCast's denoiser as it is written down, for one member: what dabench's own is measured against.

Every formula of the GenCast specification, section 5, in its own order, in JAX: concatenations are
made, every edge and node is embedded for every member and noise level, sums are scattered,
attention is dense and masked. No rearrangement, so nothing here is worth using for anything else.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.gencast.checkpoint import Config
from dabench.systems.gencast.network.graph import Graph, within_hops

Params = Mapping[str, Mapping[str, Array]]
ENCODER, DECODER = "grid2mesh_gnn/~_networks_builder", "mesh2grid_gnn/~_networks_builder"
TRANSFORMER = "mesh_transformer/~/transformer"
MASKED = -1e30


class Literal:
    """D(z, sigma) of one configuration.

    Arguments:
        noisy_rows: Places of the noisy target among all stacked channels.
    """

    def __init__(self, config: Config, graph: Graph, noisy_rows: np.ndarray):
        self.size, self.encoder = config.denoiser_architecture_config, config.noise_encoder_config
        hops = self.size.sparse_transformer_config.attention_k_hop
        self.graph, self.reach = graph, within_hops(graph.mesh, hops).toarray()
        self.noisy_rows = noisy_rows

    def __call__(
        self,
        params: Params,
        known: Float[Array, "grid known"],
        z: Float[Array, "grid channel"],
        sigma: Float[Array, ""],
    ) -> Float[Array, "grid channel"]:
        """D of one member; `jax.vmap` it over members, each with a noise level of its own."""
        c_in, c_skip = (sigma**2 + 1) ** -0.5, 1 / (sigma**2 + 1)
        total = known.shape[1] + z.shape[1]
        others = np.setdiff1d(np.arange(total), self.noisy_rows)
        channels = jnp.zeros((len(z), total), z.dtype)
        channels = channels.at[:, others].set(known).at[:, self.noisy_rows].set(c_in * z)
        with jax.default_matmul_precision("highest"):
            return c_skip * z + sigma * c_in * _Pass(self, params, sigma).raw(channels)


class _Pass:
    """One evaluation of F: the parameters, and the conditioning vector of its noise level."""

    def __init__(self, network: Literal, params: Params, sigma: Array):
        self.net, self.params, self.graph = network, params, network.graph
        self.c = self.encode_noise(sigma)

    def raw(self, channels: Array) -> Array:
        mesh, grid = self.encode(channels)
        return self.decode(self.transform(mesh), grid)

    def encode_noise(self, sigma: Array) -> Array:
        encoder = self.net.encoder
        position = jnp.log(sigma) if encoder.apply_log_first else sigma
        k = jnp.arange(1, encoder.num_frequencies + 1, dtype=sigma.dtype)
        angle = 2 * np.pi * k * position / encoder.base_period
        x = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)])
        for i in range(len(encoder.output_sizes)):
            x = jax.nn.gelu(x, approximate=True) if i else x
            x = self.linear(f"fourier_features_mlp/~/mlp/~/linear_{i}", x[None])[0]
        return x

    def linear(self, path: str, x: Array) -> Array:
        layer = self.params[path]
        return x @ layer["w"] + (layer["b"][None] if "b" in layer else 0)

    def mlp(self, path: str, x: Array) -> Array:
        for i in range(self.net.size.hidden_layers + 1):
            x = jax.nn.silu(x) if i else x
            x = self.linear(f"{path}_mlp/~/linear_{i}", x)
        return x

    def norm(self, path: str, x: Array) -> Array:
        s, o = jnp.split(self.linear(f"{path}/linear", self.c[None]), 2, -1)
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * (1 + s) + o

    def block(self, path: str, *parts: Array) -> Array:
        x = self.mlp(path, jnp.concatenate(parts, -1))
        return self.norm(f"{path}_norm_conditioning", x)

    def encode(self, channels: Array) -> tuple[Array, Array]:
        senders, receivers, features = (jnp.asarray(a) for a in self.graph.grid2mesh)
        on_grid, on_mesh = map(jnp.asarray, (self.graph.grid_features, self.graph.mesh_features))
        zeros = jnp.zeros((len(on_mesh), channels.shape[1]), channels.dtype)
        g = self.block(f"{ENCODER}/encoder_nodes_grid_nodes", channels, on_grid)
        m = self.block(f"{ENCODER}/encoder_nodes_mesh_nodes", zeros, on_mesh)
        e = self.block(f"{ENCODER}/encoder_edges_grid2mesh", features)
        e = self.block(f"{ENCODER}/processor_edges_0_grid2mesh", e, g[senders], m[receivers])
        a = jax.ops.segment_sum(e, receivers, len(m))
        a = a / (self.net.size.grid2mesh_aggregate_normalization or 1)
        m = m + self.block(f"{ENCODER}/processor_nodes_0_mesh_nodes", m, a)
        return m, g + self.block(f"{ENCODER}/processor_nodes_0_grid_nodes", g)

    def transform(self, x: Array) -> Array:
        for i in range(self.net.size.sparse_transformer_config.num_layers):
            at = f"{TRANSFORMER}/block_{i:02d}"
            conditioning = f"{at}/block_{i:02d}_norm_conditioning"
            x = x + self.linear(f"{at}/mha_final", self.attend(at, self.norm(conditioning, x)))
            h = self.linear(f"{at}/ffw_up", self.norm(f"{conditioning}_1", x))
            x = x + self.linear(f"{at}/ffw_down", jax.nn.gelu(h, approximate=True))
        return self.norm(f"{TRANSFORMER}/transformer_final_norm_conditioning", x)

    def attend(self, at: str, h: Array) -> Array:
        heads = self.net.size.sparse_transformer_config.num_heads
        q, k, v = (
            self.linear(f"{at}/mha_proj_{name}", h).reshape(len(h), heads, -1) for name in "qkv"
        )
        logits = jnp.einsum("qhd,khd->hqk", q, k) / q.shape[-1] ** 0.5
        logits = jnp.where(jnp.asarray(self.net.reach)[None], logits, MASKED)
        out = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(logits, -1), v)
        return out.reshape(len(h), -1)

    def decode(self, m: Array, g: Array) -> Array:
        senders, receivers, features = (jnp.asarray(a) for a in self.graph.mesh2grid)
        e = self.block(f"{DECODER}/encoder_edges_mesh2grid", features)
        e = self.block(f"{DECODER}/processor_edges_0_mesh2grid", e, m[senders], g[receivers])
        a = jax.ops.segment_sum(e, receivers, len(g))
        g = g + self.block(f"{DECODER}/processor_nodes_0_grid_nodes", g, a)
        return self.mlp(f"{DECODER}/decoder_nodes_grid_nodes", g)

"""GenCast's denoiser in plain numpy, float64, one member, line by line as it is defined.

The oracle of the network's tests: no rearrangement, no batching, nothing shared with the code.
"""

import numpy as np


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


class Transcription:
    """D of one configuration; `rows` are the places of the noisy target among all channels."""

    def __init__(self, params, config, graph, reach, rows):
        self.p, self.graph, self.reach, self.rows = params, graph, reach, rows
        self.size, self.encoder = config.denoiser_architecture_config, config.noise_encoder_config

    def linear(self, path, x):
        layer = self.p[path]
        return x @ layer["w"] + layer.get("b", 0)

    def mlp(self, path, x):
        count = self.size.hidden_layers + 1
        for i in range(count):
            x = self.linear(f"{path}_mlp/~/linear_{i}", x)
            x = silu(x) if i + 1 < count else x
        return x

    def norm(self, path, x):
        s, o = np.split(self.linear(f"{path}/linear", self.c), 2)
        return layer_norm(x) * (1 + s) + o

    def block(self, path, *parts):
        x = self.mlp(path, np.concatenate(parts, -1))
        return self.norm(f"{path}_norm_conditioning", x)

    def encode_noise(self, sigma):
        position = np.log(sigma) if self.encoder.apply_log_first else sigma
        angle = 2 * np.pi * np.arange(1, self.encoder.num_frequencies + 1) * position
        angle = angle / self.encoder.base_period
        x = np.concatenate([np.cos(angle), np.sin(angle)])
        for i in range(len(self.encoder.output_sizes)):
            x = gelu(x) if i else x
            x = self.linear(f"fourier_features_mlp/~/mlp/~/linear_{i}", x)
        return x

    def denoise(self, known, z, sigma):
        channels = np.zeros((len(z), known.shape[1] + z.shape[1]))
        others = np.setdiff1d(np.arange(channels.shape[1]), self.rows)
        channels[:, others], channels[:, self.rows] = known, z / np.sqrt(1 + sigma**2)
        self.c = self.encode_noise(sigma)
        raw = self.decode(*self.encode(channels))
        return z / (1 + sigma**2) + sigma / np.sqrt(1 + sigma**2) * raw

    def encode(self, channels):
        at, graph = "grid2mesh_gnn/~_networks_builder", self.graph
        senders, receivers, features = (np.asarray(a) for a in graph.grid2mesh)
        zeros = np.zeros((len(graph.mesh_features), channels.shape[1]))
        g = self.block(f"{at}/encoder_nodes_grid_nodes", channels, graph.grid_features)
        m = self.block(f"{at}/encoder_nodes_mesh_nodes", zeros, graph.mesh_features)
        e = self.block(f"{at}/encoder_edges_grid2mesh", features)
        e = self.block(f"{at}/processor_edges_0_grid2mesh", e, g[senders], m[receivers])
        a = np.zeros_like(m)
        np.add.at(a, receivers, e)
        a = a / (self.size.grid2mesh_aggregate_normalization or 1)
        m = m + self.block(f"{at}/processor_nodes_0_mesh_nodes", m, a)
        return self.transformer(m), g + self.block(f"{at}/processor_nodes_0_grid_nodes", g)

    def transformer(self, x):
        config = self.size.sparse_transformer_config
        heads, at = config.num_heads, "mesh_transformer/~/transformer"
        for i in range(config.num_layers):
            block = f"{at}/block_{i:02d}"
            h = self.norm(f"{block}/block_{i:02d}_norm_conditioning", x)
            q, k, v = (
                np.stack(np.split(self.linear(f"{block}/mha_proj_{n}", h), heads, -1))
                for n in "qkv"
            )
            logits = q @ np.swapaxes(k, 1, 2) / np.sqrt(q.shape[-1])
            weights = np.where(self.reach, np.exp(logits - logits.max(-1, keepdims=True)), 0)
            out = weights / weights.sum(-1, keepdims=True) @ v
            x = x + self.linear(f"{block}/mha_final", np.concatenate(out, -1))
            h = self.norm(f"{block}/block_{i:02d}_norm_conditioning_1", x)
            h = gelu(self.linear(f"{block}/ffw_up", h))
            x = x + self.linear(f"{block}/ffw_down", h)
        return self.norm(f"{at}/transformer_final_norm_conditioning", x)

    def decode(self, m, g):
        at = "mesh2grid_gnn/~_networks_builder"
        senders, receivers, features = (np.asarray(a) for a in self.graph.mesh2grid)
        e = self.block(f"{at}/encoder_edges_mesh2grid", features)
        e = self.block(f"{at}/processor_edges_0_mesh2grid", e, m[senders], g[receivers])
        a = np.zeros_like(g)
        np.add.at(a, receivers, e)
        g = g + self.block(f"{at}/processor_nodes_0_grid_nodes", g, a)
        return self.mlp(f"{at}/decoder_nodes_grid_nodes", g)

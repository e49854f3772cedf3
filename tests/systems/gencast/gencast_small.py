"""Small GenCast configurations with random weights in which every path counts."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from dabench.systems.gencast.checkpoint import (
    Config,
    DenoiserConfig,
    NoiseEncoderConfig,
    TaskConfig,
    TransformerConfig,
)
from dabench.systems.gencast.network import parameters

LATITUDE, LONGITUDE = np.linspace(-90, 90, 9), np.arange(16) * 22.5

TASK = TaskConfig(
    input_variables=("temperature", "2m_temperature", "land_sea_mask", "day_progress_sin"),
    target_variables=("2m_temperature", "temperature", "total_precipitation_12hr"),
    forcing_variables=("day_progress_sin",),
    pressure_levels=(500, 850),
)
NETWORK = DenoiserConfig(
    TransformerConfig(attention_k_hop=1, d_model=12, num_layers=2, num_heads=3, ffw_hidden=20),
    mesh_size=1,
    latent_size=12,
)
CONFIG = Config(TASK, NETWORK, noise_encoder_config=NoiseEncoderConfig(num_frequencies=8))


def with_transformer(config: Config = CONFIG, **changes) -> Config:
    """A configuration with another transformer."""
    network = config.denoiser_architecture_config
    transformer = replace(network.sparse_transformer_config, **changes)
    network = replace(network, sparse_transformer_config=transformer)
    return replace(config, denoiser_architecture_config=network)


def with_network(**changes) -> Config:
    return replace(CONFIG, denoiser_architecture_config=replace(NETWORK, **changes))


def random_params(config: Config, dtype=jnp.float64, seed: int = 0):
    """Weights and biases none of which is without effect."""
    rng = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> jax.Array:
        return jnp.asarray(rng.normal(size=shape) * 0.7 / np.sqrt(shape[0]), dtype)

    shapes = parameters.shapes(config)
    return {path: {k: draw(s) for k, s in arrays.items()} for path, arrays in shapes.items()}


def arguments(network, params, members=2):
    """Parameters, level, condition and noisy targets of one call of the denoiser, sigma = 2."""
    rng = np.random.default_rng(0)
    channels = len(network._noisy_rows)
    level = network.at_level(params, jnp.asarray(2.0, jnp.float32))
    z = jnp.asarray(2 * rng.normal(size=(members, network.grid_nodes, channels)), jnp.float32)
    width = network.config.denoiser_architecture_config.latent_size
    condition = jnp.asarray(rng.normal(size=(members, network.grid_nodes, width)), jnp.float32)
    return params, level, condition, z

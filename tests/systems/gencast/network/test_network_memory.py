"""Memory of the members in the network at once, against compiled steps."""

from dataclasses import replace

import gencast_small as small
import jax
import jax.numpy as jnp
import numpy as np
from gencast_small import arguments

from dabench.systems.gencast.network import memory
from dabench.systems.gencast.network.denoiser import DenoiserNetwork


def test_the_memory_of_a_member_is_that_of_the_compiled_step():
    transformer = replace(
        small.NETWORK.sparse_transformer_config,
        d_model=32, num_heads=4, num_layers=3, ffw_hidden=128, attention_k_hop=4,
    )  # fmt: skip
    sizes = {"latent_size": 32, "mesh_size": 2, "sparse_transformer_config": transformer}
    config = small.with_network(**sizes)
    network = DenoiserNetwork(config, np.linspace(-90, 90, 37), np.arange(72) * 5.0)
    params = small.random_params(config, jnp.float32)
    *fixed, z = arguments(network, params, members=1)

    def products(z):
        D, push = jax.linearize(lambda z: network.denoise(*fixed, z), z)
        pull = jax.linear_transpose(push, z)
        return pull(push(pull(D)[0]))[0]

    found = jax.jit(products).lower(z).compile().memory_analysis().temp_size_in_bytes
    assert 0.5 < memory.member_bytes(network) / found < 2


def test_as_many_members_as_memory_holds(monkeypatch):
    network = DenoiserNetwork(small.CONFIG, small.LATITUDE, small.LONGITUDE)
    each = memory.member_bytes(network)
    for free, expected in (
        (0, 1),
        (5.5 * each / memory.SHARE, 5),
        (1e6 * each, memory.MOST),
    ):
        monkeypatch.setattr(memory, "free_bytes", lambda free=free: free)
        assert memory.members_at_once(network) == expected

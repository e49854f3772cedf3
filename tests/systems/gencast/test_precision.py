"""Cheaper numbers and memory: what they change, and whether the estimates hold."""

from dataclasses import replace
from types import SimpleNamespace

import gencast_small as small
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.core.memory import free_bytes
from dabench.runs import memory
from dabench.systems.gencast.network import memory as needs
from dabench.systems.gencast.network.denoiser import Network

BFLOAT16 = 2.0**-8
"""Relative rounding error, at most, of one operation."""


def arguments(network, params, members=2):
    rng = np.random.default_rng(0)
    channels = len(network._noisy_rows)
    level = network.at_level(params, jnp.asarray(2.0, jnp.float32))
    z = jnp.asarray(2 * rng.normal(size=(members, network.grid_nodes, channels)), jnp.float32)
    width = network.config.denoiser_architecture_config.latent_size
    condition = jnp.asarray(rng.normal(size=(members, network.grid_nodes, width)), jnp.float32)
    return params, level, condition, z


def test_bfloat16_activations_change_the_denoiser_by_their_rounding():
    """Some tens of roundings in a row, each of independent sign: far below 20 of one."""
    params = small.random_params(small.CONFIG, jnp.float32)
    grid = small.LATITUDE, small.LONGITUDE
    full, half = (Network(small.CONFIG, *grid, precision=p) for p in ("highest", "bfloat16"))
    args = arguments(full, params)
    exact, rough = jax.jit(full.denoise)(*args), jax.jit(half.denoise)(*args)
    assert rough.dtype == jnp.float32
    error = jnp.sqrt(jnp.mean((exact - rough) ** 2) / jnp.mean(exact**2))
    assert 0.1 * BFLOAT16 < error < 20 * BFLOAT16


def test_tensorfloat32_is_float32_on_a_cpu():
    params = small.random_params(small.CONFIG, jnp.float32)
    grid = small.LATITUDE, small.LONGITUDE
    full, fast = (Network(small.CONFIG, *grid, precision=p) for p in ("highest", "tensorfloat32"))
    args = arguments(full, params)
    exact, found = jax.jit(full.denoise)(*args), jax.jit(fast.denoise)(*args)
    np.testing.assert_allclose(exact, found, rtol=0, atol=3e-3)


def test_the_memory_of_a_member_is_that_of_the_compiled_step():
    transformer = replace(
        small.NETWORK.sparse_transformer_config,
        d_model=32, num_heads=4, num_layers=3, ffw_hidden=128, attention_k_hop=4,
    )  # fmt: skip
    sizes = {"latent_size": 32, "mesh_size": 2, "sparse_transformer_config": transformer}
    config = small.with_network(**sizes)
    network = Network(config, np.linspace(-90, 90, 37), np.arange(72) * 5.0)
    params = small.random_params(config, jnp.float32)
    *fixed, z = arguments(network, params, members=1)

    def products(z):
        D, push = jax.linearize(lambda z: network.denoise(*fixed, z), z)
        pull = jax.linear_transpose(push, z)
        return pull(push(pull(D)[0]))[0]

    found = jax.jit(products).lower(z).compile().memory_analysis().temp_size_in_bytes
    assert 0.5 < needs.member_bytes(network) / found < 2


def test_as_many_members_as_memory_holds(monkeypatch):
    network = Network(small.CONFIG, small.LATITUDE, small.LONGITUDE)
    each = needs.member_bytes(network)
    for free, expected in (
        (0, 1),
        (5.5 * each / needs.SHARE, 5),
        (1e6 * each, needs.MOST),
    ):
        monkeypatch.setattr(needs, "free_bytes", lambda free=free: free)
        assert needs.members_at_once(network) == expected


def test_running_out_of_memory_says_how_many_members_fit(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**30)
    monkeypatch.setattr(memory, "member_bytes", lambda *_: 2**24)
    experiment = SimpleNamespace(
        problem=SimpleNamespace(batch=4),
        system=SimpleNamespace(memory_advice="system.batch"),
    )
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")
    found = memory.explained(error, experiment, 256)
    assert isinstance(found, UserError)
    assert "about 32 members fit: use --members 32 or less, or a smaller system.batch" in str(found)
    other = ValueError("no")
    assert memory.explained(other, experiment, 256) is other


@pytest.mark.skipif(free_bytes() == 8 * 2**30, reason="the system does not tell")
def test_free_memory_is_part_of_all():
    import os

    assert 0 < free_bytes() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

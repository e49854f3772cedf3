"""Members over several devices: the same draws as on one, up to rounding."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dabench import diffusion
from dabench.guidance import Guidance
from dabench.observe import Network
from dabench.systems.base import Channel, Layout, Sampler
from dabench.systems.gaussian import AdditiveGaussian, ring_correlation
from dabench.systems.gencast.model import open_model

GENCAST = Path(__file__).parent / "data" / "gencast"
MEMBERS, BATCH = 7, 2
FIELD = 6, 1, 19 * 36
"""Points of a field of the ring, of the share of guarded solves, of GenCast."""


def guided_ring():
    """Guided draws from a Gaussian model, in float64, and how many solves were guarded."""
    layout = Layout((Channel("state"),), {"site": np.arange(6)}, periodic=True, dtype="float64")
    model = AdditiveGaussian(layout, jnp.sin, 4 * ring_correlation(6, 1.5))
    network = Network(lambda x: x[:2], np.array([0.1, 0.3]), pd.DataFrame(), True)
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    x = jax.random.normal(jax.random.key(1), (MEMBERS, 6))
    given = Guidance(network, jnp.array([0.5, -1.0]))
    sampler = Sampler("dpmpp_2s", levels=6, churn=2.5)
    drawn, stats = jax.jit(
        lambda keys, x: diffusion.draw(keys, model, x, jnp.zeros(()), sampler, BATCH, given)
    )(keys, x)
    return drawn, stats["guarded"]


def gencast():
    """Draws from a GenCast with random weights, in float32."""
    batch = xr.load_dataset(GENCAST / "example_batch.nc")
    model, x, time = open_model(GENCAST / "tiny_checkpoint.npz", GENCAST, batch)
    keys = jax.random.split(jax.random.key(2), MEMBERS)
    x = jnp.broadcast_to(jnp.asarray(x)[None], (MEMBERS, len(x)))
    sampler = Sampler("dpmpp_2m", levels=2)

    @jax.jit
    def draw(keys, x):
        return diffusion.draw(keys, model, x, jnp.asarray(time), sampler, BATCH)[0]

    return (draw(keys, x),)


def everything():
    return [np.asarray(a) for f in (guided_ring, gencast) for a in f()]


@pytest.fixture(scope="module")
def on_one_device():
    assert jax.local_device_count() == 1
    return everything()


@pytest.mark.parametrize("devices", [2, 4])
def test_draws_are_those_of_one_device(devices, on_one_device, tmp_path):
    """Four batches of two of the seven members: two or one a device; 16 roundings of each field."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
    subprocess.run(
        [sys.executable, __file__, tmp_path / "found.npz"], check=True, env=environment, timeout=300
    )
    with np.load(tmp_path / "found.npz") as found:
        assert found["devices"] == devices
        for i, expected in enumerate(on_one_device):
            rows, fields = (a.reshape(-1, FIELD[i]) for a in (found[f"arr_{i}"], expected))
            error = np.abs(rows - fields).max(-1)
            assert (error <= 16 * np.finfo(fields.dtype).eps * np.abs(fields).max(-1)).all()


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    np.savez(sys.argv[1], *everything(), devices=jax.local_device_count())

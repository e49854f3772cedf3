"""The straightforward denoiser is GenCast's: held to the numbers of its authors' own code."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.literal import Literal
from dabench.systems.gencast import checkpoint
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

GOLDEN = Path(__file__).parents[1] / "data" / "gencast"
TOLERANCE = 3e-5  # absolute, six times what independent float32 implementations differ by


@pytest.fixture(scope="module")
def case():
    """The golden arrays, D of both noise levels as a function of z, and that z."""
    loaded = checkpoint.load(GOLDEN / "tiny_checkpoint.npz")
    arrays = np.load(GOLDEN / "denoiser.npz")
    names = json.loads((GOLDEN / "channels.json").read_text())
    union = names["forcing_and_noisy_target_channels"]
    noisy = np.array([name in names["output_channels"] for name in union])
    fields = arrays["norm_inputs_stacked"], arrays["norm_forcings_stacked"][..., ~noisy]
    known = jnp.asarray(np.concatenate(fields, -1).reshape(19 * 36, -1))
    rows = len(names["input_channels"]) + np.flatnonzero(noisy)
    grid = np.linspace(-90, 90, 19).astype(np.float32), np.arange(36, dtype=np.float32) * 10
    network = Literal(loaded.config, DenoiserNetwork(loaded.config, *grid).graph, rows)
    params, sigma = jax.tree.map(jnp.asarray, loaded.params), jnp.asarray(arrays["sigma"])

    def denoise(z):
        return jax.vmap(lambda z, sigma: network(params, known, z, sigma))(z, sigma)

    return arrays, denoise, nodes(arrays["noisy_targets"])


def nodes(array):
    return jnp.asarray(array.reshape(2, 19 * 36, -1))


@pytest.mark.golden
@pytest.mark.compiled
def test_denoised_and_both_derivatives_are_the_authors(case):
    arrays, denoise, z = case

    @jax.jit
    def everything(z, tangent, cotangent):
        D, pull = jax.vjp(denoise, z)
        return D, pull(cotangent)[0], jax.jvp(denoise, (z,), (tangent,))[1]

    found = everything(z, nodes(arrays["tangent"]), nodes(arrays["cotangent"]))
    for array, name in zip(found, ("denoised", "vjp", "jvp"), strict=True):
        np.testing.assert_allclose(array, nodes(arrays[name]), rtol=0, atol=TOLERANCE)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.gencast.network import layers

REFERENCES = {
    "silu": (layers.silu, jax.nn.silu),
    "gelu": (layers.gelu, lambda x: jax.nn.gelu(x, approximate=True)),
}


@pytest.mark.parametrize(("ours", "reference"), REFERENCES.values(), ids=REFERENCES.keys())
def test_activations_and_their_first_two_derivatives_are_jaxs(ours, reference):
    x = jnp.linspace(-8, 8, 1001)
    for f, g in ((ours, reference), *((jax.grad(a), jax.grad(b)) for a, b in [(ours, reference)])):
        np.testing.assert_allclose(jax.vmap(f)(x), jax.vmap(g)(x), rtol=1e-12, atol=1e-12)
    second = [jax.vmap(jax.grad(jax.grad(f)))(x) for f in (ours, reference)]
    np.testing.assert_allclose(*second, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("f", [layers.silu, layers.gelu], ids=["silu", "gelu"])
def test_activations_keep_one_array_for_a_derivative(f):
    x = jnp.ones((7, 3))
    _, push = jax.linearize(f, x)
    kept = [a for a in jax.tree.leaves(push) if jnp.shape(a) == x.shape]
    assert len(kept) == 1

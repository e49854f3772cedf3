import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.gencast.network import blocks
from dabench.systems.gencast.network.blocks import by_blocks

NODES, WIDTH = 48, 5


@pytest.fixture
def case():
    """A function of each node with a constant field, weights that all share, and two vectors."""
    keys = jax.random.split(jax.random.key(0), 5)
    x, field, u, v = (jax.random.normal(key, (NODES, WIDTH)) for key in keys[:4])
    w = jax.random.normal(keys[4], (WIDTH, WIDTH))

    def f(rows, x):
        y = jnp.sin(x @ w + rows(field))
        return y, y @ w

    return f, x, u, v


@pytest.mark.parametrize("numbers", [1, 12, 100])
def test_blocks_change_neither_values_nor_derivatives(case, monkeypatch, numbers):
    monkeypatch.setattr(blocks, "BLOCK", {"cpu": numbers})
    monkeypatch.setattr(blocks, "WHOLE", 1)
    f, x, u, v = case

    def everything(g):
        y, push = jax.jvp(g, (x,), (v,))
        return y, push, jax.vjp(g, x)[1]((u, v))

    found = everything(lambda x: by_blocks(f, x, width=WIDTH))
    expected = everything(lambda x: f(jnp.asarray, x))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("nodes", "numbers", "size"),
    [(65160, 2**20, 1810), (4140, 2**20, 4140), (7919, 2**20, 7919), (8 * 2048, 2**20, 2048)],
)
def test_blocks_divide_the_nodes_and_small_graphs_stay_whole(monkeypatch, nodes, numbers, size):
    monkeypatch.setattr(blocks, "BLOCK", {"cpu": numbers})
    assert blocks._size(nodes, 512 if nodes != 4140 else 256) == size


def test_a_derivative_stores_what_goes_into_blocks_alone(monkeypatch):
    """Twelve layers keep twelve arrays for a derivative where they are not computed again."""
    w = jnp.eye(64) / 8

    def deep(rows, x):
        for _ in range(12):
            x = jnp.tanh(x @ w)
        return x

    def stored(numbers: int) -> int:
        monkeypatch.setattr(blocks, "BLOCK", {"cpu": numbers})
        x = jnp.ones((4096, 64))

        def product(x):
            return jax.vjp(lambda x: by_blocks(deep, x, width=64), x)[1](x)

        return jax.jit(product).lower(x).compile().memory_analysis().temp_size_in_bytes

    assert stored(2**12) < stored(2**20) / 4

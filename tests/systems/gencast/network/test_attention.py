import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.gencast.network import attention, blocks, graph, mesh

HEADS, FEATURES, MEMBERS = 2, 6, 2
MESH = mesh.icosphere(2)


def over_neighbours(reach):
    return attention._over_neighbours(*attention.neighbours(reach), HEADS)


def dense(reach):
    nodes = np.arange(len(MESH.vertices))[None]
    return attention._in_clusters(attention.shared_keys(reach, nodes), HEADS)


def in_clusters(reach):
    """Of sixteen nodes; how many clusters at once is up to `blocks`."""
    groups = attention.clusters(MESH.vertices, 16)
    return attention._in_clusters(attention.shared_keys(reach, groups), HEADS)


def by_loops(reach, q, k, v):
    """softmax(q·k / sqrt(size)) over what each node reaches, one node, member, head at a time."""
    out, size = np.zeros_like(v), FEATURES // HEADS
    for node, near in enumerate(reach):
        for member in range(q.shape[1]):
            for at in range(0, FEATURES, size):
                head = slice(at, at + size)
                logits = k[near, member, head] @ q[node, member, head] / np.sqrt(size)
                w = np.exp(logits) / np.exp(logits).sum()
                out[node, member, head] = w @ v[near, member, head]
    return out


@pytest.mark.parametrize("evaluation", [over_neighbours, dense, in_clusters])
@pytest.mark.parametrize("hops", [1, 3])
def test_every_evaluation_is_attention_within_reach(evaluation, hops):
    reach = graph.within_hops(MESH, hops)
    shape = (3, len(MESH.vertices), MEMBERS, FEATURES)
    q, k, v = np.random.default_rng(0).normal(size=shape)
    out = jax.jit(evaluation(reach))(*map(jnp.asarray, (q, k, v)))
    np.testing.assert_allclose(out, by_loops(reach.toarray(), q, k, v), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_clusters_may_be_taken_several_at_once(monkeypatch, at_once):
    reach, shape = graph.within_hops(MESH, 3), (3, len(MESH.vertices), MEMBERS, FEATURES)
    q, k, v = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    expected = dense(reach)(q, k, v)
    groups = attention.clusters(MESH.vertices, 16)
    logits = MEMBERS * HEADS * attention.shared_keys(reach, groups).allowed[0].size
    assert len(groups) == 11
    monkeypatch.setattr(blocks, "BLOCK", {"cpu": at_once * attention.ARRAYS * logits})
    np.testing.assert_allclose(in_clusters(reach)(q, k, v), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("evaluation", [over_neighbours, dense, in_clusters])
def test_forward_and_reverse_derivatives_are_adjoint(evaluation):
    shape = (3, len(MESH.vertices), MEMBERS, FEATURES)
    x, dx = jnp.asarray(np.random.default_rng(1).normal(size=(2, *shape)))
    attend = evaluation(graph.within_hops(MESH, 3))

    @jax.jit
    def both(x, dx):
        out, forward = jax.jvp(lambda x: attend(*x), (x,), (dx,))
        return out, forward, jax.vjp(lambda x: attend(*x), x)[1](out)[0]

    out, forward, reverse = both(x, dx)
    np.testing.assert_allclose(jnp.vdot(out, forward), jnp.vdot(reverse, dx), rtol=1e-10)


def test_clusters_hold_every_node_and_are_compact():
    groups = attention.clusters(MESH.vertices, 16)
    assert groups.shape[1] == 16
    assert set(groups.ravel()) == set(range(len(MESH.vertices)))
    extent = [np.ptp(MESH.vertices[nodes], axis=0).max() for nodes in groups]
    assert max(extent) < 1.3  # a twelfth of the sphere at the most; the whole of it has 2

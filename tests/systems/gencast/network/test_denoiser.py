import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gencast_small import (
    CONFIG,
    LATITUDE,
    LONGITUDE,
    TASK,
    random_params,
    with_network,
    with_transformer,
)
from transcription import Transcription

from dabench.core.errors import UserError
from dabench.systems.gencast import channels
from dabench.systems.gencast.checkpoint import NoiseEncoderConfig
from dabench.systems.gencast.network import blocks, graph, parameters
from dabench.systems.gencast.network.denoiser import DenoiserNetwork

MEMBERS = 3
CONFIGS = {
    "plain": CONFIG,
    "two hidden layers, sums normalised": with_network(
        hidden_layers=2, grid2mesh_aggregate_normalization=3.7
    ),
    "finer mesh, wider reach, noise encoder": replace(
        with_network(mesh_size=2, radius_query_fraction_edge_length=1.3),
        noise_encoder_config=NoiseEncoderConfig(False, 7.0, 5, (9, 8, 4)),
    ),
    "no hidden layer, one head, three hops": with_transformer(
        with_network(hidden_layers=0), num_heads=1, attention_k_hop=3
    ),
    "all heads, no forcings, one frame": replace(
        with_transformer(num_heads=12, num_layers=1),
        task_config=replace(
            TASK,
            input_variables=TASK.input_variables[:3],
            forcing_variables=(),
            target_variables=TASK.target_variables[:2],
            input_duration="12h",
        ),
    ),
}
"""Every setting that changes the network: two in one program, since most of the time compiles it.

The oracle is the definition, for which a wrong setting of two is as wrong as one.
"""


class Setting:
    """A network with data for it, float64."""

    def __init__(self, config):
        task = config.task_config
        self.config, self.params = config, random_params(config)
        self.network = DenoiserNetwork(config, LATITUDE, LONGITUDE)
        keys = jax.random.split(jax.random.key(5), 3)
        known = len(channels.inputs(task)) + len(channels.forcings(task))
        points, target = self.network.grid_nodes, len(channels.targets(task))
        self.known = jax.random.normal(keys[0], (MEMBERS, points, known))
        self.z = jax.random.normal(keys[1], (MEMBERS, points, target))
        self.sigma = jnp.array([0.05, 1.3, 20.0])
        self._denoise = jax.jit(denoise, static_argnums=0)

        self._derivatives = jax.jit(derivatives, static_argnums=0)

    def denoise(self, z, sigma, members=slice(None)):
        return self._denoise(self.network, self.params, self.known[members], z, sigma)

    def derivatives(self, u, v):
        """D at each member's level, its derivative along v, and that of u·D."""
        return self._derivatives(self.network, self.params, self.known, self.z, self.sigma, u, v)


def denoise(network, params, known, z, sigma):
    level = network.at_level(params, sigma)
    return network.denoise(params, level, network.condition(params, known), z)


def derivatives(network, params, known, z, sigma, u, v):
    f = functools.partial(denoise, network, params, known, sigma=sigma)
    out, forward = jax.jvp(f, (z,), (v,))
    return out, forward, jax.vjp(f, z)[1](u)[0]


@pytest.fixture(scope="module")
def plain() -> Setting:
    return Setting(CONFIG)


@pytest.fixture(scope="module")
def directions(plain):
    return jax.random.normal(jax.random.key(7), (2, *plain.z.shape))


@pytest.fixture
def small_blocks(monkeypatch):
    """Grid and edges in many blocks, as at one degree."""
    monkeypatch.setattr(blocks, "BLOCK", {"cpu": 512})
    monkeypatch.setattr(blocks, "WHOLE", 1)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_denoiser_is_the_definition_line_by_line(config):
    s = Setting(config)
    task, size = config.task_config, config.denoiser_architecture_config
    union = channels.forcings_and_targets(task)
    noisy = [i for i, f in enumerate(union) if f.name in task.target_variables]
    rows = len(channels.inputs(task)) + np.array(noisy)
    built = graph.build(LATITUDE, LONGITUDE, size.mesh_size, size.radius_query_fraction_edge_length)
    reach = graph.within_hops(built.mesh, size.sparse_transformer_config.attention_k_hop)
    params = jax.tree.map(np.asarray, s.params)
    oracle = Transcription(params, config, built, reach.toarray(), rows)
    out = s.denoise(s.z, s.sigma)
    for i in range(MEMBERS):
        expected = oracle.denoise(np.asarray(s.known[i]), np.asarray(s.z[i]), float(s.sigma[i]))
        np.testing.assert_allclose(out[i], expected, rtol=1e-9, atol=1e-9)


def test_one_level_for_all_members_is_the_same_level_for_each(plain):
    one = plain.denoise(plain.z, plain.sigma[1])
    each = plain.denoise(plain.z, jnp.full(MEMBERS, plain.sigma[1]))
    np.testing.assert_allclose(one, each, rtol=1e-10, atol=1e-12)


def test_a_member_does_not_depend_on_the_others(plain):
    together = plain.denoise(plain.z, plain.sigma[1])
    alone = plain.denoise(plain.z[1:2], plain.sigma[1], slice(1, 2))
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-10, atol=1e-12)


def test_forward_and_reverse_derivatives_are_adjoint(plain, directions):
    u, v = directions
    _, forward, reverse = plain.derivatives(u, v)
    np.testing.assert_allclose(jnp.vdot(u, forward), jnp.vdot(reverse, v), rtol=1e-10)


def test_blocks_change_neither_the_denoiser_nor_its_derivatives(plain, directions, small_blocks):
    blocked = Setting(CONFIG)
    text = str(jax.make_jaxpr(lambda z: blocked.denoise(z, blocked.sigma))(blocked.z))
    assert text.count("scan[") > 4  # both of a level's, and three of a denoiser's
    with pytest.MonkeyPatch.context() as undone:
        undone.setattr(blocks, "WHOLE", 10**6)
        whole = plain.derivatives(*directions)
    for a, b in zip(blocked.derivatives(*directions), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_forward_derivative_is_the_limit_of_differences(plain, directions):
    (u, v), h = directions, 1e-5
    f = functools.partial(plain.denoise, sigma=plain.sigma)
    slope = plain.derivatives(u, v)[1]
    difference = (f(plain.z + h * v) - f(plain.z - h * v)) / (2 * h)
    np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-7)


def test_training_grid_size_scales_the_sums_on_the_mesh(plain):
    half = plain.network.grid_nodes // 2
    moved = DenoiserNetwork(CONFIG, LATITUDE, LONGITUDE, training_grid_size=half)
    scaled = Setting(
        with_network(grid2mesh_aggregate_normalization=plain.network.grid_nodes / half)
    )
    out = jax.jit(denoise, static_argnums=0)(moved, plain.params, plain.known, plain.z, plain.sigma)
    np.testing.assert_allclose(out, scaled.denoise(plain.z, plain.sigma), rtol=1e-10, atol=1e-12)


def test_float32_parameters_give_float32_also_in_float64_mode(plain):
    known, z = (a.astype(jnp.float32) for a in (plain.known, plain.z))

    def everything(params, known, z, sigma):
        level, condition = (
            plain.network.at_level(params, sigma),
            plain.network.condition(params, known),
        )
        return level, condition, plain.network.denoise(params, level, condition, z)

    params = random_params(CONFIG, jnp.float32)
    found = jax.eval_shape(everything, params, known, z, jnp.float32(2.0))
    assert {a.dtype for a in jax.tree.leaves(found)} == {jnp.dtype("float32")}


def test_unequal_widths_are_refused():
    with pytest.raises(UserError, match="d_model is 24 but latent_size is 12"):
        DenoiserNetwork(with_transformer(d_model=24), LATITUDE, LONGITUDE)
    with pytest.raises(UserError, match="not a multiple of num_heads 5"):
        DenoiserNetwork(with_transformer(num_heads=5), LATITUDE, LONGITUDE)


def test_parameters_of_another_configuration_are_refused():
    params = random_params(CONFIG)
    with pytest.raises(UserError, match=r"linear_2:w has shape none.*needs \(12, 12\)"):
        parameters.check(params, with_network(hidden_layers=2))


def test_fresh_network_starts_at_the_preconditioner(plain):
    """With the output layer at zero, D is the skip connection alone."""
    params = parameters.initialise(jax.random.key(0), CONFIG, output_scale=0.0)
    out = jax.jit(denoise, static_argnums=0)(
        plain.network, params, plain.known, plain.z, plain.sigma
    )
    expected = plain.z / (1 + plain.sigma**2)[:, None, None]
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_initial_weights_have_the_published_spread():
    wide = with_network(
        latent_size=256,
        sparse_transformer_config=replace(
            CONFIG.denoiser_architecture_config.sparse_transformer_config,
            d_model=256,
            num_heads=4,
            ffw_hidden=512,
        ),
    )
    params = parameters.initialise(jax.random.key(0), wide)
    inside = 0.87962566  # a unit normal cut at two standard deviations
    for path, std in {
        f"{parameters.DECODER}/decoder_nodes_grid_nodes_mlp/~/linear_0": inside / 16,
        f"{parameters.block(1)}/mha_proj_q": (2 / 2 / 256) ** 0.5,
        f"{parameters.block(1)}/ffw_up": (2 / 2 / 256) ** 0.5,
        f"{parameters.block(0)}/mha_final": 0.0,
        f"{parameters.block(0)}/ffw_down": 0.0,
    }.items():
        w = np.asarray(params[path]["w"])
        assert abs(w.std() - std) <= 4 * std / np.sqrt(2 * w.size)

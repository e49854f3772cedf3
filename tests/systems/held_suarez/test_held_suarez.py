"""The packaged network, truth and climate."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings, posterior_mean, prepare
from dabench.diffusion.model import DiffusionModel
from dabench.observe.network import networks
from dabench.scenario.load import load_scenario
from dabench.systems.atmosphere import files as shipped
from dabench.systems.atmosphere.grid import sphere_noise
from dabench.systems.atmosphere.training.symmetry import _target
from dabench.systems.held_suarez.system import FILES, held_suarez
from dabench.systems.sphere.gaussian import area_weights


@pytest.fixture(scope="module")
def system():
    return held_suarez()


@pytest.fixture(scope="module")
def fine():
    return held_suarez(resolution=2)


def test_package_data_are_small():
    size = {path.name: path.stat().st_size / 1e6 for path in FILES.iterdir()}
    assert size[shipped.WEIGHTS] < 8
    assert size[shipped.verification(0)] + size[shipped.CLIMATE] < 12


def test_rounding_of_the_packaged_temperatures_is_far_below_the_observation_error():
    about = json.loads((FILES / shipped.PROVENANCE).read_text())["data"]
    for name in (shipped.verification(0), shipped.CLIMATE):
        errors = about[name]["rounding_error_rms"]
        assert all(error < 1e-3 for field, error in errors.items() if "temperature" in field)


def test_model_meets_the_protocol(system):
    assert isinstance(system.model, DiffusionModel)


def test_truth_is_a_trajectory_of_overlapping_frames(system):
    states = system.layout.unflatten(system.truth(0, 2))
    np.testing.assert_array_equal(states[1:, 0], states[:-1, 1])
    assert states.dtype == np.float32


def test_truth_lies_in_the_band_to_rounding(system):
    fields = system.layout.now(system.truth(0, 0))[0].astype(float)
    size = np.abs(fields).max(axis=-1, keepdims=True)
    outside = np.asarray(sphere_noise().project(jnp.asarray(fields))) - fields
    assert np.abs(outside / size).max() < 32 * np.finfo(np.float32).eps


def test_both_grids_hold_the_same_truth(system, fine):
    coarse = system.truth(0, 0).reshape(2, 24, 46, 90)
    np.testing.assert_allclose(
        fine.truth(0, 0).reshape(2, 24, 91, 180)[..., ::2, ::2], coarse, rtol=1e-5, atol=1e-3
    )


def test_winds_are_smooth_over_the_poles(system):
    lat = len(system.layout.coords["latitude"])
    states = system.layout.now(system.truth(0, 40)).reshape(41, 24, lat, 90)
    for name in ("u_component_of_wind", "v_component_of_wind"):
        wind = states[:, system.layout.channel(name, 500)]
        assert np.ptp(wind[:, [0, -1]], axis=-1).max() < 1e-3  # one value at each pole
        bend = np.diff(wind, 2, axis=1)
        for row, pole in ((1, 0), (-2, -1)):
            over = np.roll(wind[:, row], 45, axis=-1) - 2 * wind[:, pole] + wind[:, row]
            assert over.std() < bend.std(axis=(0, 2)).max()


def denoised(system):
    model, x = system.model, jnp.asarray(system.truth(0, 1)[1:])

    @jax.jit
    def denoise(x):
        z = model.noise(jax.random.key(1))[None] * 5.0
        return model.denoiser(jnp.float32(5.0))(z, model.condition(x, 0.0))

    every = round(4 / system.layout.coords["longitude"][1])
    fields = np.asarray(denoise(x)).reshape(24, len(system.layout.coords["latitude"]), -1)
    return fields[:, ::every, ::every]


def test_denoisers_on_both_grids_agree_at_shared_nodes(system, fine):
    coarse, refined = denoised(system), denoised(fine)
    error = np.sqrt(np.mean((coarse - refined) ** 2) / np.mean(coarse**2))
    assert error < GRID_TRANSFER


# D's own error at this level is about 0.45 of the same unit; the grids must differ far less.
GRID_TRANSFER = 0.1


def test_guidance_corrects_temperature_and_no_other_variable_suffers(system):
    """One denoising at a small noise level, of which `test_skill` has two cycles."""
    model, truth = system.model, jnp.asarray(system.truth(0, 1))
    network = networks(load_scenario("temp_16deg"), system.layout).assimilated
    settings, climate = GuidanceSettings("cg", 8), jnp.asarray(system.climate)
    condition = prepare(model, network.h, network.error_std, settings, climate)
    condition = condition._replace(y=network.h(truth[1]))
    target, x = _target(system, truth[0], truth[1]), truth[:1]

    @jax.jit
    def both(sigma):
        z = target + sigma * model.noise(jax.random.key(1))[None]
        denoise, context = model.denoiser(sigma), model.condition(x, 0.0)
        rest = (lambda z: denoise(z, context), sigma, z, x)
        D = jnp.concatenate([rest[0](z), posterior_mean(model, condition, *rest)[0]])
        departure = (
            jax.vmap(network.h)(model.next_state(D, jnp.repeat(x, 2, 0))) - condition.y[None]
        )
        error = (D - target).reshape(2, len(system.layout.channels), -1)
        return jnp.sqrt((error**2).mean(-1)), jnp.sqrt((departure**2).mean(-1))

    (free, guided), (free_departure, guided_departure) = both(jnp.float32(0.5))
    temperature = np.array(["temperature" in c.name for c in system.layout.channels])
    assert guided_departure < 0.5 * free_departure
    assert guided[temperature].mean() < free[temperature].mean()
    assert (guided / free).max() < 1.1


def test_noise_has_unit_variance_and_the_covariance_it_claims(system):
    model = system.model
    probe = jnp.zeros((1, model.target_size), jnp.float32)
    points = model.layout.points
    for at in (0, 23 * 90 + 7):  # the south pole and the equator, first channel
        column = model.noise_cov(probe.at[0, at].set(1.0))[0]
        np.testing.assert_allclose(column[at], 1.0, rtol=1e-5)
        np.testing.assert_allclose(column[points:], 0.0, atol=1e-7)
    draw = model.noise(jax.random.key(0)).reshape(24, -1)
    weight = area_weights(system.layout.coords["latitude"]).repeat(90) / 180
    variance = float(((np.asarray(draw) ** 2) @ weight).mean())
    assert abs(variance - 1) < 0.25  # 24 fields of 32 degrees, low ones with few coefficients


def test_a_draw_stays_in_the_band_and_keeps_the_first_frame(system):
    model, x = system.model, jnp.asarray(system.truth(0, 0))
    keys = jax.random.split(jax.random.key(0), 1)
    drawn, _ = draw.members(keys, model, x, jnp.asarray(0.0), model.sampler, batch=1)
    after = system.layout.unflatten(np.asarray(drawn))
    np.testing.assert_array_equal(after[:, 0], system.layout.now(np.asarray(x)))
    change = (after[0, 1] - after[0, 0]) / model.normaliser.scale
    outside = np.asarray(model.sphere.project(jnp.asarray(change))) - change
    assert np.abs(outside).max() < 1e-2 * np.abs(change).max()  # float32 of fields of 1e5


def test_perturbation_has_the_amplitude_it_says(system):
    x = jnp.asarray(system.climate[0])
    keys = jax.random.split(jax.random.key(0), 12)
    away = np.stack([system.perturb(key, x, 0.5) - x for key in keys])
    climate = system.layout.now(system.climate).std(axis=0, ddof=1)
    ratio = system.layout.now(away).std(axis=0) / climate
    np.testing.assert_allclose(np.median(ratio, axis=-1), 0.5, rtol=0.25)


def test_asking_for_more_truth_than_there_is_names_what_there_is(system):
    with pytest.raises(UserError, match="148"):
        system.truth(0, 1000)

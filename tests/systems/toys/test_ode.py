"""The integrator against its order, and the systems made with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.random import stream
from dabench.systems.toys.lorenz96 import lorenz96
from dabench.systems.toys.ode import rk4


def test_the_error_of_runge_kutta_falls_as_the_fourth_power_of_the_step():
    x = jnp.asarray([1.0, 0.0])
    errors = []
    for n in (10, 20, 40):
        end = rk4(lambda x: jnp.stack([x[1], -x[0]]), x, 1 / n, n)
        errors.append(abs(end - jnp.asarray([np.cos(1), -np.sin(1)])).max())
    slope = np.polyfit(np.log([10, 20, 40]), np.log(errors), 1)[0]
    assert slope == pytest.approx(-4, abs=0.1)


@pytest.mark.parametrize("noise_std", [0.0, 0.3])
def test_truth_depends_on_the_seed_alone_and_starts_from_the_prior(noise_std):
    system = lorenz96(noise_std=noise_std)
    a, b = system.truth(3, 5), system.truth(3, 2)
    np.testing.assert_array_equal(a.shape, (6, 40))
    assert not np.array_equal(a, system.truth(4, 5))
    np.testing.assert_array_equal(b, system.truth(3, 2))
    np.testing.assert_array_equal(a[0], system.prior(jax.random.fold_in(stream(3, "truth"), 0)))
    np.testing.assert_array_equal(a[:3], b)


def test_model_error_has_its_variance_and_members_have_their_own():
    system, perfect = lorenz96(noise_std=0.3), lorenz96()
    keys = jax.random.split(jax.random.key(0), 500)
    x = jnp.tile(system.climate[:1], (500, 1))
    residual = system.model.forecast(keys, x, jnp.zeros(())) - perfect.model.step(x[0])[None]
    # 20000 independent draws: relative error of a variance sqrt(2 / 20000)
    assert np.var(residual) / 0.3**2 == pytest.approx(1, abs=4 * np.sqrt(2 / 20000))


@pytest.mark.parametrize("noise_cov", ["identity", "correlated"])
def test_forecasts_do_not_depend_on_the_diffusion_noise(noise_cov):
    """C belongs to the denoiser; in law x' has the same variance and no correlation."""
    system = lorenz96(size=4, noise_std=0.3, noise_cov=noise_cov)
    keys = jax.random.split(jax.random.key(1), 20000)
    x = system.model.forecast(keys, jnp.zeros((20000, 4)), jnp.zeros(()))
    np.testing.assert_allclose(
        np.cov(x, rowvar=False), 0.09 * np.eye(4), atol=4.5 * 0.09 * np.sqrt(2 / 20000)
    )


def test_perturbations_have_their_amplitude():
    system = lorenz96()
    keys = jax.random.split(jax.random.key(2), 500)
    moved = jax.vmap(lambda key: system.perturb(key, jnp.zeros(40), 0.2))(keys)
    assert np.std(moved) / 0.2 == pytest.approx(1, abs=4 / np.sqrt(2 * 20000))


def test_the_digest_is_of_the_settings():
    assert lorenz96().digest == lorenz96().digest
    assert lorenz96().digest != lorenz96(forcing=9.0).digest

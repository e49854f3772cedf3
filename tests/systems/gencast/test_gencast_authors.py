"""The guided step of the FA-APF authors' own program, number by number (see `authors_golden`).

Tolerances are those of two independent implementations in float32: some six times the largest
difference seen between them. Where the last layer of the network is damped, a relative change of
float32's rounding changes results by as much as rounding does; without it Krylov solves at large
noise levels amplify it without limit, and those are not compared.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from authors_golden import Authors, files, name, sampler
from gencast_golden import targets
from replay import trajectory

from dabench.core.layout import Channel, Layout
from dabench.diffusion.samplers import noise_levels, steps
from dabench.filters.particles.resample import ancestors
from dabench.filters.particles.weights import (
    AlphaSearch,
    ess,
    log_likelihood,
    normalise,
    temper,
)
from dabench.observe.network import Network, Observation
from dabench.observe.stations import block_means

pytestmark = [pytest.mark.golden, pytest.mark.compiled]

open_folder = functools.cache(Authors)
FEW = {"guided_a", "guided_b4", "sampler_8", "sampler_8_corrected", "sampler_8_guided_a_corrected"}
"""Stations and block means, guided and not; the others have more of either, or more levels."""


def outputs(pattern):
    """Files that are compared, all but a few of them slow to compile."""
    return [
        pytest.param(f, marks=() if f.stem in FEW else pytest.mark.slow)
        for f in files(pattern)
        if f.stem != "guided_shared"
    ]


NETWORKS = {"plain": "", "damped": "_damped"}


def close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def relative(actual, expected, tolerance):
    """Agreement in units of the largest expected number."""
    close(actual, expected, tolerance * np.abs(expected).max())


@pytest.fixture(params=outputs("guided_*.npz"), ids=name)
def guided(request):
    """(authors, name of a set-up)."""
    return open_folder(request.param.parent), request.param.stem.removeprefix("guided_")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_guided_denoiser_is_theirs(guided, network):
    authors, setup = guided
    stored, shared = authors.arrays(f"guided_{setup}.npz"), authors.arrays("guided_shared.npz")
    suffix, guide = NETWORKS[network], authors.guided(setup)
    v_given = jnp.asarray(stored["v_given"])[None]
    for i, sigma in enumerate(shared["sigma"]):
        z = targets(shared["noisy_targets"][i : i + 1])
        ours = guide(authors.params[network], jnp.asarray(sigma), z, v_given)
        ours = {key: np.asarray(value)[0] for key, value in ours.items()}
        D = np.asarray(targets(shared[f"D{suffix}"][i]))
        close(ours["D"], D, 3e-5 * max(1, np.abs(D).max() / 10))
        close(ours["b"], stored[f"b{suffix}"][i], 3e-5)
        in_units = stored["y_normalised"] - ours["b"]
        close(in_units, stored[f"H_expected_state{suffix}"][i], 3e-5)
        relative(ours["A_v_given"], stored[f"A_v_given{suffix}"][i], 1e-5)
        if network == "damped":
            relative(ours["v"], stored["v_damped"][i], 1e-3)
        if i < len(stored[f"D_y{suffix}"]):
            D_y = np.asarray(targets(stored[f"D_y{suffix}"][i]))
            close(ours["D_y"], D_y, 1e-4)
            if network == "damped":
                difference = np.linalg.norm(ours["D_y"] - D_y)
                assert difference < 1e-3 * np.linalg.norm(D_y - D)


@pytest.mark.parametrize("file", files("tables.npz"), ids=name)
def test_noise_levels_and_coefficients_are_theirs(file):
    stored = open_folder(file.parent).arrays(file.name)
    for key in stored:
        if not key.startswith("noise_levels_"):
            continue
        n, levels = key.removeprefix("noise_levels_"), stored[key]
        ours = sampler(levels, corrected=False)
        np.testing.assert_allclose([*noise_levels(ours), 0], levels, rtol=1e-12)
        table = steps(ours)
        slope, older = -table.mix[:, 0, 3] * table.sigma, table.mix[:, 0, [2, 1]]
        coefficients = np.concatenate([older, slope[:, None]], 1)
        largest = np.abs(coefficients).max(1, keepdims=True)
        exact, single = stored[f"ab_coefficients_exact_{n}"], stored[f"ab_coefficients_{n}"]
        close(coefficients / largest, exact / largest, 1e-12)
        close(coefficients / largest, single / largest, 2e-5)


@pytest.mark.parametrize("file", outputs("sampler_*.npz"), ids=name)
def test_states_of_the_sampler_are_theirs(file):
    authors, parts = open_folder(file.parent), file.stem.split("_")
    levels, corrected = int(parts[1]), parts[-1] == "corrected"
    setup = parts[parts.index("guided") + 1] if "guided" in parts else None
    suffix = "_damped" if setup else ""
    stored, noise = authors.arrays(file.name), authors.arrays(f"noise_{levels}.npz")
    table = steps(sampler(noise["noise_levels"], corrected))
    predictors = np.arange(levels) * (3 if corrected else 1)
    rows = np.zeros((len(table.sigma), *noise["init_noise"].shape), np.float32)
    if corrected:
        for corrector in (0, 1):
            rows[predictors[:-1] + 2 + corrector] = noise["corrector_noise"][:, corrector]
    initial = targets(noise["init_noise"].astype(np.float32))[None]
    path = trajectory(
        _denoise(authors, setup), table, initial, targets(rows)[:, None], compiled=False
    )
    after = jnp.concatenate([path.evaluated[predictors[1:]], path.after[-1:]])[:, 0]
    tolerance = 3e-5 if setup else 2e-5
    for i, expected in zip(
        stored[f"steps{suffix}"], stored[f"states_after_step{suffix}"], strict=True
    ):
        relative(after[i], np.asarray(targets(expected)), tolerance)
    _compare_predictions(authors, after[-1:], stored[f"prediction{suffix}"])


def _denoise(authors, setup):
    """(sigma, z) -> D of the network itself, or D_y of the damped one."""
    if setup is None:
        x = authors.opened[1]
        return lambda sigma, z: authors.free(authors.params["plain"], sigma, z, x)
    guide, v = authors.guided(setup), jnp.zeros((1, len(authors.set_up(setup).y)), jnp.float32)
    return lambda sigma, z: guide(authors.params["damped"], sigma, z, v)["D_y"]


def _compare_predictions(authors, z, expected):
    """In standard deviations of the climate, with the same places that have no value."""
    (model, x, _), case = authors.opened, authors.case
    ours = np.asarray(model.layout.now(model.next_state(z, x))[0])
    ours = np.where(case.opened[0].layout.undefined, np.nan, ours)
    expected = np.moveaxis(expected.reshape(-1, expected.shape[-1]), -1, 0)
    std = np.asarray(model.layout.now(model.climate_std[None])[0])
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
    close(ours / std, expected / std, 5e-5)


@pytest.fixture(params=files("weights.npz"), ids=name)
def weights(request):
    authors = open_folder(request.param.parent)
    return authors, authors.arrays("weights.npz"), _expected_states(request.param.parent)


@functools.cache
def _expected_states(folder):
    """E[x'] of every particle, (particle, state), from one evaluation of recorded noise."""
    authors = open_folder(folder)
    stored, (model, _, _) = authors.arrays("weights.npz"), authors.opened
    names = [str(n) for n in stored["particle_channels"]]
    index = [names.index(_label(c)) if _label(c) in names else -1 for c in model.layout.channels]
    fields = np.moveaxis(stored["particles"], -1, 2)
    fields = fields.reshape(*fields.shape[:3], -1)
    fields = np.where((np.array(index) >= 0)[None, None, :, None], fields[:, :, index], 0)
    states = []
    for particle, noise in zip(fields, stored["noise"], strict=True):
        x = jnp.asarray(particle.reshape(1, -1), jnp.float32)
        sigma = jnp.float32(88)
        D = authors.free(authors.params["plain"], sigma, sigma * targets(noise)[None], x)
        states.append(np.asarray(model.next_state(D, x))[0])
    return np.stack(states)


def _label(channel):
    return channel.name if channel.level is None else f"{channel.name}:p{channel.level:g}"


def _set_ups(stored):
    return [key.removeprefix("log_weights_") for key in stored if key.startswith("log_weights_")]


def test_expected_states_are_theirs(weights):
    authors, stored, states = weights
    model = authors.opened[0]
    expected = np.moveaxis(
        stored["expected_state"].reshape(len(states), -1, authors.shape[2]), 1, 2
    )
    std = np.asarray(model.layout.now(model.climate_std[None]))
    close(np.asarray(model.layout.now(states)) / std, expected / std, 3e-5)


def _alphas(log_p):
    """The function halvings -> alpha where the search ends after so many."""
    return jax.jit(lambda n: temper(log_p, 3, 5, AlphaSearch(1e-6, 1e-12, n, one_first=False)))


def test_weights_alpha_and_ancestors_are_theirs(weights):
    authors, stored, states = weights
    for setup in _set_ups(stored):
        observed = authors.set_up(setup)
        h = observed.operator(authors.opened[0].layout)
        hx = jnp.stack([h(jnp.asarray(x)) for x in states])
        network = Network(h, observed.error_std.astype(float), None, linear=True)
        obs = Observation(jnp.zeros(()), jnp.asarray(observed.y))
        log_p = log_likelihood(hx, obs, network)
        np.testing.assert_allclose(log_p, stored[f"unnormalised_alpha1_{setup}"], rtol=2e-6)

        alpha_after = _alphas(log_p)
        for i, expected in enumerate(stored[f"alpha_path_{setup}"]):
            alpha = alpha_after(i)
            np.testing.assert_allclose(alpha, expected, rtol=1e-12)
            size = ess(normalise(alpha * log_p))
            np.testing.assert_allclose(size, stored[f"n_eff_path_{setup}"][i], rtol=2e-5)
        alpha = alpha_after(100)
        np.testing.assert_allclose(alpha, stored[f"alpha_{setup}"], rtol=1e-12)
        w = jnp.exp(normalise(alpha * log_p))
        close(w, np.exp(stored[f"log_weights_{setup}"].astype(float)), 1e-5)
        for u, expected in zip(
            stored[f"resampling_u_{setup}"], stored[f"ancestors_{setup}"], strict=True
        ):
            slots = ancestors(w, (u + jnp.arange(len(w))) / len(w))
            np.testing.assert_array_equal(slots, expected)


@pytest.mark.parametrize("file", files("coarsening.npz"), ids=name)
def test_block_means_are_theirs(file):
    stored = open_folder(file.parent).arrays(file.name)
    for key, expected in stored.items():
        grid, size = key.removeprefix("block_mean_").split("_by_")
        rows, columns = map(int, grid.split("x"))
        coords = {
            "latitude": np.linspace(-90, 90, rows),
            "longitude": np.arange(columns) * 360 / columns,
        }
        means = block_means(int(size), Layout((Channel("x"),), coords))
        field = 1000 * np.arange(rows)[:, None] + np.arange(columns)[None]
        ours = (field.ravel()[means.index] * means.weight).sum(-1)
        relative(ours.reshape(expected.shape), expected, 1e-6)

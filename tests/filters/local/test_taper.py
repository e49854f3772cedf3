"""The taper against its published values, distances against geometry."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from dabench.filters.local.taper import (
    EARTH_RADIUS_KM,
    Localisation,
    cutoff,
    gaspari_cohn,
    half_width,
    log_pressure,
    places,
)

GOLDEN = np.load(Path(__file__).parents[2] / "data" / "l96_deterministic_golden.npz")


@pytest.mark.golden
def test_gaspari_cohn_is_dappers():
    rho = gaspari_cohn(jnp.asarray(GOLDEN["gc_dist"]), 1.82 * 4)
    np.testing.assert_allclose(rho, GOLDEN["gc_coeff_radius4_dapper"], atol=1e-14)


def test_gaspari_cohn_at_its_nodes_and_beyond():
    rho = gaspari_cohn(jnp.asarray([0.0, 2.0, 4.0, 5.0]), 2.0)
    np.testing.assert_allclose(rho, [1, 5 / 24, 0, 0], atol=1e-15)


def test_gaspari_cohn_has_the_curvature_of_the_gaussian_of_its_length_scale():
    rho = gaspari_cohn(jnp.asarray(1.0), half_width(500.0))
    assert 1 - rho == pytest.approx(0.5 / 500.0**2, rel=1e-3)
    assert cutoff(500.0) == pytest.approx(3.65 * 500, rel=1e-3)


def test_the_taper_is_positive_definite_on_the_sphere():
    vectors = np.random.default_rng(0).normal(size=(300, 3))
    where = jnp.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    rho = Localisation(1500.0, None, sphere=True).horizontal(where[:, None], where)
    assert np.linalg.eigvalsh(rho).min() > -1e-6


def test_all_longitudes_of_a_pole_are_one_place():
    where = {"latitude": [90.0, 90.0, 0.0, 0.0], "longitude": [0.0, 123.0, 0.0, 90.0]}
    u = jnp.asarray(places({k: np.array(v) for k, v in where.items()}))
    d = Localisation(1.0, None, sphere=True).distance(u, u)
    quarter = EARTH_RADIUS_KM * np.pi / 2
    np.testing.assert_allclose(d[0], [0, 0, quarter, quarter], atol=1e-3)
    assert d[2, 3] == pytest.approx(quarter)


def test_close_places_have_the_distance_and_the_taper_of_float64_in_float32():
    """Unit vectors in float32 are known to 6e-8, which is half a metre: 5e-4 of a kilometre."""
    apart = np.array([0.0, 0.1, 1.0, 2.0, 10.0, 440.0, 1800.0])
    where = {"latitude": 37.0 + np.degrees(apart / EARTH_RADIUS_KM), "longitude": np.full(7, 11.0)}
    u = jnp.asarray(places(where), jnp.float32)
    taper = Localisation(1.0, None, sphere=True)
    np.testing.assert_allclose(taper.distance(u[:1], u)[0], apart, atol=1e-3, rtol=1e-6)
    expected = gaspari_cohn(jnp.asarray(apart), half_width(1.0))
    np.testing.assert_allclose(taper.horizontal(u[:1, None], u)[0], expected, atol=1e-3)


def test_a_ring_closes_and_a_line_does_not():
    site = jnp.arange(10.0)[:, None]
    assert Localisation(1.0, None, ring=10).distance(site, site)[1, 9] == 2
    assert Localisation(1.0, None).distance(site, site)[1, 9] == 8


def test_variables_without_a_level_count_as_at_1000_hpa():
    np.testing.assert_allclose(log_pressure([None, np.nan, 500.0]), np.log([1000, 1000, 500]))


def test_the_taper_of_float32_places_is_close():
    u = places({"latitude": np.full(50, 40.0), "longitude": np.linspace(0, 30, 50)})
    taper = Localisation(800.0, None, sphere=True)
    exact = taper.horizontal(jnp.asarray(u)[:, None], jnp.asarray(u))
    single = jnp.asarray(u, jnp.float32)
    # the cosine is off by 2^-24 or so, the distance by 3 km where it is 0: (5/3) (3 / 1460)^2
    np.testing.assert_allclose(taper.horizontal(single[:, None], single), exact, atol=1e-4)

"""Errors that are correlated, and errors that are not what methods are told."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from grids import ring, sphere
from scipy.linalg import block_diag
from scipy.stats import kstest, norm, t

from dabench.observe.errors import correlate, decorrelate
from dabench.observe.network import build, build_withheld, observe
from dabench.scenario.locations import Misfit, read_stations
from dabench.scenario.scenario import Group

SONDES = {"variables": ("v_component_of_wind", "u_component_of_wind"), "error_std": 0.5}
DRAWS = 4000


def network(layout=None, **entries: Any):
    group = Group.model_validate({"error_std": 0.5, **entries})
    return build([group], layout or ring())


def correlations(blocks, n: int) -> np.ndarray:
    """L Lᵀ as a matrix."""
    L = np.asarray(correlate(blocks, jnp.eye(n))).T
    return L @ L.T


def draws(net, n: int = DRAWS) -> np.ndarray:
    """Errors of many cycles, over their standard deviation."""
    x = jnp.zeros(ring().size)
    y = jax.jit(jax.vmap(lambda k: observe(0, k, 0.0, net, x).y))(jnp.arange(n))
    return np.asarray(y) / net.error_std


def test_the_correlation_of_sites_is_a_gaussian_of_the_chord():
    rule = {"length_sites": 2.0, "share": 0.8}
    line = ring()
    line = type(line)(line.channels, line.coords, dtype="float64")
    angle = 2 * np.pi * np.abs(np.subtract.outer(np.arange(12), np.arange(12))) / 12
    chord = 12 / np.pi * np.sin(angle / 2)
    for layout, distance in ((ring(), chord), (line, angle * 12 / (2 * np.pi))):
        net = network(layout, correlation=rule)
        expected = 0.8 * np.exp(-0.5 * (distance / 2) ** 2) + 0.2 * np.eye(12)
        np.testing.assert_allclose(correlations(net.correlated, 12), expected, atol=1e-12)


def test_levels_of_a_station_are_correlated_and_nothing_else_is():
    rule = {"vertical": 0.5, "share": 0.9}
    net = network(sphere(), **SONDES, locations={"random": 5}, correlation=rule)
    ln_p = np.log([250.0, 500.0, 850.0])
    column = 0.9 * np.exp(-0.5 * (np.subtract.outer(ln_p, ln_p) / 0.5) ** 2) + 0.1 * np.eye(3)
    order = net.table.sort_values(["variable", "latitude", "level"]).index
    expected = block_diag(*[column] * 10)
    C = correlations(net.correlated, net.size)[np.ix_(order, order)]
    np.testing.assert_allclose(C, expected, atol=1e-12)
    assert [len(b.factor) for b in net.correlated] == [10]


def test_a_horizontal_correlation_couples_stations_of_one_level():
    layout = sphere()
    net = network(layout, **SONDES, locations={"grid": 20}, correlation={"length_km": 3000})
    C = correlations(net.correlated, net.size)
    lat, lon = (np.radians(net.table[c].to_numpy()) for c in ("latitude", "longitude"))
    p = 6371 * np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    square = ((p[:, None] - p[None]) ** 2).sum(-1)
    keys = pd.Series([*zip(net.table.variable, net.table.level, strict=True)])
    alike = keys.to_numpy()[:, None] == keys.to_numpy()[None]
    expected = 0.9 * np.exp(-square / 2 / 3000**2) * alike + 0.1 * np.eye(net.size)
    np.testing.assert_allclose(C, expected, atol=1e-9)
    assert [b.factor.shape[0] for b in net.correlated] == [1]  # of six fields at the same places


def test_decorrelating_is_the_inverse_also_of_rows_and_under_transposition():
    net = network(sphere(), **SONDES, locations={"random": 4}, correlation={"vertical": 1.0})
    v = jax.random.normal(jax.random.key(0), (2, net.size))
    back = decorrelate(net.correlated, correlate(net.correlated, v))
    np.testing.assert_allclose(back, v, atol=1e-10)
    pull = jax.linear_transpose(lambda v: decorrelate(net.correlated, v), v)
    w = jax.random.normal(jax.random.key(1), v.shape)
    one, other = (pull(w)[0] * v).sum(), (w * decorrelate(net.correlated, v)).sum()
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_errors_are_drawn_with_their_covariance():
    """A sample covariance of n draws has the variance (C_ij² + C_ii C_jj) / n."""
    net = network(correlation={"length_sites": 2.0})
    C = correlations(net.drawn_correlated, 12)
    error = np.sqrt((C**2 + 1) / DRAWS)
    assert (np.abs(np.cov(draws(net).T) - C) < 5 * error).all()


def test_methods_need_not_be_told():
    net = network(correlation={"length_sites": 2.0, "assumed": False})
    assert net.correlated == []
    assert len(net.drawn_correlated) == 1


@pytest.mark.parametrize(
    ("drawn", "law"),
    [
        ({"std_factor": 2.0, "bias": 1.0}, norm(1, 2).cdf),
        ({"freedom": 4.0}, lambda x: t(4).cdf(x * np.sqrt(2))),
        (
            {"gross_share": 0.1, "gross_factor": 20.0},
            lambda x: 0.9 * norm.cdf(x) + 0.1 * norm.cdf(x / 20),
        ),
    ],
    ids=["other moments", "heavy tails", "gross errors"],
)
def test_errors_have_the_law_that_they_are_said_to_have(drawn, law):
    """Kolmogorov-Smirnov: a sound sample is refused once in a thousand; the seed is fixed."""
    net = network(drawn=drawn)
    assert kstest(draws(net, 500).ravel(), law).pvalue > 1e-3
    assert kstest(draws(net, 500).ravel(), norm.cdf).pvalue < 1e-6
    np.testing.assert_array_equal(net.error_std, 0.5)


def test_without_a_word_on_them_errors_are_what_they_were():
    np.testing.assert_array_equal(draws(network(), 3), draws(network(drawn={}), 3))


def test_withheld_observations_have_the_errors_that_are_assumed():
    group = {"error_std": 1.0, "withhold": {"share": 0.5}, "drawn": {"bias": 3}}
    part = build_withheld([Group.model_validate(group)], ring())
    assert part is not None
    assert part.drawing is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"correlation": {"length_km": 500}}, r"0\.correlation\.length_km: .*use length_sites"),
        (
            {"correlation": {"length_sites": 2}, "availability": {"share": 0.5}},
            "must then report together",
        ),
    ],
)
def test_correlations_without_meaning_are_refused(entries, message):
    with pytest.raises(Misfit, match=message):
        network(**entries)


def test_so_are_blocks_that_are_too_large(monkeypatch):
    monkeypatch.setattr("dabench.observe.errors.LARGEST", 11)
    with pytest.raises(Misfit, match="couples 12 observations, and 11 are the most"):
        network(correlation={"length_sites": 2})


def test_stations_have_errors_of_their_own(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("lat,lon,error_factor,height\n10,0,1,\n20,5,2.5,-12\n")
    stations = read_stations(path)
    assert stations.heights == [None, -12]
    points = {"points": tuple(map(tuple, stations.points)), "factors": tuple(stations.factors)}
    levels = {250.0: 1.0, 500.0: 2.0, 850.0: 3.0}
    net = network(sphere(), variables=("temperature",), locations=points, error_std=levels)
    assert net.error_std.tolist() == [1, 2.5, 2, 5, 3, 7.5]
    moving = {"points": (3, 3), "cycles": (1, 2), "factors": (1.0, 2.0)}
    with pytest.raises(Misfit, match="3 has the factors 1 and 2; give it one"):
        network(locations=moving)

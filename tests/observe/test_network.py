"""Networks: rows, noise and the names of observations."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from grids import ring, sphere, state

from dabench.core.random import stream
from dabench.observe.network import Network, build, observe
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group


def y_of(seed: int, cycle: int, network: Network, x: np.ndarray) -> np.ndarray:
    """The observations of a cycle."""
    return np.asarray(jax.jit(lambda x: observe(seed, cycle, 0.0, network, x).y)(x))


TEMPERATURE = Group(
    name="t",
    variables=["temperature"],
    levels=["surface", "all"],
    locations={"grid": 20},
    error_std={"surface": 2.0, 250: 0.5, 500: 0.6, 850: 0.7},
)
WIND = Group(
    name="w", variables=["wind_speed"], levels=[500], locations={"random": 30}, error_std=1.5
)


def test_on_the_grid_h_is_what_xarray_selects_from_the_last_frame():
    layout = sphere()
    network = build([TEMPERATURE], layout)
    x = state(layout)
    data = layout.to_dataset(layout.now(x))
    pairs = list(zip(np.asarray(jax.jit(network.h)(x)), network.table.itertuples(), strict=True))
    for y, row in pairs[::23]:
        field = data[row.variable].sel(latitude=row.latitude, longitude=row.longitude)
        assert y == (field if np.isnan(row.level) else field.sel(level=row.level))


def test_standard_deviations_follow_the_level():
    network = build([TEMPERATURE], sphere())
    surface = network.table[network.table.variable == "2m_temperature"]
    assert set(surface.error_std) == {2.0}
    assert dict(zip(network.table.level, network.table.error_std, strict=True))[850] == 0.7
    np.testing.assert_array_equal(network.var, network.table.error_std**2)


def test_a_toy_system_is_observed_by_site():
    x = state(ring())
    network = build([Group(locations={"points": [3, 0, 11]}, error_std=1)], ring())
    np.testing.assert_array_equal(network.h(x), x[[3, 0, 11]])
    assert list(network.table.site) == [3, 0, 11]
    assert network.linear


def test_noise_does_not_depend_on_the_order_of_groups():
    layout, x = sphere(), state(sphere())
    there, back = (build(g, layout) for g in ([TEMPERATURE, WIND], [WIND, TEMPERATURE]))
    y = [y_of(5, 3, n, x) for n in (there, back)]
    swapped = np.concatenate([y[1][WIND.locations.random :], y[1][: WIND.locations.random]])
    np.testing.assert_array_equal(y[0], swapped)


def test_a_thinner_network_sees_the_same_noise():
    layout, x = sphere(), state(sphere())
    fine, coarse = (
        build([TEMPERATURE.model_copy(update={"locations": places})], layout)
        for places in (Group(error_std=1, locations={"grid": g}).locations for g in (10, 20))
    )
    columns = ["variable", "level", "latitude", "longitude"]
    y = [n.table[columns].assign(y=y_of(0, 1, n, x), id=n.ids[:, 0]) for n in (fine, coarse)]
    both = y[0].merge(y[1], on=columns)
    assert len(both) == coarse.size
    np.testing.assert_array_equal(both.y_x, both.y_y)


def test_every_observation_has_an_id_of_its_own_even_at_one_place():
    twice = Group(name="t", variables=["2m_temperature"], error_std=1,
                  locations={"points": [[10, 0], [10, 0], [10, 360]]})  # fmt: skip
    network = build([twice, twice.model_copy(update={"name": "again"})], sphere())
    assert len(np.unique(network.ids, axis=0)) == network.size == 6


def test_noise_is_standard_normal_times_the_standard_deviation():
    layout, x = sphere(5), np.zeros(sphere(5).size)
    network = build([Group(variables=["temperature"], error_std={250: 1, 500: 2, 850: 3})], layout)
    e = y_of(0, 1, network, x) / network.error_std
    n = len(e)
    assert abs(e.mean()) < 4 / np.sqrt(n)
    assert abs(e.var() - 1) < 4 * np.sqrt(2 / n)


@pytest.mark.parametrize("other", [(1, 1), (0, 2)], ids=["seed", "cycle"])
def test_other_seeds_and_cycles_have_other_noise(other):
    network, x = build([Group(error_std=1)], ring()), state(ring())
    here, there = (y_of(*k, network, x) for k in ((0, 1), other))
    assert not np.any(here == there)


def test_a_traced_cycle_gives_the_same_noise():
    network, x = build([Group(error_std=1)], ring()), np.zeros(12)
    traced = jax.jit(lambda k: observe(0, k, 0.0, network, x).y)(np.uint32(7))
    np.testing.assert_allclose(traced, y_of(0, 7, network, x), rtol=1e-15)


def test_streams_of_one_seed_differ():
    names = ("truth", "observation", "initial", "filter")
    keys = np.stack([jax.random.key_data(stream(2**32 - 1, n)) for n in names])
    assert len(np.unique(keys, axis=0)) == len(names)


def test_observations_have_the_state_dtype():
    layout, x = sphere(), state(sphere()).astype("float32")
    assert y_of(0, 1, build([TEMPERATURE, WIND], layout), x).dtype == np.float32


def test_a_variable_is_not_observed_where_it_is_undefined():
    """The first channel is undefined east of 180 degrees, where a station may have corners."""
    layout = sphere()
    undefined = np.zeros(layout.shape[1:], bool)
    undefined[0] = layout.positions["longitude"] > 180
    masked = replace(layout, undefined=undefined)
    plain, network = (build([TEMPERATURE, WIND], each) for each in (layout, masked))
    expected = plain.table[
        (plain.table["variable"] != "2m_temperature") | (plain.table["longitude"] <= 180)
    ]
    pd.testing.assert_frame_equal(network.table, expected.reset_index(drop=True))
    x = state(layout)
    np.testing.assert_array_equal(network.h(x), np.asarray(plain.h(x))[expected.index])
    between = Group(
        variables=["2m_temperature"], locations={"points": [[5, 175], [5, 185]]}, error_std=1
    )
    assert build([between], masked).table["longitude"].tolist() == [175]
    nowhere = Group(variables=["2m_temperature"], locations={"points": [[5, 185]]}, error_std=1)
    with pytest.raises(Misfit, match="2m_temperature has no value at any of these stations"):
        build([nowhere], masked)

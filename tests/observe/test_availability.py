"""Stations that report in some cycles: how often, how reliably, and where they are then."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from grids import ring, sphere

from dabench.core.errors import UserError
from dabench.observe.network import Observation, build, build_withheld, reported
from dabench.observe.swaths import in_swaths
from dabench.scenario.locations import read_stations
from dabench.scenario.scenario import Group

SOUNDER = {"satellites": 1, "swath": 2300, "hours": 6}


def network(layout=None, **entries: Any):
    group = {"error_std": 1.0, "variables": ("2m_temperature",) if layout else (), **entries}
    return build([Group.model_validate(group)], layout or ring())


def test_a_network_without_gaps_has_no_masks():
    for availability in (None, {}, {"seed": 3}):
        assert network(availability=availability).present is None
    obs = Observation(jnp.zeros(()), jnp.arange(12.0))
    assert reported(obs, network(), 1) is obs


def test_every_n_cycles_from_the_first_on():
    present = network(availability={"every": 3, "first": 2}).present
    assert [k for k in range(1, 13) if present(k).all()] == [2, 5, 8, 11]
    assert [k for k in range(1, 13) if present(k).any()] == [2, 5, 8, 11]


def test_each_station_reports_with_its_chance_and_independently():
    """Means of n draws of 0 and 1 have the standard error sqrt(p (1 - p) / n)."""
    sondes = {"variables": ("temperature",), "locations": {"random": 50}}
    several = network(sphere(), **sondes, availability={"share": 0.7})
    table, masks = several.table, np.array([several.present(k) for k in range(1, 201)])
    by_station = masks[:, (table.level == 500).to_numpy()]
    error = np.sqrt(0.7 * 0.3 / by_station.size)
    assert abs(by_station.mean() - 0.7) < 4 * error
    for axis in (0, 1):
        n = by_station.shape[axis]
        means = by_station.mean(axis)
        assert abs(means.std() / np.sqrt(0.7 * 0.3 / n) - 1) < 4 / np.sqrt(2 * len(means))
    columns = [table.latitude, table.longitude]
    assert (table.assign(there=masks[3]).groupby(columns)["there"].nunique() == 1).all()


def test_a_thinner_network_has_the_same_gaps_and_another_seed_has_others():
    rule = {"share": 0.5}
    whole, half = (network(locations={"every": n}, availability=rule).present for n in (1, 2))
    other = network(availability=rule | {"seed": 1}).present
    np.testing.assert_array_equal(whole(5)[::2], half(5))
    assert not np.array_equal(whole(5), whole(6))
    assert not np.array_equal(whole(5), other(5))


def test_withheld_stations_have_gaps_of_their_own():
    group = Group.model_validate(
        {"error_std": 1.0, "withhold": {"share": 0.5}, "availability": {"every": 2, "first": 2}}
    )
    for part in (build([group], ring()), build_withheld([group], ring())):
        assert part is not None
        assert part.present is not None
        assert not part.present(1).any()
        assert part.present(2).all()


def test_groups_keep_their_rules():
    one, other = (
        Group.model_validate(
            {"name": n, "error_std": 1.0, "availability": {"every": 2, "first": f}}
        )
        for n, f in (("a", 1), ("b", 2))
    )
    present = build([one, other], ring()).present
    assert present is not None
    np.testing.assert_array_equal(present(2), np.repeat([False, True], 12))


def test_swaths_go_on_from_cycle_to_cycle_and_come_again():
    layout = sphere(5)
    still = Group.model_validate({"error_std": 1.0, "locations": SOUNDER})
    where = still.locations.model_copy(update={"cycles": 4})
    moving = network(layout, locations=SOUNDER | {"cycles": 4})
    lat, lon = (np.asarray(layout.positions[c], float) for c in ("latitude", "longitude"))
    table = moving.table
    for k in (1, 2, 4, 6):
        seen = in_swaths(where, lat, lon, (k - 1) % 4) & ~((np.abs(lat) == 90) & (lon > 0))
        here = table[moving.present(k)]
        assert {*zip(here.latitude, here.longitude, strict=True)} == {
            *zip(lat[seen], lon[seen], strict=True)
        }
    assert moving.present(1).mean() < 0.9
    np.testing.assert_array_equal(moving.present(1), moving.present(5))
    assert "cycles" not in still.model_dump()["locations"]


def test_a_table_says_in_which_cycle_a_platform_is_where(tmp_path):
    path = tmp_path / "buoys.csv"
    path.write_text("lat,lon,cycle\n10,0,1\n20,0,1\n10,5,2\n20,0,3\n")
    stations = read_stations(path)
    assert stations[:2] == ([[10, 0], [20, 0], [10, 5], [20, 0]], [1, 1, 2, 3])
    locations = {"points": [tuple(p) for p in stations.points], "cycles": tuple(stations.cycles)}
    buoys = network(sphere(), locations=locations)
    assert list(buoys.table.latitude) == [10, 20, 10]
    masks = [buoys.present(k).tolist() for k in (1, 2, 3, 4)]
    assert masks == [[True, True, False], [False, False, True], [False, True, False], masks[0]]
    sites = network(locations={"points": (3, 5, 3), "cycles": (1, 2, 2)})
    assert list(sites.table.site) == [3, 5]
    assert sites.present(2).tolist() == [True, True]


@pytest.mark.parametrize("cell", ["", "0", "1.5", "-1", "10001", "²"])
def test_a_cycle_is_a_whole_number(cell, tmp_path):
    path = tmp_path / "buoys.csv"
    path.write_text(f"lat,lon,cycle\n10,0,1\n20,0,{cell}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 3: cycle .* is not a whole number from 1 to 10000"):
        read_stations(path)


def test_a_gap_is_nan_in_y_and_zero_in_masked_values():
    there = network(availability={"share": 0.5})
    obs = reported(Observation(jnp.zeros(()), jnp.arange(12.0)), there, 4)
    mask = there.present(4)
    np.testing.assert_array_equal(np.isnan(obs.y), ~mask)
    np.testing.assert_array_equal(obs.masked(obs.y - 1), np.where(mask, np.arange(12) - 1, 0))
    np.testing.assert_array_equal(obs.masked(jnp.ones((2, 12))), np.tile(mask, (2, 1)))


def test_plain_data_of_groups_without_gaps_is_as_ever():
    group = Group.model_validate({"error_std": 1.0, "locations": {"points": (1, 2)}})
    assert set(group.model_dump()) == {"name", "variables", "levels", "locations", "error_std"}
    assert group.model_dump()["locations"] == {"points": (1, 2)}

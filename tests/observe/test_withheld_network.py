"""Withheld stations: the choice of them, and that the others keep their observations."""

import numpy as np
import pytest
from grids import ring, sphere, state
from test_network import y_of

from dabench.observe.network import build, build_withheld
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group

PLACE = ["variable", "level", "latitude", "longitude"]


def temperature(share: float | None = None, seed: int = 0, name: str = "t", **places) -> Group:
    withhold = None if share is None else {"share": share, "seed": seed}
    return Group.model_validate(
        {"name": name, "variables": ("temperature",), "levels": ("surface", "all")}
        | {"locations": places or {"grid": 20}, "error_std": 1.0, "withhold": withhold}
    )


def split(*groups: Group):
    """The assimilated and the withheld network on the sphere."""
    withheld = build_withheld(groups, sphere())
    assert withheld is not None
    return build(groups, sphere()), withheld


def places(network) -> set[tuple[float, float]]:
    return {*zip(network.table.latitude, network.table.longitude, strict=True)}


def test_assimilated_and_withheld_observations_are_those_of_the_whole_network():
    x, whole = state(sphere()), build([temperature()], sphere())
    parts = split(temperature(0.25))
    expected = whole.table.assign(y=y_of(3, 2, whole, x))
    tables = [n.table.assign(y=y_of(3, 2, n, x)) for n in parts]
    for part in tables:
        both = part.merge(expected, on=PLACE)
        assert len(both) == len(part)
        np.testing.assert_array_equal(both.y_x, both.y_y)
    assert sum(map(len, tables)) == len(expected)
    assert not places(parts[0]) & places(parts[1])


def test_the_share_is_of_stations_each_with_all_its_levels():
    _, withheld = split(temperature(0.3, random=40))
    assert len(places(withheld)) == 12
    assert set(withheld.table.groupby(["latitude", "longitude"]).size()) == {4}  # surface, 3 levels


def test_the_pole_is_one_place_and_so_are_two_stations_at_one_place():
    for seed in range(8):
        for part in split(temperature(0.5, seed)):  # 18 longitudes at each pole
            assert (part.table.latitude == 90).sum() in (0, 18 * 4)
        twice = temperature(0.5, seed, points=[[10, 0], [10, 360], [20, 0], [20, 0.0]])
        assimilated, withheld = split(twice)
        assert assimilated.size == withheld.size == 8


def test_stations_within_a_metre_are_at_one_place_and_360_degrees_are_0():
    near = [[50.0, 5.0], [50.0000001, 5.0], [10.0, -1e-17], [10.0, 0.0], [-20.0, 30.0]]
    assimilated, withheld = split(temperature(0.67, points=near))
    counts = [
        len({round(lat) for lat, _ in places(network)}) for network in (assimilated, withheld)
    ]
    assert counts == [1, 2]
    assert {lon for _, lon in places(assimilated) | places(withheld)} <= {5.0, 0.0, 30.0}


def test_groups_with_one_seed_withhold_the_same_places_whatever_their_order():
    points = [[float(lat), 5.0] for lat in range(-60, 61, 10)]
    _, withheld = split(temperature(0.4, 7, points=points))
    _, reversed_order = split(temperature(0.4, 7, "other", points=points[::-1]))
    _, other = split(temperature(0.4, 8, points=points))
    assert places(withheld) == places(reversed_order) != places(other)


def test_nothing_to_withhold_and_nothing_left_are_refused():
    with pytest.raises(Misfit, match=r"observations\.0\.withhold\.share: 0.1 is none of the 4"):
        build([temperature(0.1, points=[[1, 1], [2, 2], [3, 3], [4, 4]])], sphere())
    with pytest.raises(Misfit, match="all are withheld"):
        build([temperature(1)], sphere())
    whole = temperature(1, name="verification")
    assert build([temperature(), whole], sphere()).size == build_withheld([whole], sphere()).size


def test_sites_of_toy_systems_can_be_withheld_and_mostly_nothing_is():
    group = Group.model_validate({"error_std": 1.0, "withhold": {"share": 0.25}})
    sites = [list(n.table.site) for n in (build([group], ring()), build_withheld([group], ring()))]
    assert sorted(sites[0] + sites[1]) == list(range(12))
    assert len(sites[1]) == 3
    assert build_withheld([temperature()], sphere()) is None


def test_without_withheld_stations_a_group_is_written_as_ever():
    assert "withhold" not in temperature().model_dump()
    assert temperature(0.5).model_dump()["withhold"] == {"share": 0.5, "seed": 0}

"""Lists of neighbours against distances of all pairs."""

import numpy as np
import pytest
from grids import sphere

from dabench.observe.network import build
from dabench.observe.swaths import EARTH_RADIUS_KM, unit_vectors
from dabench.scenario.checks import MOST_BUDDIES
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group


def network(**entries):
    group = {
        "variables": ["temperature"],
        "error_std": 1.0,
        "reject_above": 5.0,
        "locations": {"random": 150, "seed": 3},
    }
    return build([Group.model_validate(group | entries)], sphere())


def test_neighbours_are_the_nearest_ones_of_the_same_level_within_the_radius():
    radius = 2500.0
    made = network(buddies={"radius_km": radius})
    table, lists = made.table, made.neighbours
    place = unit_vectors(table["latitude"].to_numpy(), table["longitude"].to_numpy())
    distance = EARTH_RADIUS_KM * np.arccos(np.clip(place @ place.T, -1, 1))
    level = table["level"].to_numpy()
    alike = (level[:, None] == level) & ~np.eye(len(table), dtype=bool)
    distance = np.where(alike, distance, np.inf)
    counts = lists.near.sum(1)
    np.testing.assert_array_equal(counts, np.minimum((distance <= radius).sum(1), MOST_BUDDIES))
    assert 0 < counts.min() < counts.max()
    for row in range(0, len(table), 7):
        nearest = np.argsort(distance[row])[: counts[row]]
        assert {*lists.index[row][lists.near[row]]} == {*nearest}


def test_a_radius_in_sites_is_refused_on_the_sphere():
    with pytest.raises(Misfit, match="use radius_km"):
        network(buddies={"radius_sites": 3})


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"reject_above": None, "buddies": {"radius_km": 500}}, "give reject_above, too"),
        ({"buddies": {}}, "one of radius_km and radius_sites"),
    ],
)
def test_a_rule_that_is_not_whole_is_refused(entries, text):
    with pytest.raises(ValueError, match=text):
        network(**entries)

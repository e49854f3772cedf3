"""Initial members around a state in error: how large the errors are, and of what kind."""

import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.runs.experiment import Experiment
from dabench.scenario.load import load_scenario, with_changes

STD = 0.7
STATED = {"kind": "differences", "error_std": STD}


def twin(scenario: str, **changes):
    """A twin whose initial members are made of differences."""
    changed = with_changes(load_scenario(scenario), {"initial": STATED | changes})
    return Experiment(changed).twin


@pytest.fixture(scope="module")
def lorenz():
    return twin("lorenz96-sakov2008", of="climate", variable="x")


@pytest.fixture(scope="module")
def linear():
    return twin("linear_gaussian", of="forecasts", variable="state")


def test_each_member_differs_from_a_common_state_by_the_stated_error(lorenz):
    members = np.asarray(lorenz.initial(400), float)
    truth = np.asarray(lorenz.truth[0], float)
    centre = members.mean(0)  # the common state, to an error of STD / 20
    apart = np.sqrt(((members - centre) ** 2).mean(1))
    assert apart.mean() == pytest.approx(STD, rel=0.02)
    assert np.sqrt(((centre - truth) ** 2).mean()) == pytest.approx(STD, rel=0.2)


def test_a_difference_of_climate_states_is_a_multiple_of_one_of_the_climates(lorenz):
    one, other = np.asarray(lorenz.initial(2), float)
    climate = np.asarray(lorenz.system.climate, float)
    pairs = (climate[:, None] - climate[None]).reshape(-1, climate.shape[1])
    size = np.linalg.norm(pairs, axis=1, keepdims=True)
    unit = (pairs / np.where(size, size, 1)).astype(np.float32)
    # one - other = (a - b), both of length STD sqrt(n): a is found by its angle with the rest.
    length = STD * np.sqrt(climate.shape[1])
    rest = (one - other)[None] - length * unit
    best = np.abs(np.linalg.norm(rest, axis=1) - length) / length
    candidate = rest[best < 1e-4] / length
    assert max(np.abs(candidate @ unit.T).max(1)) == pytest.approx(1, abs=1e-4)


def test_member_i_is_the_same_whatever_the_ensemble_and_its_part(lorenz):
    whole = np.asarray(lorenz.initial(6))
    np.testing.assert_array_equal(lorenz.initial(4), whole[:4])
    np.testing.assert_array_equal(lorenz.initial(6, slice(2, 5)), whole[2:5])


def test_differences_of_forecasts_have_the_error_too(linear):
    members = np.asarray(linear.initial(50), float)
    apart = np.sqrt(((members - members.mean(0)) ** 2).mean(1))
    assert apart.mean() == pytest.approx(STD, rel=0.1)


def test_mistakes_are_told():
    with pytest.raises(UserError, match="no y at level None; there are x"):
        twin("lorenz96-sakov2008", of="climate", variable="y").initial(2)
    with pytest.raises(UserError, match=r"do not differ in x; .* `of: climate`"):
        twin("lorenz96-sakov2008", of="forecasts", variable="x").initial(2)

"""The nature run, with a chaotic map for dynamics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.atmosphere.training import nature

SETTINGS = nature.NatureSettings(
    members=(nature.Member("first", 7), nature.Member("second", 4)),
    spinup_days=50,
    branch_days=2,
    segment_frames=3,
)


class Logistic:
    """x -> 3.9 x (1 - x): states that differ in the last bit part within 60 frames."""

    frames = 0

    def start(self, key):
        return {"x": jnp.array([0.3, 0.6]), "step": jnp.int32(0)}

    def branch(self, state, key):
        return state | {"x": state["x"] + 1e-3 * jax.random.uniform(key, (2,))}

    def frame(self, state):
        self.frames += 1
        return {"x": 3.9 * state["x"] * (1 - state["x"]), "step": state["step"] + 1}

    def view(self, state):
        return {"x": np.asarray(state["x"])}

    def ground(self):
        return {"height": np.zeros(2)}


class Interrupted(Logistic):
    """The same, stopped before the frame number `last`."""

    def __init__(self, last):
        self.last = last

    def frame(self, state):
        if self.frames == self.last:
            raise KeyboardInterrupt
        return super().frame(state)


def stored(out):
    """Every array of every file of a run, by file and name."""
    files = sorted(out.rglob("*.npz"))
    return {
        (str(path.relative_to(out)), name): array
        for path in files
        for name, array in np.load(path).items()
    }


@pytest.mark.parametrize("last", [0, 45, 101, 104, 109, 112])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, last):
    """Stopped in the spin-up, in a branch, or in the middle of a segment."""
    nature.run(tmp_path / "whole", SETTINGS, Logistic())
    with pytest.raises(KeyboardInterrupt):
        nature.run(tmp_path / "parts", SETTINGS, Interrupted(last))
    nature.run(tmp_path / "parts", SETTINGS, Logistic())
    whole, parts = stored(tmp_path / "whole"), stored(tmp_path / "parts")
    assert list(whole) == list(parts)
    for key, array in whole.items():
        np.testing.assert_array_equal(parts[key], array, err_msg=str(key))


def test_a_run_that_is_there_costs_no_frame(tmp_path):
    nature.run(tmp_path, SETTINGS, Logistic())
    again = Logistic()
    nature.run(tmp_path, SETTINGS, again)
    assert again.frames == 0


def test_frames_follow_each_other_and_members_part(tmp_path):
    nature.run(tmp_path, SETTINGS, Logistic())
    first = [np.load(nature.segment_path(tmp_path, "first", i))["x"] for i in (1, 2, 3)]
    assert [len(x) for x in first] == [3, 3, 3]  # whole segments, at least the frames asked for
    x = np.concatenate(first)
    expected = np.float32(3.9) * x[:-1] * (1 - x[:-1])
    np.testing.assert_allclose(x[1:], expected, rtol=1e-6)
    second = np.load(nature.segment_path(tmp_path, "second", 1))["x"]
    assert np.abs(second - first[0]).max() > 1e-4


def test_a_member_depends_on_its_name_alone(tmp_path):
    """Members may be added, left out, or run by another process."""
    nature.run(tmp_path / "all", SETTINGS, Logistic())
    nature.run(tmp_path / "one", SETTINGS, Logistic(), ["second"])
    path = nature.segment_path(tmp_path / "one", "second", 2)
    other = nature.segment_path(tmp_path / "all", "second", 2)
    np.testing.assert_array_equal(np.load(path)["x"], np.load(other)["x"])
    assert not (tmp_path / "one" / "first").exists()


def test_a_state_that_blows_up_is_reported(tmp_path):
    class Exploding(Logistic):
        def view(self, state):
            return {"x": np.full(2, np.nan)}

    with pytest.raises(FloatingPointError, match="first blew up in segment 1"):
        nature.run(tmp_path, SETTINGS, Exploding())

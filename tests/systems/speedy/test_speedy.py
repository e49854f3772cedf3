"""The packaged network of SPEEDY's atmosphere, its truths and its climate."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.diffusion import draw
from dabench.diffusion.model import DiffusionModel
from dabench.systems.atmosphere import files as shipped
from dabench.systems.atmosphere.coasts import load_coasts
from dabench.systems.atmosphere.grid import sphere_noise
from dabench.systems.held_suarez.files import FILES as DRY
from dabench.systems.speedy.files import FILES, digest_of
from dabench.systems.speedy.system import speedy

CYCLES = 30  # that every stretch has


@pytest.fixture(scope="module")
def system():
    return speedy()


@pytest.fixture(scope="module")
def fine():
    return speedy(resolution=2)


def test_the_package_is_small():
    both = [FILES, DRY]
    size = sum(path.stat().st_size for folder in both for path in folder.iterdir())
    assert size < 40e6


def test_rounding_of_the_packaged_temperatures_is_far_below_the_observation_error():
    about = json.loads((FILES / shipped.PROVENANCE).read_text())["data"]
    errors = [e for file in about.values() for e in file["rounding_error_rms"].items()]
    assert all(error < 5e-3 for field, error in errors if "temperature" in field)


def test_model_meets_the_protocol(system):
    assert isinstance(system.model, DiffusionModel)


def test_seeds_have_weather_of_their_own(system):
    states = [system.layout.now(system.truth(seed, CYCLES)) for seed in range(5)]
    assert all(len(each) == CYCLES + 1 for each in states)
    z500 = system.layout.channel("geopotential", 500)
    ends = [each[k, z500] for each in states for k in (0, -1)]
    apart = [np.std(a - b) for i, a in enumerate(ends) for b in ends[:i]]
    assert min(apart) > 300  # m2/s2: the climate's standard deviation is about 600
    again = system.layout.now(system.truth(5, CYCLES))
    np.testing.assert_array_equal(again, states[0])
    assert system.trajectory(0) == system.trajectory(5) != system.trajectory(1)


def test_truth_is_a_trajectory_of_overlapping_frames(system):
    states = system.layout.unflatten(system.truth(0, 2))
    np.testing.assert_array_equal(states[1:, 0], states[:-1, 1])
    assert states.dtype == np.float32


def test_other_truths_are_other_trajectories(system):
    long, tuning = speedy(truth="long"), speedy(truth="tuning")
    assert len(long.truth(0, 120)) == 121
    first = [s.layout.now(s.truth(0, 0))[0, 0] for s in (system, long, tuning)]
    assert np.std(first[0] - first[1]) > 0
    assert np.std(first[0] - first[2]) > 0
    assert len({s.digest for s in (system, long, tuning)}) == 3
    assert digest_of(truth="long") == long.digest


def test_truth_less_its_coasts_lies_in_the_band_to_rounding(system):
    fields = system.layout.now(system.truth(0, 0))[0].astype(float)
    varying = fields - load_coasts(FILES, 4.0)
    size = np.abs(fields).max(axis=-1, keepdims=True)
    outside = np.asarray(sphere_noise().project(jnp.asarray(varying))) - varying
    assert np.abs(outside / size).max() < 64 * np.finfo(np.float32).eps


def test_both_grids_hold_the_same_truth(system, fine):
    coarse = system.truth(0, 0).reshape(2, 39, 46, 90)
    size = np.abs(coarse).max(axis=(0, 2, 3))[None, :, None, None]
    refined = fine.truth(0, 0).reshape(2, 39, 91, 180)[..., ::2, ::2]
    np.testing.assert_allclose(refined / size, coarse / size, rtol=0, atol=1e-5)


def test_a_third_of_the_earth_is_land(system):
    lat = system.layout.positions["latitude"]
    land = (system.layout.land * np.cos(np.radians(lat))).sum() / np.cos(np.radians(lat)).sum()
    assert 0.25 < land < 0.35


def test_a_draw_keeps_the_first_frame_and_the_mass_of_air(system):
    model, x = system.model, jnp.asarray(system.truth(0, 0))
    keys = jax.random.split(jax.random.key(0), 1)
    drawn = jax.jit(lambda x: draw.members(keys, model, x, 0.0, model.sampler, 1)[0])(x)
    after = system.layout.unflatten(np.asarray(drawn))
    np.testing.assert_array_equal(after[:, 0], system.layout.now(np.asarray(x)))
    msl = system.layout.channel("mean_sea_level_pressure")
    change = jnp.asarray(after[0, 1, msl] - after[0, 0, msl])[None]
    mean = float(sphere_noise().analyse(change)[0, 0]) / np.sqrt(4 * np.pi)
    assert abs(mean) < 0.02  # Pa; a field of 1e5 Pa is rounded to 0.008
    assert 10 < float(change.std()) < 3000


def test_asking_for_more_truth_than_there_is_names_what_there_is(system):
    with pytest.raises(UserError, match="30"):
        system.truth(0, 1000)

from dataclasses import replace
from datetime import UTC, datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from gencast_small import CONFIG, LATITUDE, LONGITUDE, TASK, random_params
from official_batch import open_model, to_batch

from dabench.core.errors import UserError
from dabench.core.types import Keys, Members, Time
from dabench.diffusion import draw
from dabench.diffusion.model import DiffusionModel
from dabench.systems.gencast import batches, clock, model
from dabench.systems.gencast.channels import SST
from dabench.systems.gencast.checkpoint import Checkpoint, SamplerConfig, save
from dabench.systems.gencast.model import GenCast
from dabench.systems.gencast.normalise import Statistics, load_statistics
from dabench.systems.sphere.noise import SphereNoise

SEA_TASK = replace(
    TASK,
    input_variables=(*TASK.input_variables, SST),
    target_variables=(*TASK.target_variables, SST),
)
CONFIG_WITH_SEA = replace(
    CONFIG, task_config=SEA_TASK, sampler_config=SamplerConfig(num_noise_levels=3)
)
POINTS = len(LATITUDE) * len(LONGITUDE)
LAND = np.arange(POINTS) % 3 == 0
TIME = 1_000_000_000
FILL = 271.0


def table(surface: float, upper: list[float], **more: float) -> xr.Dataset:
    """One value for the 2 m temperature and sea, others by level, in another order than asked."""
    values = {"2m_temperature": surface, SST: surface, **more}
    return xr.Dataset(
        {"temperature": ("level", np.array(upper, np.float32)), **values},
        {"level": [850, 500, 250]},
    )


STATISTICS = Statistics(
    mean=table(280.0, [275.0, 250.0, 1.0], total_precipitation_12hr=0.002),
    stddev=table(20.0, [15.0, 12.0, 1.0], total_precipitation_12hr=0.004),
    diffs_stddev=table(4.0, [3.0, 2.0, 1.0], total_precipitation_12hr=99.0),
    min=xr.Dataset({SST: FILL}),
)


@pytest.fixture(scope="module")
def gencast() -> GenCast:
    loaded = Checkpoint(random_params(CONFIG_WITH_SEA, jnp.float32), CONFIG_WITH_SEA)
    static = {"land_sea_mask": LAND.astype(np.float32)}
    return model.on_grid(loaded, STATISTICS, LATITUDE, LONGITUDE, static, LAND)


def states(model: GenCast, members: int = 2) -> jax.Array:
    """Plausible temperatures, NaN in the sea's where there is land."""
    x = 280 + 5 * np.random.default_rng(0).normal(size=(members, *model.layout.shape))
    x[:, :, model.layout.channel(SST), LAND] = np.nan
    return jnp.asarray(x.reshape(members, -1), jnp.float32)


def forecast_of(model: GenCast, keys: Keys, x: Members, time: Time) -> Members:
    """One draw for each member with the checkpoint's own sampler."""
    return draw.members(keys, model, x, time, model.sampler, batch=1)[0]


def test_gencast_is_a_diffusion_model(gencast):
    assert isinstance(gencast, DiffusionModel)
    names = [(c.name, c.level) for c in gencast.layout.channels]
    assert names[:3] == [("2m_temperature", None), (SST, None), ("temperature", 500)]
    assert gencast.layout.frames == 2


def test_known_channels_by_hand(gencast):
    x = states(gencast)
    frames = np.asarray(gencast.layout.unflatten(x))
    known = np.moveaxis(np.asarray(gencast.known(x, jnp.asarray(TIME))), -1, 1)
    names = "2m_temperature", "day_progress_sin", "land_sea_mask", SST, "temperature"
    first = dict(zip(names, (0, 2, 4, 5, 7), strict=True))
    np.testing.assert_allclose(
        known[:, first["2m_temperature"]], (frames[:, 0, 0] - 280) / 20, atol=1e-5
    )
    np.testing.assert_array_equal(known[:, first["land_sea_mask"]], np.stack([LAND] * 2))
    sea = known[:, first[SST] + 1]
    np.testing.assert_allclose(sea[:, LAND], (FILL - 280) / 20, atol=1e-5)
    np.testing.assert_allclose(sea[:, ~LAND], (frames[:, 1, 1][:, ~LAND] - 280) / 20, atol=1e-5)
    upper = frames[:, :, 2:4]  # 500 then 850 hPa; earlier frame first
    scaled = (upper - np.array([250, 275])[:, None]) / np.array([12, 15])[:, None]
    np.testing.assert_allclose(known[:, 7:11], scaled.reshape(2, 4, -1), atol=1e-5)
    for row, hours in ((2, -24), (3, -12), (11, 0)):
        wave = clock.features(jnp.asarray(TIME + 3600 * hours), LONGITUDE)["day_progress_sin"]
        np.testing.assert_allclose(known[0, row], np.tile(wave, len(LATITUDE)), atol=1e-6)


def test_next_state_by_hand(gencast):
    x, z = states(gencast), jax.random.normal(jax.random.key(0), (2, gencast.target_size))
    old, fields = np.asarray(gencast.layout.unflatten(x)), np.asarray(z).reshape(2, 5, -1)
    new = np.asarray(gencast.layout.unflatten(gencast.next_state(z, x)))
    np.testing.assert_array_equal(new[:, 0, 0], old[:, 1, 0])
    np.testing.assert_allclose(new[:, 1, 0], old[:, 1, 0] + 4 * fields[:, 0], rtol=1e-6)
    np.testing.assert_allclose(new[:, 1, 2], old[:, 1, 2] + 2 * fields[:, 2], rtol=1e-6)
    rain = 0.002 + 0.004 * fields[:, 4]
    np.testing.assert_allclose(new[:, 1, 4], rain, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(new[:, :, 1][..., LAND], np.float32(FILL))
    assert np.isfinite(new).all()


def test_target_inverts_next_state(gencast):
    x, z = states(gencast), jax.random.normal(jax.random.key(1), (2, gencast.target_size))
    found = gencast.target(x, gencast.next_state(z, x)).reshape(2, *gencast.fields)
    expected = np.where(gencast.layout.undefined, 0, np.asarray(z).reshape(2, *gencast.fields))
    np.testing.assert_allclose(found, expected, atol=2e-4)  # 280 K in float32, over 2 K


def test_forecast_is_finite_and_each_member_its_own(gencast):
    keys, x = jax.random.split(jax.random.key(2), 2), states(gencast)
    forecast = jax.jit(lambda *args: forecast_of(gencast, *args))
    both = forecast(keys, x, jnp.asarray(TIME))
    assert np.isfinite(both).all()
    swapped = forecast(keys[::-1], x[::-1], jnp.asarray(TIME))
    np.testing.assert_allclose(swapped[::-1], both, rtol=1e-5)


def test_projected_denoiser_stays_in_the_range_of_the_noise(gencast):
    sphere = SphereNoise(LATITUDE, LONGITUDE, 5)
    loaded = Checkpoint(gencast.params, CONFIG_WITH_SEA)
    inside = GenCast(
        loaded, gencast.normaliser, gencast.layout, gencast.static, noise=sphere, project=True
    )
    z = jax.vmap(inside.noise)(jax.random.split(jax.random.key(3), 2))

    @jax.jit
    def both(x, z):
        condition = inside.condition(x, jnp.asarray(TIME))
        ends = (m.denoiser(jnp.asarray(1.0))(z, condition) for m in (inside, gencast))
        return [end.reshape(2, 5, -1) for end in ends]

    out, free = both(states(gencast), z)
    np.testing.assert_allclose(sphere.project(out), out, atol=1e-5)
    np.testing.assert_allclose(sphere.project(free), out, atol=1e-5)


@pytest.mark.parametrize(("date", "longitude"), [("1970-01-01", 0.0), ("2019-03-29T18", 90.0)])
def test_clock_features_at_known_times(date, longitude):
    when = datetime.fromisoformat(date).replace(tzinfo=UTC)
    seconds = when.timestamp()
    waves = clock.features(jnp.asarray(seconds), np.array([longitude]))
    hour = (when.hour + longitude / 15) % 24
    year = 2 * np.pi * seconds / 86400 / 365.24219
    np.testing.assert_allclose(waves["day_progress_sin"], np.sin(hour * np.pi / 12), atol=1e-6)
    np.testing.assert_allclose(waves["day_progress_cos"], np.cos(hour * np.pi / 12), atol=1e-6)
    np.testing.assert_allclose(waves["year_progress_sin"], np.sin(year), atol=1e-6)
    np.testing.assert_allclose(waves["year_progress_cos"], np.cos(year), atol=1e-6)


def test_missing_statistics_files_are_named(tmp_path):
    (tmp_path / "mean_by_level.nc").touch()
    with pytest.raises(UserError, match=r"stddev_by_level.nc, diffs_stddev_by_level.nc, min_"):
        load_statistics(tmp_path)


def test_a_level_without_statistics_is_named(gencast):
    task = replace(SEA_TASK, pressure_levels=(500, 70))
    config = replace(CONFIG_WITH_SEA, task_config=task)
    loaded = Checkpoint(gencast.params, config)
    with pytest.raises(UserError, match="temperature has no value at level 70 hPa"):
        model.on_grid(loaded, STATISTICS, LATITUDE, LONGITUDE, gencast.static, LAND)


def test_churn_limited_from_above_is_refused():
    with pytest.raises(UserError, match="churn can only be limited from below"):
        model.own_sampler(SamplerConfig(churn_max_noise_level=50.0))


def test_batches_and_states_are_the_same_data(gencast, tmp_path):
    x = states(gencast, 1)
    frames = np.asarray(gencast.layout.unflatten(x))[0]
    batch = to_batch(frames, SEA_TASK, LATITUDE, LONGITUDE, (0, 12))
    dates = np.datetime64(TIME, "s") - np.array([24, 12], "timedelta64[h]")
    batch = batch.assign_coords(datetime=(("batch", "time"), dates[None].astype("datetime64[ns]")))
    batch["land_sea_mask"] = (("lat", "lon"), LAND.reshape(len(LATITUDE), -1).astype(np.float32))
    for name in ("mean", "stddev", "diffs_stddev", "min"):
        getattr(STATISTICS, name).to_netcdf(tmp_path / f"{name}_by_level.nc")
    save(tmp_path / "weights.npz", Checkpoint(gencast.params, CONFIG_WITH_SEA))
    north_first = batch.isel(lat=slice(None, None, -1))
    opened, state, time = open_model(tmp_path / "weights.npz", tmp_path, north_first)
    assert time == TIME
    np.testing.assert_array_equal(opened.layout.undefined, gencast.layout.undefined)
    np.testing.assert_array_equal(state, np.where(np.isnan(x[0]), np.float32(FILL), x[0]))
    with pytest.raises(UserError, match="batch: variable temperature is missing"):
        batches.frame(batch.drop_vars("temperature"), SEA_TASK, 0)


def test_draws_are_the_same_where_conditions_are_worked_out_again(gencast, monkeypatch):
    x, keys = states(gencast), jax.random.split(jax.random.key(2), 2)
    assert draw.context_bytes(gencast) == POINTS * 12 * 4
    kept = jax.jit(lambda *args: forecast_of(gencast, *args))(keys, x, jnp.asarray(TIME))
    monkeypatch.setattr(draw, "KEEP_BELOW", 2 * POINTS * 12 * 4 - 1)
    assert draw.contexts(gencast, x, jnp.asarray(TIME), 1) is None
    again = jax.jit(lambda *args: forecast_of(gencast, *args))(keys, x, jnp.asarray(TIME))
    np.testing.assert_allclose(again, kept, rtol=1e-5)

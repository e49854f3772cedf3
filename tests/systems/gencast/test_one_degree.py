"""The published one-degree sizes, with random weights: one step each, its time and its memory.

Minutes and gigabytes, so only where DABENCH_ONE_DEGREE names mesh sizes (4 is Mini: `4`, `4,5`).
"""

import os
import resource
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from dabench.diffusion.draw import contexts
from dabench.diffusion.guidance import Condition, GuidanceSettings, posterior_mean
from dabench.observe.network import Observation, networks
from dabench.scenario.load import load_scenario
from dabench.systems.gencast import batches, checkpoint, official
from dabench.systems.gencast.checkpoint import Config, DenoiserConfig, TransformerConfig
from dabench.systems.gencast.network import parameters
from dabench.systems.gencast.system import gencast

MESHES = [int(m) for m in os.environ.get("DABENCH_ONE_DEGREE", "").split(",") if m]
MEMBERS = 2
FLOPS = {4: 1.37e12, 5: 2.38e12}
"""Of one evaluation with exact sparsity (GenCast specification, section 8)."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MESHES, reason="DABENCH_ONE_DEGREE names no mesh"),
]


def write_checkpoint(path: Path, mesh: int) -> Path:
    """Full width, official format, random weights."""
    transformer = TransformerConfig(attention_k_hop=16, d_model=512)
    config = Config(official.TASK, DenoiserConfig(transformer, mesh_size=mesh))
    params = parameters.initialise(jax.random.key(0), config)
    checkpoint.save(path, checkpoint.Checkpoint(jax.tree.map(np.asarray, params), config))
    return path


def write_batch(path: Path) -> Path:
    """Three smooth frames in the layout of an official example batch."""
    lat, lon = np.arange(-90.0, 91), np.arange(360.0)
    wave = (np.cos(np.radians(lat))[:, None] * np.sin(np.radians(3 * lon))).astype("float32")
    data = {}
    for name in batches.UNITS:
        level = (13,) if name in batches.channels.ATMOSPHERIC else ()
        dims = ("batch", "time", *["level"] * len(level), "lat", "lon")
        data[name] = (dims, np.broadcast_to(wave, (1, 3, *level, 181, 360)).copy())
    for name in ("land_sea_mask", "geopotential_at_surface"):
        data[name] = (("lat", "lon"), np.abs(wave))
    hours = 12 * np.arange(3)
    start = np.datetime64("2018-12-31T12", "ns")
    coords = {
        "time": hours.astype("m8[h]").astype("m8[ns]"),
        "datetime": (("batch", "time"), (start + hours.astype("m8[h]"))[None]),
        "level": np.array(official.LEVELS, "int32"),
        "lat": lat.astype("float32"),
        "lon": lon.astype("float32"),
    }
    xr.Dataset(data, coords).to_netcdf(path)
    return path


def write_statistics(folder: Path) -> Path:
    folder.mkdir()
    for name in official.STATISTICS:
        per = {n: float(name.startswith(("std", "diff"))) for n in batches.UNITS}
        xr.Dataset(per).to_netcdf(folder / name)
    return folder


@pytest.mark.parametrize("mesh", MESHES)
def test_one_free_and_one_guided_step(mesh, tmp_path, capsys):
    path, begin = write_checkpoint(tmp_path / "full.npz", mesh), time.perf_counter()
    system = gencast(
        model=str(path),
        start="2019-01-01T00:00",
        resolution=1.0,
        statistics=str(write_statistics(tmp_path / "stats")),
        data=str(write_batch(tmp_path / "batch.nc")),
        batch=1,
    )
    model, network = (
        system.model,
        networks(load_scenario("era5/temp_4deg"), system.layout).assimilated,
    )
    x = jnp.asarray(np.tile(system.truth(0, 1)[:1], (MEMBERS, 1)))

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    say(f"mesh {mesh}: built in {time.perf_counter() - begin:.0f} s")
    seconds, sigma = jnp.asarray(1546300800.0 + 43200), jnp.float32(1.0)
    context = contexts(model, x, seconds, 1)
    z = jax.vmap(model.noise)(jax.random.split(jax.random.key(1), MEMBERS))
    y = jnp.zeros(network.size, jnp.float32)
    condition = Condition(
        network.h, network.error_std, Observation(seconds, y).y, GuidanceSettings()
    )

    @jax.jit
    def free(z, context):
        denoise = model.denoiser(sigma)
        return jax.lax.map(lambda m: denoise(m[0][None], m[1][None])[0], (z, context))

    @jax.jit
    def guided(z, context, x):
        denoise = model.denoiser(sigma)

        def one(m):
            z, c, x = (a[None] for a in m)
            return posterior_mean(model, condition, lambda z: denoise(z, c), sigma, z, x)[0][0]

        return jax.lax.map(one, (z, context, x))

    with jax.numpy_rank_promotion("allow"):
        for name, step, args in (
            ("free", free, (z, context)),
            ("guided", guided, (z, context, x)),
        ):
            compiled = step.lower(*args).compile()
            begin = time.perf_counter()
            out = jax.block_until_ready(compiled(*args))
            took = (time.perf_counter() - begin) / MEMBERS
            assert np.isfinite(out).all()
            temp = compiled.memory_analysis().temp_size_in_bytes / 2**30
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            say(
                f"{name}: {took:.1f} s a member ({FLOPS[mesh] / took / 1e9:.0f} GFLOP/s if it were "
                f"one evaluation), temporaries {temp:.1f} GiB, peak {peak:.1f} GiB"
            )
            assert peak < 16

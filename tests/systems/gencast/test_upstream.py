"""D of the authors' own code, where it is installed, from the same file and the same fields."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from gencast_golden import HERE, Case, close

from dabench.systems.gencast import channels

PACKAGES = {  # the module of GenCast, and that of checkpoints
    "weathernext.weathernext1_gen.gencast": "weathernext.utils.checkpoint",
    "graphcast.gencast": "graphcast.checkpoint",
}
SIGMA = 1.5


def upstream():
    """DeepMind's modules; the registry's graphcast, another thing, has none of this name."""
    for model, reader in PACKAGES.items():
        try:
            return importlib.import_module(model), importlib.import_module(reader)
        except ImportError:
            continue
    pytest.skip("neither weathernext nor DeepMind's graphcast is installed")


def dataset(fields, rng, latitude, longitude) -> xr.Dataset:
    """Standard normal values for every variable among the fields, as the network takes them."""
    found = {}
    for name in dict.fromkeys(f.name for f in fields):
        own = [f for f in fields if f.name == name]
        hours, levels = [f.hours for f in own], [f.level for f in own]
        coords = {"lat": latitude, "lon": longitude}
        if None not in hours:
            coords = {
                "batch": [0],
                "time": np.array([*dict.fromkeys(hours)], "m8[h]").astype("m8[ns]"),
                **coords,
            }
        if None not in levels:
            coords["level"] = np.array([*dict.fromkeys(levels)], "int32")
        values = rng.normal(size=[len(c) for c in coords.values()]).astype(np.float32)
        found[name] = xr.DataArray(values, coords, [*coords]).drop_vars("batch", errors="ignore")
    return xr.Dataset(found)


def stacked(data: xr.Dataset, fields) -> np.ndarray:
    """(member, node, field)."""
    rows = []
    for f in fields:
        values = data[f.name]
        if f.hours is not None:
            values = values.isel(batch=0).sel(time=np.timedelta64(f.hours, "h"))
        values = values if f.level is None else values.sel(level=f.level)
        rows.append(values.transpose("lat", "lon").values.ravel())
    return np.stack(rows, -1)[None]


def test_denoiser_is_that_of_the_installed_package():
    gencast, reader = upstream()
    hk = pytest.importorskip("haiku")
    case, rng = Case(HERE), np.random.default_rng(0)
    task = case.checkpoint.config.task_config
    groups = channels.inputs(task), channels.targets(task), channels.forcings(task)
    inputs, noisy, forcings = (dataset(fields, rng, *case.grid) for fields in groups)

    with open(case.path("tiny_checkpoint.npz"), "rb") as f:
        loaded = reader.load(f, gencast.CheckPoint)
    size = loaded.denoiser_architecture_config
    on_any_device = dataclasses.replace(
        size.sparse_transformer_config, attention_type="triblockdiag_mha", mask_type="full"
    )

    @hk.transform
    def denoise(inputs, noisy, forcings):
        model = gencast.GenCast(
            task_config=loaded.task_config,
            denoiser_architecture_config=dataclasses.replace(
                size, sparse_transformer_config=on_any_device
            ),
            sampler_config=loaded.sampler_config,
            noise_config=loaded.noise_config,
            noise_encoder_config=loaded.noise_encoder_config,
        )
        level = xr.DataArray(np.array([SIGMA], np.float32), dims=("batch",))
        return model._preconditioned_denoiser(inputs, noisy, level, forcings)

    with jax.numpy_rank_promotion("allow"):
        theirs = denoise.apply(loaded.params, jax.random.key(0), inputs, noisy, forcings)
    expected = stacked(theirs.map(lambda a: a.copy(data=np.asarray(a.data))), groups[1])

    network, params = case.network, case.params
    known = np.concatenate([stacked(inputs, groups[0]), stacked(forcings, groups[2])], -1)
    level = network.at_level(params, jnp.asarray(SIGMA, jnp.float32))
    condition = network.condition(params, jnp.asarray(known))
    ours = network.denoise(params, level, condition, jnp.asarray(stacked(noisy, groups[1])))
    close(ours, expected, 1e-4)

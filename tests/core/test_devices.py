"""Members over several devices: the numbers of one, up to rounding, and little that crosses."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from official_batch import open_model
from patience import PATIENCE

from dabench.core import devices
from dabench.core.jax_setup import set_up_jax
from dabench.core.layout import Channel, Layout
from dabench.diffusion import draw
from dabench.diffusion.guidance import Condition
from dabench.diffusion.model import Sampler
from dabench.observe.network import Network
from dabench.runs import cycle, execute
from dabench.runs.archive.read import open_run
from dabench.runs.step import compile_step
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, ring_correlation

GENCAST = Path(__file__).parents[1] / "data" / "gencast"
MEMBERS, BATCH = 7, 2
FIELD = 6, 1, 19 * 36
"""Points of a field of the ring, of the share of guarded solves, of GenCast."""
RUNS = {"ensemble": 8, "guided": 8, "fa_apf": 8, "bootstrap": 6, "enkf": 8, "oi": 6}
RUNS |= {"letkf": 8, "letkf/between": 8}
NEAR = ["length_scale_sites=2"]
CHANGES = {"letkf": NEAR, "letkf/between": [*NEAR, "weight_stride=3"], "oi": NEAR}
"""The EnKF analyses all points as one unit, at which one of the devices works."""
STATE, OBSERVED, CYCLES, LEVELS = 16, 4, 3, 40
ANCESTORS = {8: [7, 7, 7, 0, 1, 7, 2, 2], 6: [5, 0, 0, 5, 5, 5]}
COLLECTIVE = re.compile(
    r" = (.*?) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)(?:-start)?\("
)


def guided_ring():
    """Guided draws from a Gaussian model, in float64, and how many solves were guarded."""
    layout = Layout((Channel("state"),), {"site": np.arange(6)}, periodic=True, dtype="float64")
    model = AdditiveGaussian(layout, jnp.sin, 4 * ring_correlation(6, 1.5))
    network = Network(lambda x: x[:2], np.array([0.1, 0.3]), pd.DataFrame(), True)
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    x = jax.random.normal(jax.random.key(1), (MEMBERS, 6))
    condition = Condition(network.h, network.error_std, jnp.array([0.5, -1.0]))
    sampler = Sampler("dpmpp_2s", levels=6, churn=2.5)
    drawn, stats = jax.jit(
        lambda keys, x: draw.members(keys, model, x, jnp.zeros(()), sampler, BATCH, condition)
    )(keys, x)
    return drawn, stats["guarded"]


def gencast():
    """Draws from a GenCast with random weights, in float32."""
    batch = xr.load_dataset(GENCAST / "example_batch.nc")
    model, x, time = open_model(GENCAST / "tiny_checkpoint.npz", GENCAST, batch)
    keys = jax.random.split(jax.random.key(2), MEMBERS)
    x = jnp.broadcast_to(jnp.asarray(x)[None], (MEMBERS, len(x)))
    sampler = Sampler("dpmpp_2m", levels=2)

    @jax.jit
    def drawn(keys, x):
        return draw.members(keys, model, x, jnp.asarray(time), sampler, BATCH)[0]

    return (drawn(keys, x),)


def draws(*models):
    return [np.asarray(a) for model in models for a in model()]


def moved():
    """Members of two shapes, chosen by number; most of them from one device."""
    rows = []
    for n, ancestor in ANCESTORS.items():
        members = np.arange(n * 5.0).reshape(n, 5), np.arange(n * 24.0).reshape(n, 3, 8)
        rows += jax.jit(devices.take)(members, np.array(ancestor))
    return [np.asarray(a) for a in rows]


def go(method, folder, **options):
    """A run of linear_gaussian: what crosses devices in a step, and members held at its end."""
    members, steps = RUNS[method], []
    settings: dict = {"members": members, "cycles": CYCLES, "changes": CHANGES.get(method, ())}
    (job,) = execute.plan("linear_gaussian", methods=[method.split("/")[0]], **settings)
    folder.mkdir(exist_ok=True, parents=True)

    def compiled(*args, make=compile_step, **options):
        steps.append(make(*args, **options))
        return steps[-1]

    with mock.patch.object(cycle, "compile_step", compiled):
        twin, attrs = job.experiment.twin, {"status": "running", "completed": -1}
        cycle.run(job.filter(), twin, members, folder, attrs, store_members=True, **options)
    step = steps[-1][0].compiled
    shape = step.output_shardings[0].x.shard_shape((members, STATE))
    return {"crossing": crossing(step.as_text()), "held": shape}


def crossing(text):
    """[kind, numbers that a device gets] for every collective of a compiled program."""
    exchanges = []
    for shapes, kind in COLLECTIVE.findall(text):
        sizes = [s.split(",") if s else [] for s in re.findall(r"\[([\d,]*)\]", shapes)]
        exchanges.append([kind, sum(math.prod(map(int, size)) for size in sizes)])
    return sorted(exchanges)


def stop_at_2(k, *_):
    if k == 2:
        raise InterruptedError


def everything(folder):
    """All of this file, on the devices that there are."""
    np.savez(folder / "draws.npz", *draws(guided_ring, gencast))
    np.savez(folder / "moved.npz", *moved())
    runs = {method: go(method, folder / method) for method in RUNS}
    (folder / "found.json").write_text(json.dumps(runs))
    cycle.FLUSH_SECONDS = 0.0
    with pytest.raises(InterruptedError):
        go("fa_apf", folder / "parts", report=stop_at_2)
    go("fa_apf", folder / "parts")


def on_devices(count, what, folder):
    """This file as a program that has some devices."""
    paths = os.pathsep.join(filter(None, sys.path))  # of this process, the tests' among them
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(count), "PYTHONPATH": paths}
    command = [sys.executable, __file__, what, str(folder)]
    subprocess.run(command, check=True, env=environment, timeout=PATIENCE)
    return folder


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """Where four devices have left everything."""
    return on_devices(4, "everything", tmp_path_factory.mktemp("four"))


@pytest.fixture(scope="module")
def draws_of_one():
    assert jax.local_device_count() == 1
    return draws(guided_ring, gencast)


def check_draws(folder, draws_of_one):
    """Seven members in batches of two, here and on each device; 16 roundings of each field."""
    with np.load(folder / "draws.npz") as draws:
        for i, expected in enumerate(draws_of_one[: len(draws.files)]):
            rows, fields = (a.reshape(-1, FIELD[i]) for a in (draws[f"arr_{i}"], expected))
            error = np.abs(rows - fields).max(-1)
            assert (error <= 16 * np.finfo(fields.dtype).eps * np.abs(fields).max(-1)).all()


@pytest.mark.slow
def test_draws_of_two_devices_are_those_of_one(draws_of_one, tmp_path):
    """Without GenCast's, which are split by the same code and are compared on four."""
    check_draws(on_devices(2, "draws", tmp_path), draws_of_one)


def test_draws_of_four_devices_are_those_of_one(draws_of_one, four):
    check_draws(four, draws_of_one)


@pytest.mark.parametrize("method", RUNS)
def test_the_archive_of_four_devices_is_that_of_one(method, four, tmp_path):
    """The initial members to the last bit."""
    assert go(method, tmp_path / method)["crossing"] == []
    one, many = (open_run(f / method) for f in (tmp_path, four))
    for group in ("mean", "spread", "members", "observations", "diagnostics"):
        for name, values in one[group].to_dataset().data_vars.items():
            if "seconds" not in str(name):
                np.testing.assert_allclose(many[group][name], values, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(*(execute["members/state"][0] for execute in (one, many)))


@pytest.mark.parametrize("method", RUNS)
def test_between_cycles_a_device_holds_its_members_alone(method, four):
    """Six members make two parts, each of them on two devices."""
    shape = json.loads((four / "found.json").read_text())[method]["held"]
    assert shape == [RUNS[method] // math.gcd(RUNS[method], 4), STATE]


@pytest.mark.parametrize("method", [m for m in RUNS if m not in ("bootstrap", "oi")])
def test_states_cross_only_where_members_are_chosen_or_combined(method, four):
    """Resampling and an analysis take two exchanges of what a device holds.

    All else is smaller than a state, or is h of all members and the inflation at each point, or
    the residual of each member and level, whose median is a diagnostic.
    """
    n, crossing = RUNS[method], json.loads((four / "found.json").read_text())[method]["crossing"]
    kalman = method.startswith(("letkf", "enkf"))
    moved = {"fa_apf": n // 4 * STATE, "enkf": n * STATE}.get(method, n // 4 * STATE * kalman)
    exchanges = [["all-to-all", moved]] * 2 if moved else []
    assert crossing
    expected = [["all-gather", size] for size in (n * OBSERVED, STATE) if kalman]
    if method in ("guided", "fa_apf"):
        expected.append(["all-gather", n * LEVELS])
    assert [each for each in crossing if each[1] >= STATE and each not in expected] == exchanges


def test_members_move_to_the_slots_of_their_offspring(four):
    with np.load(four / "moved.npz") as moved:
        for i, (n, ancestor) in enumerate(ANCESTORS.items()):
            chosen = np.arange(n * 5.0).reshape(n, 5)[ancestor]
            np.testing.assert_array_equal(moved[f"arr_{2 * i}"], chosen)
            chosen = np.arange(n * 24.0).reshape(n, 3, 8)[ancestor]
            np.testing.assert_array_equal(moved[f"arr_{2 * i + 1}"], chosen)


def test_four_devices_go_on_to_the_same_bits(four):
    whole, parts = (open_run(four / name) for name in ("fa_apf", "parts"))
    for group in ("mean", "spread", "members"):
        assert whole[group].to_dataset().load().equals(parts[group].to_dataset().load())


if __name__ == "__main__":
    set_up_jax()
    if sys.argv[1] == "draws":
        np.savez(Path(sys.argv[2]) / "draws.npz", *draws(guided_ring))
    else:
        everything(Path(sys.argv[2]))

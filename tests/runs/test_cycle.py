"""The loop: what it hands to a filter, what it archives, when it stops and goes on."""

import shutil
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from toy import LAYOUT

from dabench.core.errors import UserError
from dabench.core.random import stream
from dabench.filters.base import Ensemble, Filter, Problem, split_key
from dabench.observe.network import build
from dabench.runs import cycle
from dabench.runs.archive import layout, read, store
from dabench.runs.archive.status import COMPLETE, diverged_at
from dabench.runs.step import compile_step
from dabench.runs.twin import Twin
from dabench.scenario.scenario import Group

ATTRS = {"status": "running", "completed": -1}


def twin(cycles=5, **kw):
    system = toy.toy()
    network = build([Group(error_std=0.5)], LAYOUT)
    return Twin(system, network, jnp.asarray(system.truth(0, cycles)), 7, **kw)


def go(folder, method=None, t=None, members=3, **kw):
    t = t or twin()
    method = method or toy.forecast(problem(t))
    return cycle.run(method, t, members, folder, ATTRS, **kw)


def problem(t):
    return Problem(t.system.model, t.network, jnp.asarray(t.system.climate))


@pytest.mark.parametrize("kind", ["truth", "perturbed", "climatological"])
def test_a_small_initial_ensemble_is_the_start_of_a_large_one(kind):
    t = twin(initial_kind=kind, amplitude=0.5)
    np.testing.assert_array_equal(t.initial(3), t.initial(8)[:3])


def test_initial_members_are_what_they_are_called():
    x = twin().truth[0]
    np.testing.assert_array_equal(twin(initial_kind="truth").initial(2), np.stack([x, x]))
    draws = np.asarray(twin(initial_kind="climatological").initial(10))
    climate = twin().system.climate
    assert sorted(map(tuple, draws)) == sorted(map(tuple, climate))  # each once
    deviation = np.asarray(twin(amplitude=0.25).initial(4000)) - np.asarray(x)
    assert abs(deviation.std() / 0.25 - 1) < 4 / np.sqrt(2 * deviation.size)


def test_archived_moments_are_those_of_the_archived_members(tmp_path):
    assert go(tmp_path) == COMPLETE
    run = read.open_run(tmp_path)
    members = run["members/x"].values
    assert members.shape == (6, 3, 4)
    np.testing.assert_allclose(run["mean/x"], members.mean(1), rtol=1e-14)
    np.testing.assert_allclose(run["spread/x"], members.std(1, ddof=1), rtol=1e-13)
    np.testing.assert_array_equal(run["truth/x"], twin().truth)


def test_a_filter_gets_the_keys_the_times_and_the_observations_of_its_cycle(tmp_path):
    def step(key, ens, obs):
        return ens, {"key": jax.random.key_data(key), "time": obs.time, "y": obs.y}

    t = twin(start=1000.0)
    go(tmp_path, Filter(Ensemble, step), t)
    run = read.open_run(tmp_path)
    keys = [jax.random.key_data(jax.random.fold_in(stream(7, "filter"), k)) for k in range(1, 6)]
    np.testing.assert_array_equal(run["diagnostics/key"][1:], keys)
    np.testing.assert_array_equal(run["diagnostics"]["time"], 1000 + 60.0 * np.arange(6))
    np.testing.assert_array_equal(run["diagnostics/y"], run["observations/y"])
    for k in (1, 5):
        np.testing.assert_array_equal(run["observations/y"][k], t.observation(k).y)


def test_one_trace_and_one_compilation_a_run(tmp_path):
    toy.TRACED.clear()
    go(tmp_path, members=5)
    assert toy.TRACED == ["forecast"]


def test_a_step_that_changes_its_carry_is_a_bug_that_is_named(tmp_path):
    def step(key, ens, obs):
        return Ensemble(ens.x.astype(jnp.float32)), {}

    with pytest.raises(TypeError, match="must keep the carry's shapes"):
        go(tmp_path, Filter(Ensemble, step))


def test_diagnostics_of_any_shape_are_archived_with_named_dimensions(tmp_path):
    go(tmp_path)
    diagnostics = read.open_run(tmp_path)["diagnostics"]
    assert diagnostics["ancestor"].dims == ("cycle", "member")
    assert diagnostics["odd"].dims == ("cycle", "odd_0", "odd_1")
    assert diagnostics["ess"].dims == ("cycle",)
    assert np.isnan(diagnostics["ess"][0])
    assert (diagnostics["ancestor"][0] == -1).all()
    assert (diagnostics["seconds"][1:] > 0).all()


def test_an_ensemble_that_turns_infinite_stops_and_is_archived(tmp_path):
    t = twin()
    status = go(tmp_path, toy.diverging(problem(t), after=150.0), t)
    run = read.open_run(tmp_path)
    assert status == diverged_at(3)
    assert run.attrs["status"] == "diverged at cycle 3"
    assert run.sizes == {} or run["members"].sizes["cycle"] == 4
    assert np.isfinite(run["members/x"][:3]).all()
    assert not np.isfinite(run["members/x"][3]).any()
    assert go(tmp_path, toy.diverging(problem(t)), t) == diverged_at(3)


def test_a_diverged_run_that_was_killed_before_it_ended_has_diverged(tmp_path, monkeypatch):
    method, finish = toy.diverging(problem(twin()), after=150.0), store.Archive.finish

    def die(self, status):
        raise Stop

    for cycles in (3, 5):  # the last cycle, and one before it
        monkeypatch.setattr(store.Archive, "finish", die)
        with pytest.raises(Stop):
            go(tmp_path / str(cycles), method, twin(cycles))
        monkeypatch.setattr(store.Archive, "finish", finish)
        assert go(tmp_path / str(cycles), method, twin(cycles)) == diverged_at(3)
        go(tmp_path / f"whole{cycles}", method, twin(cycles))
        both = (read.open_run(tmp_path / n) for n in (str(cycles), f"whole{cycles}"))
        assert toy.same(*both)


def test_a_step_finds_one_ensemble_on_the_device(tmp_path, monkeypatch):
    compiled, ensembles = compile_step, []

    def watched(*args, **kw):
        step, info = compiled(*args, **kw)

        def call(*arguments):
            ensembles.append(sum(a.shape[:1] == (37,) for a in jax.live_arrays()))
            return step(*arguments)

        call.memory_analysis = step.memory_analysis
        return call, info

    monkeypatch.setattr(cycle, "compile_step", watched)
    method = Filter(Ensemble, lambda key, ens, obs: (Ensemble(ens.x * 0.5), {}))
    go(tmp_path, method, members=37, store_members=False)
    assert ensembles == [1] * 5


def test_one_member_has_no_spread(tmp_path):
    go(tmp_path, members=1)
    assert (read.open_run(tmp_path)["spread/x"] == 0).all()


def stop_at_3(k, ess, rmse):
    if k == 3:
        raise Stop


class Carry(NamedTuple):
    """A carry with more than members: numbers of other kinds, and a random key."""

    x: jax.Array
    count: jax.Array
    half: jax.Array
    key: jax.Array


class Stop(Exception):
    pass


@pytest.mark.parametrize("flush", [0.0, 100.0])
def test_a_run_that_was_stopped_goes_on_to_the_same_end(tmp_path, monkeypatch, flush):
    def init(x):
        return Carry(x, jnp.zeros((), jnp.int32), jnp.zeros(2, jnp.bfloat16), jax.random.key(3))

    def step(key, c, obs):
        keys, _ = split_key(c.key, len(c.x))
        x = toy.Model().forecast(keys, c.x, obs.time) + c.half.sum().astype(c.x.dtype)
        return Carry(x, c.count + 1, c.half + 0.125, key), {"count": c.count}

    monkeypatch.setattr(cycle, "FLUSH_SECONDS", flush)
    method = Filter(init, step)
    go(tmp_path / "whole", method)
    with pytest.raises(Stop):
        go(tmp_path / "stopped", method, report=stop_at_3)
    done = read.open_run(tmp_path / "stopped").attrs["completed"]
    assert done == (2 if flush == 0 else 0)
    assert go(tmp_path / "stopped", method) == COMPLETE
    assert toy.same(read.open_run(tmp_path / "whole"), read.open_run(tmp_path / "stopped"))
    assert not (tmp_path / "stopped" / "restart.npz").exists()


def test_a_run_that_is_complete_is_left_alone(tmp_path):
    go(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert go(tmp_path) == COMPLETE
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}


def test_members_are_kept_by_default_while_they_are_small(tmp_path, monkeypatch):
    go(tmp_path / "small")
    monkeypatch.setattr(cycle, "STORE_BELOW", 6 * 3 * 4 * 8)
    go(tmp_path / "large")
    go(tmp_path / "asked", store_members=True)
    folders = [f for f in ("small", "large", "asked") if "members" in read.open_run(tmp_path / f)]
    assert folders == ["small", "asked"]


def test_a_run_goes_on_with_or_without_members_as_it_began(tmp_path):
    with pytest.raises(Stop):
        go(tmp_path, store_members=False, report=stop_at_3)
    with pytest.raises(UserError, match="was begun without members; go on so, or start with --fr"):
        go(tmp_path, store_members=True)
    assert go(tmp_path) == COMPLETE
    assert "members" not in read.open_run(tmp_path)


def test_what_an_older_version_began_without_ranks_is_refused(tmp_path):
    with pytest.raises(Stop):
        go(tmp_path, store_members=False, report=stop_at_3)
    for name in layout.RANKED:
        shutil.rmtree(tmp_path / "archive.zarr" / name)
    with pytest.raises(UserError, match="older version began it, without ranks; start with --fres"):
        go(tmp_path)

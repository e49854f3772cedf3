"""The accelerator's benchmark, on a small network where there is none."""

import json
from types import SimpleNamespace
from typing import Any

import jax
import pytest

import benchmarks.__main__ as main
from benchmarks import accelerator
from benchmarks.race import Row
from dabench.observe.network import networks
from dabench.scenario.load import load_scenario
from dabench.systems.gencast import official
from dabench.systems.gencast.checkpoint import Config, DenoiserConfig, TransformerConfig


def tiny(precision):
    transformer = TransformerConfig(attention_k_hop=1, d_model=8, num_layers=1, ffw_hidden=8)
    config = Config(official.TASK, DenoiserConfig(transformer, mesh_size=1, latent_size=8))
    return accelerator.one_degree(config, precision, spacing=20.0)


@pytest.mark.slow
def test_every_kind_of_step_is_measured_and_the_experiment_is_projected(monkeypatch):
    monkeypatch.setattr(accelerator, "SIDE", 64)
    monkeypatch.setattr(accelerator, "MOST", 2)
    with jax.numpy_rank_promotion("allow"):
        model = tiny("highest")
        network = networks(load_scenario("era5/temp_4deg"), model.layout).assimilated
        rows = list(accelerator.measure("tiny", model, network, 1e6, 1))
        rows += accelerator.crowded("tiny", model, network, 1)
    assert [row.candidate for row in rows[:4]] == ["forward", "VJP", "JVP", "guided"]
    assert rows[1].notes["TFLOP/s"] == pytest.approx(2e-6 / rows[1].seconds)
    assert rows[3].notes["TFLOP/s"] == pytest.approx(5e-6 / rows[3].seconds)
    hours = 256 * 30 * (120 * rows[3].seconds + rows[0].seconds) / 3600
    assert rows[3].notes["hours of FA-APF"] == pytest.approx(hours, abs=0.051)
    assert [(row.candidate, row.notes["members"]) for row in rows[4:]] == [
        ("forward", 2),
        ("guided", 2),
    ]
    assert rows[5].notes["GiB"] >= rows[3].notes["GiB"]


def test_members_at_once_end_where_memory_does(monkeypatch):
    def fitting(f, given, real=accelerator.fitting):
        if len(given[3]) > 2:
            monkeypatch.setattr(jax, "jit", exhausted)
        return real(f, given)

    def exhausted(f):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying ..")

    model: Any = None
    monkeypatch.setattr(accelerator, "arguments", lambda model, n: (0.0, 0.0, 0.0, [0.0] * n))
    monkeypatch.setattr(accelerator, "fitting", fitting)
    found = accelerator.at_once("tiny", "forward", lambda *given: given[0] + 1, model, 1)
    assert [row.notes["members"] for row in found] == [2]


def test_the_ceiling_of_bfloat16_is_a_product_of_bfloat16(monkeypatch):
    network: Any = SimpleNamespace(half=True, precision="highest")
    monkeypatch.setattr(accelerator, "SIDE", 64)
    made, ones = [], accelerator.jnp.ones
    monkeypatch.setattr(accelerator.jnp, "ones", lambda *a: made.append(a[1]) or ones(*a))
    assert accelerator.product(network, 1) > 0
    assert made == [jax.numpy.bfloat16]


def test_what_was_measured_before_a_failure_is_in_the_file(tmp_path, monkeypatch):
    def run(quick, rounds):
        yield Row("a", "b", 1.0, 1.0, 1.0, 1.0, 1)
        raise MemoryError

    monkeypatch.setattr(accelerator, "run", run)
    monkeypatch.setattr("benchmarks.floor.machine", lambda rounds: {})
    monkeypatch.setattr("dabench.core.jax_setup.set_up_jax", lambda: None)
    assert main.measure(["accelerator"], True, 1, tmp_path / "out.json") == [
        "accelerator: MemoryError: "
    ]
    assert len(json.loads((tmp_path / "out.json").read_text())["rows"]) == 1


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is an accelerator")
def test_without_an_accelerator_it_says_so():
    with pytest.raises(RuntimeError, match="no accelerator here"):
        next(accelerator.run(True, 1))

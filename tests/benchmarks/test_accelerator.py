"""The accelerator's benchmark, on a small network where there is none."""

import jax
import pytest

from benchmarks import accelerator
from dabench.scenario import load_scenario
from dabench.systems.gencast import official
from dabench.systems.gencast.checkpoint import Config, DenoiserConfig, TransformerConfig


def test_every_kind_of_step_is_measured_and_the_experiment_is_projected(monkeypatch):
    monkeypatch.setattr(accelerator, "SIDE", 64)
    transformer = TransformerConfig(attention_k_hop=1, d_model=8, num_layers=1, ffw_hidden=8)
    config = Config(official.TASK, DenoiserConfig(transformer, mesh_size=1, latent_size=8))
    with jax.numpy_rank_promotion("allow"):
        model = accelerator.one_degree(config, "highest", spacing=20.0)
        network = load_scenario("era5/temp_4deg").network(model.layout)
        rows = accelerator.measure("tiny", model, network, 1e6, 1)
    assert [row.candidate for row in rows] == ["forward", "VJP", "JVP", "guided"]
    assert rows[1].notes["TFLOP/s"] == pytest.approx(2e-6 / rows[1].seconds)
    hours = 256 * 30 * (120 * rows[-1].seconds + rows[0].seconds) / 3600
    assert rows[-1].notes["hours of FA-APF"] == pytest.approx(hours, abs=0.051)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is an accelerator")
def test_without_an_accelerator_it_says_so():
    with pytest.raises(RuntimeError, match="no accelerator here"):
        next(accelerator.run(True, 1))

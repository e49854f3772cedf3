"""Every method's step is made for platforms that are not here, as far as that goes without one."""

from pathlib import Path

import jax
import pytest

from dabench.core.random import stream
from dabench.runs import cycle, execute
from dabench.runs.step import constants_as_arguments

MEMBERS = 64  # FA-APF's window on lorenz96-model-error takes 61
CASES = [
    *(("lorenz96-model-error", m) for m in ("letkf", "enkf", "bootstrap", "oi", "persistence")),
    ("temp_16deg", "fa_apf"),  # whose step has all that a draw of an ensemble has
]


@pytest.mark.parametrize(("scenario", "method"), CASES)
def test_a_step_is_lowered_for_accelerators(scenario, method, monkeypatch):
    (job,) = execute.plan(scenario, methods=[method], members=MEMBERS, out=Path("runs"))
    twin, key = job.experiment.twin, stream(0, "filter")
    filter_ = job.filter()
    carry = cycle.initial_carry(filter_, twin, MEMBERS)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    arguments = key, carry, twin.observation(1)
    explicit, constants = constants_as_arguments(filter_.step, *arguments)
    traced = jax.jit(explicit).trace(constants, *arguments)
    for platform in ("cuda", "rocm", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "func.func public @main" in text

"""Memory of a run: what of it is known, from where, and that it reaches the scores."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from test_cycle import go

from dabench.core.errors import UserError
from dabench.runs import memory
from dabench.runs.archive import read
from dabench.scores import diagnostics


def test_a_compiled_step_takes_its_arguments_outputs_and_temporaries():
    x = jnp.ones((300, 500), jnp.float32)
    step = jax.jit(lambda x: jnp.linalg.eigh(x @ x.T)[1] @ x).lower(x).compile()
    size = memory.used_by(step, None, None)["compiled_step_bytes"]
    product, vectors = 300 * 300 * 4, 300 * 300 * 4
    assert size >= 2 * x.nbytes + product  # in, out, and x xT, which the vectors may overwrite
    assert size <= 2 * x.nbytes + 3 * (product + vectors)


def test_a_device_that_tells_is_believed_where_the_run_raised_its_peak():
    step = SimpleNamespace(memory_analysis=lambda: None)
    assert memory.used_by(step, 100, 250) == {"device_peak_bytes": 250}
    assert memory.used_by(step, 250, 250) == {}  # an earlier run held as much


def test_the_memory_of_a_run_is_archived_and_scored_by_member(tmp_path):
    go(tmp_path, members=4)
    run = read.open_run(tmp_path)
    run.attrs["members"] = 4
    cost: dict[str, Any] = diagnostics.cost(run)
    names = [name for name in cost if name.endswith("bytes")]
    assert names == ["compiled_step_bytes"]
    assert cost[names[0]] >= 2 * 4 * 4 * 8  # members in and out: 4 of 4 variables in float64
    np.testing.assert_allclose(cost["compiled_step_bytes_a_member"], cost[names[0]] / 4)


def test_running_out_of_memory_says_how_many_members_fit(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 2**30)
    monkeypatch.setattr(memory, "member_bytes", lambda *_: 2**24)
    experiment = SimpleNamespace(
        problem=SimpleNamespace(batch=4),
        system=SimpleNamespace(memory_advice="system.batch"),
    )
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")
    text = memory.explained(error, experiment, 256)
    assert isinstance(text, UserError)
    assert "about 32 members fit: use --members 32 or less, or a smaller system.batch" in str(text)
    other = ValueError("no")
    assert memory.explained(other, experiment, 256) is other

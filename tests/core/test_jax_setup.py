"""Set-up of JAX and of its process: where programs lie, precision, threads, SIGTERM."""

import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from patience import PATIENCE

from dabench.core import jax_setup

SOLVES = """
import jax, jax.numpy as jnp
from dabench.core.jax_setup import set_up_jax

set_up_jax()
solve = jax.pmap(lambda a: jnp.linalg.eigh(a)[1])
for _ in range(10):
    jax.block_until_ready(solve(jnp.tile(jnp.eye(32), (2, 1000, 1, 1))))
"""


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    before = jax.config.values["jax_compilation_cache_dir"]
    (tmp_path / "cache").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        jax_setup.set_up_jax()
        assert jax.config.values["jax_compilation_cache_dir"] is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_products_are_float32_throughout_unless_a_network_asks_for_less():
    before = jax.config.values["jax_default_matmul_precision"]
    try:
        jax_setup.set_up_jax()
        x = jnp.ones((2, 2), jnp.float32)
        assert "precision=(Precision.HIGHEST, Precision.HIGHEST)" in _text(lambda: x @ x)
        with jax.default_matmul_precision("tensorfloat32"):
            assert "HIGHEST" not in _text(lambda: x @ x)
    finally:
        jax.config.update("jax_default_matmul_precision", before)


def test_devices_that_solve_at_once_leave_threads_to_solve_on():
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2"}
    environment.pop("NPROC", None)
    subprocess.run([sys.executable, "-c", SOLVES], env=environment, check=True, timeout=PATIENCE)


def _text(f):
    """The program that JAX traces; a new function each time, since traces are kept."""
    return str(jax.make_jaxpr(lambda: f())())


def test_termination_is_an_interrupt_while_a_run_lasts():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), jax_setup.sigterm_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before

"""Every test runs in float64 mode and refuses silent rank promotion.

Compiled programs are kept in pytest's cache, for the other worker, for processes that tests start,
and for the next time: most tests take longer to compile than to run.
"""

import os
from importlib.metadata import version
from pathlib import Path

# Workers of the suite share the cores, and threads of OpenBLAS wait for each other in busy loops:
# products of matrices of 256 by 256 took twenty times the CPU seconds with two of them.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# XLA compiles for speed by default, at two to three times the cost, and programs of tests are
# small and run once. Their numbers differ by roundings, for which every test has to allow.
# `XLA_FLAGS=""` compiles as users do. A flag that XLA does not know ends the process: these are for
# versions that were tried.
if version("jaxlib").startswith("0.10."):
    cheaply = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    os.environ.setdefault("XLA_FLAGS", cheaply)

PROGRAMS = Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(PROGRAMS))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax  # noqa: E402 (reads the environment)
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


LONGEST = "test_drills.py", "test_pages.py", "test_devices.py"


def pytest_collection_modifyitems(items):
    """The longest files and those with slow tests come first: no worker ends with one alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path not in slow))


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A bucket of small files, served on the loopback."""
    from server import Bucket

    from dabench.systems.gencast.fetch import download

    monkeypatch.setattr(download, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "bucket"
    root.mkdir()
    with Bucket(root).serving() as serving:
        yield serving

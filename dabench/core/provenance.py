"""Where numbers came from: versions, commit, hardware, precision, command."""

import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import psutil

NAME_OF_PROCESSOR = {  # psutil does not tell it
    "Linux": ["lscpu"],
    "Darwin": ["sysctl", "-n", "machdep.cpu.brand_string"],
}
PACKAGES = ("dabench", "jax", "jaxlib", "numpy", "scipy", "xarray", "zarr")


def provenance() -> dict[str, Any]:
    """All that a reader of results may ask about the process that makes them (JSON-ready)."""
    import jax

    device, config = jax.devices()[0], cast(Any, jax.config)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(),
        "packages": {"python": platform.python_version(), **packages()},
        "commit": commit(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": f"{len(jax.devices())} x {device.device_kind} ({device.platform})",
        "x64": config.jax_enable_x64,
        "matmul_precision": config.jax_default_matmul_precision or "default",
    }


def command() -> str:
    """Command that made this process; `python -m dabench` is dabench."""
    name = Path(sys.argv[0]).name.replace("__main__.py", "dabench")
    return shlex.join([name, *sys.argv[1:]])


def packages() -> dict[str, str]:
    """Installed versions; a package that runs from its source tree has none."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def commit() -> str | None:
    """Commit of the checkout that dabench runs from, `-dirty` if changed; None outside of git."""
    home = Path(__file__).resolve().parents[1]
    try:
        tracked = _git(home, "ls-files", "--error-unmatch", "__init__.py")
        changes = _git(home, "status", "--porcelain", "--untracked-files=no", ".")
        head = _git(home, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("-dirty" if changes else "") if tracked else None


def _git(folder: Path, *args: str) -> str:
    call = ["git", "-C", str(folder), *args]
    return subprocess.run(
        call, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def processor() -> str:
    """The processor's name where the system tells it, or else its kind."""
    kind = platform.processor() or platform.machine()
    ask = NAME_OF_PROCESSOR.get(platform.system())
    if ask is None:
        return kind
    try:
        english = os.environ | {"LC_ALL": "C"}
        done = subprocess.run(ask, capture_output=True, text=True, check=True, env=english)
    except (OSError, subprocess.SubprocessError):
        return kind
    lines = re.findall(r"^(?:Model name:)? *([^:\n]+)$", done.stdout, re.MULTILINE)
    return lines[0].strip() if lines else kind


def cores() -> int:
    """Number of cores that this process may use."""
    process = psutil.Process()
    allowed = process.cpu_affinity() if hasattr(process, "cpu_affinity") else []  # not on macOS
    return len(allowed) or psutil.cpu_count() or 1

"""Members over host devices and processes: strong scaling, and weak (as many members each)."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from unittest import mock

import jax
import jax.numpy as jnp

from benchmarks.race import ROUNDS, Row, race, rows
from dabench.core import devices as sharing
from dabench.diffusion import draw
from dabench.runs.archive import read

BATCH = 2
LEVELS = 4
SCENARIO, QUICK_SCENARIO = "dry_temp_4deg", "dry_temp_8deg"


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Each number of devices in a process of its own, where it meets one of those devices alone."""
    for devices in (2,) if quick else (2, 4):
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
        command = [sys.executable, "-m", "benchmarks.devices", str(rounds)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        yield from (Row(**row) for row in json.loads(done.stdout.splitlines()[-1]))
    yield from processes(QUICK_SCENARIO if quick else SCENARIO, rounds)


def compare(rounds: int) -> list[Row]:
    """Unconditional draws of the embedded network, on one of this process's devices and on all."""
    count = jax.local_device_count()
    strong, weak = BATCH * 4, BATCH * count
    one, all_ = _draw(strong, 1), _draw(strong, count)
    name = f"{count} host devices"
    return [
        *race(f"{name}, {strong} members", {"1 device": one, f"{count} devices": all_}, rounds),
        *race(
            f"{name}, {BATCH} members a device",
            {f"1 device, {BATCH} members": _draw(BATCH, 1), f"{weak} members": _draw(weak, count)},
            rounds,
        ),
    ]


def _draw(members: int, devices: int) -> Callable[[], jax.Array]:
    """Compiled, with as many devices as are asked for."""
    from dabench.diffusion.model import DiffusionModel, Sampler
    from dabench.systems.held_suarez.system import held_suarez

    system = held_suarez()
    x = jnp.broadcast_to(jnp.asarray(system.climate)[:1], (members, system.layout.size))
    keys, time = jax.random.split(jax.random.key(0), members), jnp.zeros(())
    sampler, model = Sampler("dpmpp_2m", LEVELS), cast(DiffusionModel, system.model)
    with mock.patch.object(sharing, "available", return_value=jax.devices()[:devices]):
        run = jax.jit(lambda k, x: draw.members(k, model, x, time, sampler, BATCH)[0])
        compiled = run.lower(keys, x).compile()
    return lambda: compiled(keys, x)


def processes(scenario: str, rounds: int) -> Iterator[Row]:
    """Whole cycles of `dabench run`, its unconditional ensemble; the rounds are cycles."""
    strong, weak = BATCH * 4, BATCH * 2
    both = cycles(scenario, strong, 2, rounds)
    for members, name in ((strong, "in all"), (weak, "a process")):
        alone = cycles(scenario, members, 1, rounds)
        title = f"2 processes, {scenario}, {members} members {name}"
        yield from rows(title, {"1 process": alone, "2 processes": both}, {})


def cycles(scenario: str, members: int, count: int, rounds: int) -> list[float]:
    """Seconds of each cycle but the first one."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "dabench", "run", scenario, "-m", "ensemble", "--out", out]
        command += ["--members", str(members), "--cycles", str(rounds + 1)]
        if count > 1:
            command += ["--coordinator", address(), "--processes", str(count), "--process"]
        each = [[*command, str(i)] if count > 1 else command for i in range(count)]
        started = [subprocess.Popen(c, stdout=subprocess.DEVNULL) for c in each]
        codes = [process.wait() for process in started]
        if any(codes):
            raise RuntimeError(f"{count} processes of {scenario} failed")
        (stored,) = Path(out).glob("**/archive.zarr")
        seconds = read.open_run(stored.parent)["diagnostics"].to_dataset()["seconds"]
        return seconds.values[-rounds:].tolist()


def address() -> str:
    """A free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


if __name__ == "__main__":
    from dabench.core.jax_setup import set_up_jax

    set_up_jax()
    given = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    print(json.dumps([row.plain() for row in compare(given)]))

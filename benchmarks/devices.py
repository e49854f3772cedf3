"""Members over 1, 2 and 4 host devices: strong scaling, and weak (as many members each)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import cast
from unittest import mock

import jax
import jax.numpy as jnp

from benchmarks.race import ROUNDS, Row, race
from dabench import diffusion

BATCH = 2
LEVELS = 4


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Each number of devices in a process of its own, where it meets one of those devices alone."""
    for devices in (2,) if quick else (2, 4):
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
        command = [sys.executable, "-m", "benchmarks.devices", str(rounds)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        yield from (Row(**row) for row in json.loads(done.stdout.splitlines()[-1]))


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
    from dabench.systems.base import DiffusionModel, Sampler
    from dabench.systems.held_suarez.system import held_suarez

    system = held_suarez()
    x = jnp.broadcast_to(jnp.asarray(system.climate)[:1], (members, system.layout.size))
    keys, time = jax.random.split(jax.random.key(0), members), jnp.zeros(())
    sampler, model = Sampler("dpmpp_2m", LEVELS), cast(DiffusionModel, system.model)
    with mock.patch.object(diffusion, "devices_for", return_value=jax.devices()[:devices]):
        run = jax.jit(lambda k, x: diffusion.draw(k, model, x, time, sampler, BATCH)[0])
        compiled = run.lower(keys, x).compile()
    return lambda: compiled(keys, x)


if __name__ == "__main__":
    from dabench.process import set_up_jax

    set_up_jax()
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    print(json.dumps([row.plain() for row in compare(rounds)]))

"""Several processes that run one experiment together, each on devices of its own.

All run the same program, each for the members that its devices hold (`devices`). The first process
alone writes and speaks. Archives must lie where all can read them.
"""

import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from dabench.core.errors import UserError
from dabench.core.jax_setup import set_up_jax

SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
"""What JAX reads in a step of several tasks (jax/_src/clusters/slurm_cluster.py)."""

WAIT = 300.0
"""Seconds that a process waits for the first one, as JAX does."""

Result = TypeVar("Result")

_led: bool | None = None  # whether this process was the first, once they have parted


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Meet the other processes, if there are any, before JAX is used for anything.

    Arguments:
        coordinator, processes, process: Address HOST:PORT of the first process, how many there are,
            and which this one is; or none of them, and SLURM says so in a step of several tasks.
    """
    given = (coordinator, processes, process)
    if None in given and given != (None, None, None):
        raise UserError("--coordinator, --processes and --process: give all three or none")
    if coordinator is None and _number("SLURM_STEP_NUM_TASKS", 1) < 2:
        return
    if processes is not None and process not in range(processes):
        raise UserError(f"--process: {process} is not one of 0 to {processes - 1}")
    where = "SLURM" if coordinator is None else f"--coordinator {coordinator}"
    if coordinator is None:
        _check_slurm()
    else:
        _reach(coordinator, listening=process == 0)
    import jax

    set_up_jax()
    try:
        jax.distributed.initialize(coordinator, processes, process, _devices_of_a_node())
    except (RuntimeError, ValueError) as e:
        raise UserError(f"{where}: {str(e).splitlines()[0]}") from None


def _number(name: str, default: int) -> int:
    """A whole number of the environment."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise UserError(f"{name}={text}: is not a number; SLURM sets it, or leave it unset")
    return int(text)


def _check_slurm() -> None:
    if missing := [name for name in SLURM if name not in os.environ]:
        raise UserError(
            f"SLURM_STEP_NUM_TASKS is above 1 but {', '.join(missing)} not set; start the "
            "processes with srun, or give --coordinator, --processes and --process"
        )


def _reach(coordinator: str, listening: bool) -> None:
    """Wait for the first process to answer, so that JAX, which aborts, need not."""
    host, _, port = coordinator.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 2**16:
        raise UserError(f"--coordinator {coordinator}: give HOST:PORT, such as node1:12345")
    end = time.monotonic() + WAIT
    while not listening:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as e:
            if time.monotonic() > end:
                raise UserError(
                    f"--coordinator {coordinator}: no answer in {WAIT:.0f} s ({e}); start the one "
                    "with --process 0 on that host"
                ) from None
            time.sleep(0.2)


def _devices_of_a_node() -> list[int] | None:
    """All GPUs of a task that has a node to itself; None: what JAX chooses, under SLURM one."""
    if not all(name in os.environ for name in SLURM):
        return None
    if _number("SLURM_NTASKS", 1) > _number("SLURM_STEP_NUM_NODES", 1):
        return None
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return list(range(len(visible.split(","))))
    return list(range(_number("SLURM_GPUS_ON_NODE", 0))) or None


def part() -> None:
    """Let each process end when it likes; the first one still leads, alone."""
    import jax

    global _led
    if jax.distributed.is_initialized():
        _led = leads()
        jax.distributed.shutdown()


def leads() -> bool:
    """Whether this process is the one that writes."""
    import jax

    if _led is not None:
        return _led
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def wait(name: str) -> None:
    """For all processes to come here."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def agree(number: int, what: str) -> None:
    """UserError where processes have different numbers."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        found = multihost_utils.process_allgather(np.int64(number)).tolist()
        if len(set(found)) > 1:
            raise UserError(f"{what}: processes found {found}; all must see the same files")


def told(value: bool) -> bool:
    """What the first process says, to all."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.bool_(value)))


def anywhere(value: bool) -> bool:
    """Whether it holds in some process."""
    if not several():
        return value
    import numpy as np
    from jax.experimental import multihost_utils

    return bool(multihost_utils.process_allgather(np.bool_(value)).any())


def by_all(act: Callable[[], Result]) -> Result:
    """What every process does; where it fails in one, it fails in all, and none waits for it."""
    result = error = None
    try:
        result = act()
    except Exception as e:  # told below
        error = e
    if anywhere(error is not None):
        raise error or UserError("another process could not go on; it says why")
    return cast(Result, result)


def by_first(act: Callable[[], Result]) -> Result | None:
    """What the first process alone does; if it fails, all fail. None on others."""
    return by_all(lambda: act() if leads() else None)


@contextmanager
def together() -> Iterator[None]:
    """What ends one of several processes ends all: they wait for it, and would do so for ever.

    It ends without farewell, which JAX notices within 100 s (its `heartbeat_timeout_seconds`).
    """
    try:
        yield
    except Exception as e:
        if several() and not isinstance(e, UserError):
            traceback.print_exc()
            sys.stdout.flush()
            os._exit(1)
        raise


def several() -> bool:
    """Whether there are processes that work together now."""
    if "jax" not in sys.modules:
        return False
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1

"""Several processes, on one host or many, that run one experiment together.

All run the same program, each for the members that its own devices hold (`devices`). The first
process alone writes files and prints. Archives must lie where every process can read them.

A verb of this table must be called by every process, in the same order, because processes wait in
it for each other (alone, a process passes through):

    verb                 every process gives    and gets                       waits for
    barrier              a name                 nothing                        all others
    check_equal          a number               UserError if numbers differ    all others
    broadcast            a truth value          that of the first process      the first
    in_any               a truth value          whether any gave True          all others
    run_on_all           a function             its own result; an error, if   all others, after
                                                the function failed anywhere   the function
    run_on_first         a function, called     its result on the first, None  the first, to the
                         by the first alone     on others; errors as above     function's end

`end_together` is no meeting: it makes a bug in one process end that process at once, which ends
the others.
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
"""Variables that JAX reads in a step of several tasks (jax/_src/clusters/slurm_cluster.py)."""

WAIT = 300.0  # seconds that a process waits for the first one, as JAX does

Result = TypeVar("Result")

_was_first: bool | None = None  # whether this process was the first of several, after `separate`


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Connect to the other processes, if there are any, before JAX is used for anything.

    Without arguments the processes are the tasks of a SLURM step, if there are several.

    Arguments:
        coordinator: Address HOST:PORT of the first process.
        processes: Number of processes.
        process: Number of this process, from 0 on.
    Raises: UserError where arguments or SLURM's variables do not make sense, or nobody answers.
    """
    options = (coordinator, processes, process)
    if None in options and options != (None, None, None):
        raise UserError("--coordinator, --processes and --process: give all three or none")
    if coordinator is None and _number("SLURM_STEP_NUM_TASKS", 1) < 2:
        return
    if processes is not None and process not in range(processes):
        raise UserError(f"--process: {process} is not one of 0 to {processes - 1}")
    where = "SLURM" if coordinator is None else f"--coordinator {coordinator}"
    if coordinator is None:
        _check_slurm()
    else:
        host, port = _host_and_port(coordinator)
        if process != 0:
            _wait_for_first(coordinator, host, port)
    import jax

    set_up_jax()
    try:
        jax.distributed.initialize(coordinator, processes, process, _devices_of_a_node())
    except (RuntimeError, ValueError) as e:
        raise UserError(f"{where}: {str(e).splitlines()[0]}") from None


def _number(name: str, default: int) -> int:
    """A whole number from the environment; UserError if the variable holds something else."""
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


def _host_and_port(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 2**16:
        raise UserError(f"--coordinator {coordinator}: give HOST:PORT, such as node1:12345")
    return host.strip("[]"), int(port)


def _wait_for_first(coordinator: str, host: str, port: int) -> None:
    """Return once the first process answers: without an answer JAX would abort the program."""
    end = time.monotonic() + WAIT
    while True:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return
        except OSError as e:
            if time.monotonic() > end:
                raise UserError(
                    f"--coordinator {coordinator}: no answer in {WAIT:.0f} s ({e}); start the one "
                    "with --process 0 on that host"
                ) from None
            time.sleep(0.2)


def _devices_of_a_node() -> list[int] | None:
    """Numbers of all GPUs of a task that has a node to itself.

    None leaves the choice to JAX, which takes one GPU a task under SLURM.
    """
    if not all(name in os.environ for name in SLURM):
        return None
    if _number("SLURM_NTASKS", 1) > _number("SLURM_STEP_NUM_NODES", 1):
        return None
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return list(range(len(visible.split(","))))
    return list(range(_number("SLURM_GPUS_ON_NODE", 0))) or None


def separate() -> None:
    """Let each process end when it likes; the first one still leads, alone."""
    import jax

    global _was_first
    if jax.distributed.is_initialized():
        _was_first = leads()
        jax.distributed.shutdown()


def leads() -> bool:
    """Whether this process is the one that writes."""
    import jax

    if _was_first is not None:
        return _was_first
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def several() -> bool:
    """Whether several processes work together now."""
    if "jax" not in sys.modules:
        return False
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1


# --- meetings: every process must call these, in the same order ----------------------------------


def barrier(name: str) -> None:
    """Return once every process has come to the barrier of this name."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def check_equal(number: int, what: str) -> None:
    """UserError, in every process, unless all give the same number.

    Arguments:
        number: Number to compare, a count of something in files that all should see.
        what: Description of the number, to begin the message with.
    """
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        numbers = multihost_utils.process_allgather(np.int64(number)).tolist()
        if len(set(numbers)) > 1:
            raise UserError(f"{what}: processes found {numbers}; all must see the same files")


def broadcast(value: bool) -> bool:
    """The value that the first process gives, in every process."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.bool_(value)))


def in_any(value: bool) -> bool:
    """Whether the value is true in at least one process."""
    if not several():
        return value
    import numpy as np
    from jax.experimental import multihost_utils

    return bool(multihost_utils.process_allgather(np.bool_(value)).any())


def run_on_all(act: Callable[[], Result]) -> Result:
    """Result of a function that every process calls; where it fails in one, it fails in all.

    No process goes on to the next meeting without the others, where it would wait for ever.
    """
    result = error = None
    try:
        result = act()
    except Exception as e:  # raised below, once the others know
        error = e
    if in_any(error is not None):
        raise error or UserError("another process could not go on; it says why")
    return cast(Result, result)


def run_on_first(act: Callable[[], Result]) -> Result | None:
    """Result of a function that the first process alone calls, None on others; if it fails, all do.

    The others wait until the function has ended.
    """
    return run_on_all(lambda: act() if leads() else None)


@contextmanager
def end_together() -> Iterator[None]:
    """Within the block, a bug in one of several processes ends all of them.

    The others wait for the one that failed, and would do so for ever. It therefore exits at once,
    which JAX notices in the others within 100 s (its `heartbeat_timeout_seconds`). Mistakes of the
    user pass: `run_on_all` raises these in every process.
    """
    try:
        yield
    except Exception as e:
        if several() and not isinstance(e, UserError):
            traceback.print_exc()
            sys.stdout.flush()
            os._exit(1)
        raise

"""Several processes that run one experiment together, each on devices of its own.

All run the same program, each for the members that its devices hold (`devices`). The first process
alone writes and speaks. Archives must lie where all can read them.
"""

import os

from dabench.errors import UserError


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Meet the other processes, if there are any, before JAX is used for anything.

    Arguments:
        coordinator, processes, process: Address HOST:PORT of the first process, how many there are,
            and which this one is; or none of them, and SLURM says so in a step of several tasks.
    """
    given = (coordinator, processes, process)
    if None in given and given != (None, None, None):
        raise UserError("--coordinator, --processes and --process: give all three or none")
    if coordinator is None and int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return
    if processes is not None and process not in range(processes):
        raise UserError(f"--process: {process} is not one of 0 to {processes - 1}")
    import jax

    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as e:
        raise UserError(f"--coordinator {coordinator}: {str(e).splitlines()[0]}") from None


def leads() -> bool:
    """Whether this process is the one that writes."""
    import jax

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

"""Several processes that run one experiment together, each on devices of its own.

All run the same program and hold all members; draws are shared out over the devices of all
(`diffusion.Batches.share`). The first process alone writes and speaks. Archives must lie where all
can read them.
"""

import os
from typing import Any

from jaxtyping import PyTree

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


def replicated() -> Any:
    """The sharding of what every device holds; None where there is but one process."""
    import jax
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    if jax.process_count() == 1:
        return None
    mesh = jax.make_mesh((jax.device_count(),), ("device",), (AxisType.Auto,))
    return NamedSharding(mesh, PartitionSpec())


def everywhere(tree: PyTree) -> PyTree:
    """Arrays that every process has, as arrays of all devices."""
    import jax
    import numpy as np

    sharding = replicated()
    if sharding is None:
        return tree

    def spread(a: jax.Array) -> jax.Array:
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            numbers = spread(jax.random.key_data(a))
            return jax.random.wrap_key_data(numbers, impl=jax.random.key_impl(a))
        host = np.asarray(a)
        return jax.make_array_from_callback(a.shape, sharding, lambda index: host[index])

    return jax.tree.map(spread, tree)


def here(tree: PyTree) -> PyTree:
    """This process's copy of arrays of all devices."""
    import jax

    if jax.process_count() == 1:
        return tree
    return jax.tree.map(lambda a: a.addressable_data(0), tree)

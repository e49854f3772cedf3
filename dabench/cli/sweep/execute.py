"""The points of a sweep on Dask workers: finished ones are skipped, others go on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dabench.cli.queue import Row, Task, on_client
from dabench.cli.sweep.spec import Point, ScoreTarget
from dabench.core.digest import sha256
from dabench.core.errors import UserError

if TYPE_CHECKING:
    from dabench.scores.record import Scores

CLUSTERS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}


def run_point(point: dict[str, Any], out: str, target: dict[str, Any]) -> dict[str, Any]:
    """One run to its end, and its score; what a worker does. A user's mistake is a result, too."""
    from dabench.scores.files import ensure_scores

    spec = Point.model_validate(point)
    row: dict[str, Any] = {"digest": spec.digest, "method": spec.method, **spec.values}
    try:
        job = spec.job(Path(out))
        status = job.run()
        value = score(ensure_scores(job.folder), ScoreTarget.model_validate(target))
    except UserError as e:
        return row | {"status": "refused", "reason": str(e), "folder": None, "score": None}
    folder = job.folder.relative_to(out).as_posix()
    return row | {"status": str(status), "reason": "", "folder": folder, "score": value}


def score(scores: "Scores", target: ScoreTarget) -> float | None:
    """The headline value asked for, of the whole globe; UserError if there is no such score."""
    from dabench.scores.headlines import headlines
    from dabench.scores.record import GLOBAL, Key

    first = headlines(scores.variables)[0]
    cell = first if target.variable is None else (target.variable, target.level)
    if Key(*cell, GLOBAL, target.metric) not in scores.scores:
        metrics = ", ".join(sorted({key.metric for key in scores.scores}))
        raise UserError(f"score: there is no {target.metric} of {cell}; metrics: {metrics}")
    return scores.value(cell, target.metric)


@contextmanager
def client(scheduler: str | None, cluster: str | None, workers: int, options: str) -> Iterator[Any]:
    """A Dask client: of a scheduler that runs, of jobs of a batch system, or of local processes.

    Arguments:
        scheduler: Address.
        cluster: `slurm`, `pbs` or `lsf`.
        options: JSON for the batch system's cluster: queue, cores, memory, walltime, account.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UserError("sweep: needs Dask; `pip install 'dabench[sweep]'` brings it") from None
    if scheduler:
        with _connected(Client, scheduler) as connection:
            yield connection
        return
    if cluster:
        workers_of_cluster: Any = batch_cluster(cluster, _parsed(options))
        workers_of_cluster.scale(jobs=workers)
    else:
        workers_of_cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0"
        )
    with workers_of_cluster, Client(workers_of_cluster) as connection:
        yield connection


def _connected(client: Any, scheduler: str) -> Any:
    try:
        return client(scheduler)
    except (OSError, ValueError) as e:  # also what waits for too long
        raise UserError(
            f"--scheduler {scheduler}: {e}; give the address that `dask scheduler` prints, such as "
            "tcp://node1:8786"
        ) from None


def _parsed(options: str) -> dict[str, Any]:
    try:
        values = json.loads(options or "{}")
    except ValueError as e:
        raise UserError(f"--options {options}: is not JSON ({e})") from None
    if not isinstance(values, dict):
        raise UserError(f"--options {options}: give an object of names and values")
    return values


def batch_cluster(kind: str, options: dict[str, Any]) -> Any:
    """Workers that a batch system starts, one process each."""
    if kind not in CLUSTERS:
        raise UserError(f"--cluster {kind}: is not one of {', '.join(CLUSTERS)}")
    try:
        import dask_jobqueue  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError("--cluster: needs dask-jobqueue; `pip install 'dabench[sweep]'`") from None
    settings = {"cores": 1, "processes": 1, "memory": "8GB"} | options
    return getattr(dask_jobqueue, CLUSTERS[kind])(**settings)


def execute(
    client: Any, points: list[Point], out: Path, target: ScoreTarget, retries: int
) -> Iterator[Row]:
    """The result of every point as it ends; one whose every try failed has the status `failed`."""
    place, goal = str(out.absolute()), target.model_dump(mode="json")
    what = sha256([place, goal])[:12]  # sweeps on one scheduler share what has the same key
    tasks = [
        Task(
            f"run-{p.digest}-{what}",
            {"digest": p.digest, "method": p.method, **p.values},
            (p.plain(), place, goal),
        )
        for p in points
    ]
    return on_client(client, tasks, run_point, retries)

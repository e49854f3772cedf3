"""Where the time of a whole run goes: compile, propagate, analyse, write, score."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.race import Row
from dabench.runs.archive import read
from dabench.runs.execute import Job, plan
from dabench.scores.files import score_run

METHODS = ("ensemble", "letkf", "fa_apf")
MEMBERS = 16
QUICK_MEMBERS, QUICK_CYCLES = 4, 5


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """dry_temp_4deg, one run of each method; the ratio is the share of its method's whole run.

    Propagating is what a cycle of the unconditional ensemble takes, analysing what a cycle of the
    method takes beyond that; both are medians over cycles, so cycles are the rounds. Compiling
    includes the set-up of scenario and truth, and reading compiled programs where they are kept.
    """
    members, cycles = (QUICK_MEMBERS, QUICK_CYCLES) if quick else (MEMBERS, None)
    with tempfile.TemporaryDirectory() as out:
        jobs = plan("dry_temp_4deg", methods=METHODS, out=Path(out), members=members, cycles=cycles)
        _ = jobs[0].experiment.twin
        forecast = 0.0
        for job in jobs:
            parts, cycles = split(job, forecast)
            forecast = forecast or parts["propagate"] / cycles
            total = sum(parts.values())
            for part, seconds in parts.items():
                share = seconds / total
                name = f"whole dry_temp_4deg, {job.label}, {job.baseline.members} members"
                yield Row(name, part, seconds, share, share, share, cycles)


def split(job: Job, forecast: float) -> tuple[dict[str, float], int]:
    """Seconds of every part, and the number of cycles.

    Arguments:
        forecast: Seconds that propagating takes in a cycle; 0: all that the method does.
    """
    begin = time.perf_counter()
    job.run()
    ran = time.perf_counter()
    score_run(job.folder)
    scored = time.perf_counter() - ran
    diagnostics = read.open_run(job.folder)["diagnostics"].to_dataset().isel(cycle=slice(1, None))
    step, wall = (diagnostics[name].values for name in ("seconds", "wall_seconds"))
    cycle, cycles = median(step), len(step)
    propagate = min(forecast or cycle, cycle) * cycles
    return {
        "compile": max(ran - begin - float(np.sum(wall)), 0.0),
        "propagate": propagate,
        "analyse": max(cycle * cycles - propagate, 0.0),
        "write": float(median(wall - step)) * cycles,
        "score": scored,
    }, cycles

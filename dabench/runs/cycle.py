"""The loop over assimilation cycles: observations, key, step, summary, archive.

carry k ──► step(key k+1, carry k, y k+1) ──► carry k+1 ──► summary ──► archive
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num, PyTree

from dabench.core import devices, processes
from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.core.random import stream
from dabench.filters.base import Filter
from dabench.observe import withheld
from dabench.runs import memory
from dabench.runs.archive import read
from dabench.runs.archive import store as archive
from dabench.runs.archive.layout import Record, label
from dabench.runs.archive.status import COMPLETE, Status, diverged_at
from dabench.runs.archive.store import Archive
from dabench.runs.step import compile_step
from dabench.runs.summary import Summary, headline, summarise
from dabench.runs.twin import Twin

FLUSH_SECONDS = 0.5  # cycles shorter than this are archived several at a time
STORE_BELOW = 2**30  # bytes of all members up to which they are archived by default

Report = Callable[[int, float | None, float], None]
"""Called after every cycle with its number, N_eff if the method has one, and the headline RMSE."""


def run(
    method: Filter,
    twin: Twin,
    members: int,
    folder: Path,
    attrs: dict[str, Any],
    *,
    store_members: bool | None = None,
    report: Report = lambda *_: None,
) -> Status:
    """Run a method to its end, going on after the last cycle that the folder's archive holds.

    The caller holds the folder's lock and has made sure that the archive is of this run.

    Arguments:
        method: The filter.
        twin: Truth, observations and initial members.
        members: Ensemble size.
        folder: Folder of the run.
        attrs: Attributes for the archive's root, if the archive is yet to be made.
        store_members: Archive every member; None: as the archive there does, or where all take
            less than 1 GiB.
        report: Function that is told of every cycle.
    Returns:
        Whether the run is complete, or at which cycle it diverged.
    """
    stored = read.stores_members(folder)
    if None not in (stored, store_members) and stored != store_members:
        how = "with" if stored else "without"
        raise UserError(f"{folder}: was begun {how} members; go on so, or start with --fresh")
    if status := read.ended(folder):
        return status
    if read.lacks_ranked(folder):
        raise UserError(f"{folder}: an older version began it, without ranks; start with --fresh")
    if store_members is None:
        small = members_bytes(twin.system.layout, members, twin.cycles) < STORE_BELOW
        store_members = small if stored is None else stored
    return _Loop(method, twin, members, folder, store_members).run(attrs, report)


def initial_carry(method: Filter, twin: Twin, members: int) -> PyTree:
    """The carry that a run begins with.

    No other reference to it is left: an ensemble may fill half of a device.
    """
    x = devices.build(partial(twin.initial, members), members, twin.system.layout.size)
    specs = devices.specs(jax.eval_shape(method.init, x))
    return devices.jit(method.init, members, specs)(x)


def members_bytes(layout: Layout, members: int, cycles: int) -> int:
    """Bytes of the last frames of all members of a run, uncompressed."""
    frame = layout.size // layout.frames * np.dtype(layout.dtype).itemsize
    return (cycles + 1) * members * frame


class _Advance(NamedTuple):
    """What one cycle gives beside the next carry."""

    y: Any
    info: dict[str, Any]
    seconds: float


class _Loop:
    """One run in progress."""

    def __init__(self, method: Filter, twin: Twin, members: int, folder: Path, store_members: bool):
        self.twin, self.layout, self.members = twin, twin.system.layout, members
        self.archive, self.store_members = Archive(folder), store_members
        self.writes = processes.leads()
        self.pending: list[Record] = []  # cycles that are not archived yet
        self.clock = self.flushed = time.perf_counter()
        self.peak = memory.peak_bytes()
        key = stream(twin.seed, "filter")
        self.key = jax.jit(lambda k: jax.random.fold_in(key, k))
        self.carry = initial_carry(method, twin, members)
        self.step, self.info = compile_step(
            method, key, self.carry, twin.observation(1), twin.withheld, donate=True
        )
        self.truth = devices.place(twin.truth, members)
        self.summarise = self._summarise()
        self.has_analysis = read.has_array(folder, "diagnostics/analysis_obs")
        self.has_residual = read.has_array(folder, "diagnostics/residual")
        self.analysis_moments = devices.jit(
            lambda x: withheld.at(twin.withheld, x, "analysis"), members
        )

    def _summarise(self) -> Callable[[Array, Array, int], tuple[Summary, Array]]:
        """The compiled function from members, truth and number of a cycle to its summary.

        Beside it stands the mean of h(x) of the analysis.
        """
        layout, weights = self.layout, jnp.asarray(headline(self.layout))
        has_truth, network = self.twin.has_truth, self.twin.network
        everywhere = devices.EVERYWHERE
        specs = Summary._make((*(everywhere,) * 3, devices.BY_MEMBER, *(everywhere,) * 3))

        def of_cycle(x: Array, truth: Array, k: int) -> Any:
            estimate = x[:, : layout.size]  # the oldest frames of a smoother's states
            summary = summarise(estimate, truth[k], layout, weights)
            if not has_truth:  # a value is due where the initial state has one
                lost = jnp.any(~jnp.isfinite(estimate) & jnp.isfinite(truth[0])[None])
                summary = summary._replace(diverged=lost)
            hx = withheld.moments(jax.vmap(network.h)(estimate))
            return self._archived(summary), hx.mean

        return devices.jit(of_cycle, self.members, (self._archived(specs), everywhere))

    def _archived(self, summary: Any) -> Any:
        """The summary with all members, or with the statistics that scores need in their place."""
        return summary._replace(**{"ranked" if self.store_members else "members": None})

    def run(self, attrs: dict[str, Any], report: Report) -> Status:
        if self.writes:
            self.archive.clean()
        processes.barrier("clean")
        start = self._resume()
        processes.check_equal(-1 if start is None else start, f"{self.archive.folder}: cycles")
        if start is None:
            start = 0
            self._create(attrs)
        elif start and self.summarise(self.carry.x, self.truth, start)[0].diverged:
            return self._finish(start, diverged_at(start))
        for k in range(start + 1, self.twin.cycles + 1):
            cycle = self._advance(k)
            summary = self._record(k, cycle)
            report(k, _scalar(cycle.info.get("ess")), float(summary.rmse))
            if summary.diverged:
                return self._finish(k, diverged_at(k))
            if processes.broadcast(time.perf_counter() - self.flushed > FLUSH_SECONDS):
                self._flush(k)
        return self._finish(self.twin.cycles, COMPLETE)

    def _advance(self, k: int) -> _Advance:
        """Replace the carry by that whose estimate is of cycle k; the time is that on the device.

        A smoother's has seen the observations of cycle k + lag.
        """
        newest = k + self.twin.lag
        obs = self.twin.observation(newest)
        key, placed = jax.block_until_ready(
            devices.place((self.key(np.uint32(newest)), obs), self.members)
        )
        begin = time.perf_counter()
        self.carry, info = jax.block_until_ready(self.step(key, self.carry, placed))
        seconds = time.perf_counter() - begin
        y = self.twin.observation(k).y if self.twin.lag and k > 0 else obs.y
        return _Advance(y, jax.device_get(info), seconds)

    def _record(self, k: int, cycle: _Advance) -> Summary:
        """Copy one cycle to the host, in line for the archive; its summary without members."""
        summary, analysis = self.summarise(self.carry.x, self.truth, k)
        s: Any = summary
        begin, self.clock = self.clock, time.perf_counter()
        info: dict[str, Any] = {
            **cycle.info,
            "seconds": np.float64(cycle.seconds),
            "wall_seconds": np.float64(self.clock - begin),
        }
        if not self.has_residual:
            info.pop("residual", None)
        if self.has_analysis:
            info["analysis_obs"] = analysis if k else np.full(analysis.shape, np.nan)
        record = Record(
            cycle=np.asarray(k),
            time=self.twin.times[k],
            truth=s.truth,
            mean=s.mean,
            spread=s.spread,
            members=devices.fetch(s.members) if self.store_members else None,
            y=cycle.y,
            withheld=self._verify(k, info.pop("withheld", None)),
            info=info,
            ranked=None if s.ranked is None else s.ranked._asdict(),
        )
        self.pending.append(jax.tree.map(lambda a: np.asarray(a)[None], record))
        return s._replace(members=None)  # members would take memory during the next step

    def _verify(self, k: int, background: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The withheld observations of a cycle, with the moments of background and analysis."""
        if self.twin.withheld is None or background is None:
            return None
        y = self.twin.verification(max(k, 1))
        y = y if k else np.full_like(y, np.nan)
        return {"y": y, **background, **self.analysis_moments(self.carry.x)}

    def _create(self, attrs: dict[str, Any]) -> None:
        """Make the archive, with the initial state as cycle 0."""
        nothing = jax.tree.map(
            lambda a: np.full(a.shape, archive.fill_value(a.dtype), a.dtype), self.info
        )
        y = np.full(self.twin.network.size, np.nan, self.layout.dtype)
        for k in range(1 - self.twin.lag, 1):
            self._advance(k)
        self._record(0, _Advance(y, nothing, np.nan))
        if self.writes and read.attributes(self.archive.folder) is None:
            self.archive.create(self._labelled(), self.twin.times[: self.twin.cycles + 1], attrs)
        self._flush(0)

    def _resume(self) -> int | None:
        """Take up the carry of the last complete cycle, if there is one, and return its number."""
        leaves, tree = jax.tree.flatten(self.carry)
        restart = self.archive.restore([_as_numbers(leaf).dtype for leaf in leaves])
        if restart is None:
            return None
        carry = tree.unflatten(map(_from_numbers, leaves, restart.leaves))
        self.carry = devices.place(carry, self.members, devices.specs(carry))
        self.flushed = time.perf_counter()
        return restart.cycle

    def _labelled(self) -> dict:
        """The groups of an archive with all pending cycles."""
        block = jax.tree.map(lambda *cycles: np.concatenate(cycles), *self.pending)
        twin = self.twin
        return label(
            self.layout,
            twin.network.table,
            block,
            calendar=twin.system.start is not None,
            withheld=None if twin.withheld is None else twin.withheld.table,
        )

    def _flush(self, k: int) -> None:
        """Write all cycles up to k to the archive, which then goes on from there."""
        if self.pending:
            leaves = [devices.fetch(_as_numbers(leaf)) for leaf in jax.tree.leaves(self.carry)]
            if self.writes:
                self.archive.append(self._labelled())
                self.archive.mark(k, leaves)
        self.pending, self.flushed = [], time.perf_counter()

    def _finish(self, k: int, status: Status) -> Status:
        self._flush(k)
        if self.writes:
            used = memory.used_by(self.step, self.peak, memory.peak_bytes())
            self.archive.update(memory=used)
            self.archive.finish(status)
        return status


def _as_numbers(leaf: Array) -> Num[Array, "..."]:
    """A leaf of a carry as an array that can be saved: random keys become integers."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _from_numbers(leaf: Array, saved: np.ndarray) -> Array | np.ndarray:
    """The inverse of `_as_numbers`, given any leaf of the same kind."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(saved), impl=jax.random.key_impl(leaf))
    return saved


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _scalar(value: Any) -> float | None:
    """The mean of a diagnostic; None where the method has none."""
    return None if value is None else float(np.mean(value))

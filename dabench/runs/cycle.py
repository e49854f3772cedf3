"""The one loop: truth and observations, the same for every method; then key, step, append."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num, PyTree

from dabench.core import devices, processes
from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.core.random import stream
from dabench.filters.base import Filter, Info
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
STORE_BELOW = 2**30  # members are archived by default up to this many bytes

Report = Callable[[int, float | None, float], None]
"""Told after every cycle: its number, N_eff if the method has one, RMSE of the headline field."""


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
        attrs: For the archive's root.
        store_members: Archive every member; None: as the archive there does, or where all take
            less than 1 GiB.
    Returns:
        Whether the run is complete, or at which cycle it diverged.
    """
    stored = read.stores_members(folder)
    if None not in (stored, store_members) and stored != store_members:
        kept = "with" if stored else "without"
        raise UserError(f"{folder}: was begun {kept} members; go on so, or start with --fresh")
    if status := read.ended(folder):
        return status
    if read.lacks_ranked(folder):
        raise UserError(f"{folder}: an older version began it, without ranks; start with --fresh")
    small = members_bytes(twin.system.layout, members, twin.cycles) < STORE_BELOW
    store = next(choice for choice in (store_members, stored, small) if choice is not None)
    return _Loop(method, twin, members, folder, store).run(attrs, report)


def initial_carry(method: Filter, twin: Twin, members: int) -> PyTree:
    """Where a run begins. Nobody else holds it: an ensemble may fill half of a device."""
    x = devices.build(partial(twin.initial, members), members, twin.system.layout.size)
    specs = devices.specs(jax.eval_shape(method.init, x))
    return devices.jit(method.init, members, specs)(x)


def members_bytes(layout: Layout, members: int, cycles: int) -> int:
    """What archiving all members would take, uncompressed."""
    fields = layout.size // layout.frames * np.dtype(layout.dtype).itemsize
    return (cycles + 1) * members * fields


class _Loop:
    """One run in progress."""

    def __init__(self, method: Filter, twin: Twin, members: int, folder: Path, keep: bool):
        self.twin, self.layout, self.keep = twin, twin.system.layout, keep
        self.archive, self.pending, self.writes = Archive(folder), [], processes.leads()
        self.clock = self.flushed = time.perf_counter()
        self.peak = memory.peak_bytes()
        key, weights = stream(twin.seed, "filter"), jnp.asarray(headline(self.layout))
        self.key = jax.jit(lambda k: jax.random.fold_in(key, k))
        self.carry, self.members = initial_carry(method, twin, members), members
        self.step, self.info = compile_step(
            method, key, self.carry, twin.observation(1), twin.withheld, donate=True
        )
        self.truth = devices.place(twin.truth, self.members)
        whole = devices.EVERYWHERE
        self.summarise = devices.jit(
            lambda x, truth, k: self._kept(summarise(x, truth[k], self.layout, weights)),
            self.members,
            self._kept(Summary._make((*(whole,) * 3, devices.BY_MEMBER, *(whole,) * 3))),
        )
        self.see = devices.jit(lambda x: withheld.at(twin.withheld, x, "analysis"), self.members)

    def _kept(self, summary: Any) -> Any:
        """With all members, or with what scores need of them."""
        return summary._replace(**{"ranked" if self.keep else "members": None})

    def run(self, attrs: dict[str, Any], report: Report) -> Status:
        if self.writes:
            self.archive.clean()
        processes.barrier("clean")
        start = self._resume()
        processes.check_equal(-1 if start is None else start, f"{self.archive.folder}: cycles")
        if start is None:
            start = 0
            self._create(attrs)
        elif start and self.summarise(self.carry.x, self.truth, start).diverged:
            return self._finish(start, diverged_at(start))
        for k in range(start + 1, self.twin.cycles + 1):
            info, seconds, y = self._advance(k)
            summary = self._record(k, y, info, seconds)
            report(k, _scalar(info.get("ess")), float(summary.rmse))
            if summary.diverged:
                return self._finish(k, diverged_at(k))
            if processes.broadcast(time.perf_counter() - self.flushed > FLUSH_SECONDS):
                self._flush(k)
        return self._finish(self.twin.cycles, COMPLETE)

    def _advance(self, k: int) -> tuple[Info, float, Array]:
        """One cycle on the device: from posterior to posterior."""
        obs = self.twin.observation(k)
        given = devices.place((self.key(np.uint32(k)), obs), self.members)
        given = jax.block_until_ready(given)
        begin = time.perf_counter()
        self.carry, info = jax.block_until_ready(self.step(given[0], self.carry, given[1]))
        return jax.device_get(info), time.perf_counter() - begin, obs.y

    def _record(self, k: int, y: Any, info: Mapping[str, Any], seconds: float) -> Summary:
        """Copy one cycle to the host, in line for the archive."""
        s = self.summarise(self.carry.x, self.truth, k)
        begin, self.clock = self.clock, time.perf_counter()
        clocks = {"seconds": np.float64(seconds), "wall_seconds": np.float64(self.clock - begin)}
        fields = (s.truth, s.mean, s.spread, devices.fetch(s.members) if self.keep else None)
        info = {**info, **clocks}
        verified = self._verify(k, info.pop("withheld", None))
        ranked = None if s.ranked is None else s.ranked._asdict()
        record = Record(np.asarray(k), self.twin.times[k], *fields, y, info, verified, ranked)
        self.pending.append(jax.tree.map(lambda a: np.asarray(a)[None], record))
        return s._replace(members=None)  # which would take memory during the next step

    def _verify(self, k: int, background: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """What is withheld in a cycle, and what background and analysis say of it."""
        if self.twin.withheld is None or background is None:
            return None
        y = self.twin.verification(k)
        y = y if k else np.full_like(y, np.nan)
        return {"y": y, **background, **self.see(self.carry.x)}

    def _create(self, attrs: dict[str, Any]) -> None:
        nothing = jax.tree.map(
            lambda a: np.full(a.shape, archive.nothing(a.dtype), a.dtype), self.info
        )
        y = np.full(self.twin.network.size, np.nan, self.layout.dtype)
        self._record(0, y, nothing, np.nan)
        if self.writes and read.attributes(self.archive.folder) is None:
            self.archive.create(self._labelled(), self.twin.times, attrs)
        self._flush(0)

    def _resume(self) -> int | None:
        """Take up the carry of the last complete cycle, if there is one."""
        leaves, tree = jax.tree.flatten(self.carry)
        saved = self.archive.restore([_plain(leaf).dtype for leaf in leaves])
        if saved is None:
            return None
        carry = tree.unflatten(map(_like, leaves, saved[1]))
        self.carry = devices.place(carry, self.members, devices.specs(carry))
        self.flushed = time.perf_counter()
        return saved[0]

    def _labelled(self) -> dict:
        block = jax.tree.map(lambda *cycles: np.concatenate(cycles), *self.pending)
        calendar = self.twin.system.start is not None
        seen, kept = self.twin.network, self.twin.withheld
        kept_back = None if kept is None else kept.table
        return label(self.layout, seen.table, block, calendar, kept_back)

    def _flush(self, k: int) -> None:
        """All cycles up to k to the archive, which then goes on from there."""
        if self.pending:
            leaves = [devices.fetch(_plain(leaf)) for leaf in jax.tree.leaves(self.carry)]
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


def _plain(leaf: Array) -> Num[Array, "..."]:
    """Random keys as numbers, all else as it is."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(leaf: Array, saved: np.ndarray) -> Array | np.ndarray:
    """The inverse of `_plain`, given any leaf of the same kind."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(saved), impl=jax.random.key_impl(leaf))
    return saved


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _scalar(value: Any) -> float | None:
    return None if value is None else float(np.mean(value))

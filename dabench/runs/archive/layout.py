"""Names, dimensions, coordinates and units of everything in an archive."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from dabench.core.quality import FLAGS
from dabench.runs.archive.cf import described

if TYPE_CHECKING:
    import pandas as pd

    from dabench.core.layout import Layout

SCHEMA = 1  # version of the archive

RANKED = ("skill", "distance", "below", "ties")
"""Groups in place of members, where these are not archived; see `summary.Ranked`."""

GROUPS = (
    *("truth", "mean", "spread", "members", *RANKED),
    *("observations", "withheld", "diagnostics"),
)
"""All groups that an archive may have."""

DIAGNOSTICS: dict[str, tuple[tuple[str, ...], str, str]] = {
    # standard name: dimensions after cycle; units, none where they are those observed; meaning
    "ess": ((), "1", "effective sample size before resampling"),
    "alpha": ((), "1", "tempering exponent of the weights"),
    "log_weights": (("member",), "1", "normalised log-weights before resampling"),
    "ancestor": (("member",), "1", "member of the cycle before that each came from"),
    "background_obs": (("observation",), "", "mean of h(x) before y is used"),
    "background_var": (("observation",), "", "variance of h(x), without R"),
    "rejected": (("observation",), "1", "check that kept the value from the method"),
    "analysis_obs": (("observation",), "", "mean of h(x) of the analysis"),
    "guarded": ((), "1", "share of linear solves that a guard stopped"),
    "residual": ((), "1", "median share of y - h(D) left by solves of guidance"),
    "clipped": ((), "1", "share of humidity and precipitation that was cut off at zero"),
    "evaluations": ((), "1", "denoiser evaluations a member"),
    "products": ((), "1", "Jacobian products a member"),
    "seconds": ((), "s", "time of the step on its device"),
    "wall_seconds": ((), "s", "time since the cycle before was done"),
}

FLAGGED = {"flag_values": [*FLAGS.values()], "flag_meanings": " ".join(FLAGS)}
"""Attributes by which CF says what the numbers of a variable mean."""

WITHHELD = {  # name in the group of withheld observations: meaning
    "y": "value",
    "background_obs": "mean of h(x) before anything is assimilated",
    "background_var": "variance of h(x) then, squared units, without R",
    "analysis_obs": "mean of h(x) of the analysis",
    "analysis_var": "variance of h(x) of the analysis, squared units, without R",
}


class Record(NamedTuple):
    """Consecutive cycles as arrays; the first axis of every entry is `cycle`.

    Arguments:
        cycle: Number of each cycle.
        time: Valid time in seconds (since 1970 where the system has a calendar).
        truth: True fields (cycle, channel, point).
        mean: Ensemble mean (cycle, channel, point).
        spread: Standard deviation of members (cycle, channel, point), ddof = 1.
        members: Fields (cycle, member, channel, point); None where members are not archived.
        y: Observations (cycle, observation).
        info: Diagnostics by name.
        withheld: Arrays (cycle, observation) by names of `WITHHELD`; None where no observations
            are withheld.
        ranked: Arrays (cycle, channel, point) by names of `RANKED`; None where members are.
    """

    cycle: np.ndarray
    time: np.ndarray
    truth: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    members: np.ndarray | None
    y: np.ndarray
    info: Mapping[str, Any]
    withheld: Mapping[str, Any] | None = None
    ranked: Mapping[str, Any] | None = None


def label(
    layout: "Layout",
    table: "pd.DataFrame",
    record: Record,
    calendar: bool = False,
    withheld: "pd.DataFrame | None" = None,
) -> dict[str, xr.Dataset]:
    """The groups of an archive with their dimensions, coordinates, units and attributes.

    Nothing is named elsewhere: creating, appending and mock data in tests go through it.

    Arguments:
        layout: Layout of the states.
        table: Table of the network, one row an observation.
        record: Cycles.
        calendar: Whether times are seconds since 1970, else model time.
        withheld: Table of the network of withheld observations, if there are any.
    """
    groups = {}
    for name in ("truth", "mean", "spread"):
        groups[name] = layout.to_dataset(getattr(record, name), ("cycle",))
    if record.members is not None:
        groups["members"] = layout.to_dataset(record.members, ("cycle", "member"))
    for name, values in (record.ranked or {}).items():
        groups[name] = layout.to_dataset(values, ("cycle",))
    groups["observations"] = _observed(table, {"y": record.y})
    if withheld is not None and record.withheld is not None:
        groups["withheld"] = _observed(withheld, record.withheld, WITHHELD)
    groups["diagnostics"] = xr.Dataset({n: _diagnostic(n, v) for n, v in record.info.items()})
    time = ("cycle", record.time, {"units": "seconds since 1970-01-01" if calendar else "s"})
    coords = {"cycle": record.cycle, "time": time}
    return {name: described(name, g.assign_coords(coords)) for name, g in groups.items()}


def _observed(
    table: "pd.DataFrame", values: Mapping[str, Any], meanings: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Values (cycle, observation) with the columns of their network's table."""
    columns = {c: ("observation", _plain(table[c])) for c in table.columns}
    dims, meanings = ("cycle", "observation"), meanings or {}
    return xr.Dataset(
        {n: (dims, v, {"long_name": meanings[n]} if meanings else {}) for n, v in values.items()},
        columns,
    )


def _plain(column: Any) -> np.ndarray:
    """Values of a column: numbers stay numbers, all else becomes text."""
    numeric = np.issubdtype(getattr(column.dtype, "type", object), np.number)
    return column.to_numpy() if numeric else column.astype(str).to_numpy(dtype=object)


def _diagnostic(name: str, values: np.ndarray) -> xr.Variable:
    """A diagnostic with units and meaning; names that are not standard have own dimensions."""
    of_its_own = tuple(f"{name}_{i}" for i in range(values.ndim - 1))
    dims, units, meaning = DIAGNOSTICS.get(name, (of_its_own, "1", name))
    attrs: dict[str, Any] = {"long_name": meaning} | ({"units": units} if units else {})
    if name == "rejected":
        attrs |= FLAGGED
    return xr.Variable(("cycle", *dims), values, attrs)

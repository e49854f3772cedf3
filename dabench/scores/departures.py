"""The fit of background and analysis to observations, by group, level and region, and by cycle.

It needs observations and what a run says of them, and no truth. The departure of the background is
d = y - mean h(x') (O-B), that of the analysis a = y - mean h(x) (O-A).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from dabench.core.plain import plain
from dabench.core.quality import CHECKS
from dabench.scenario.derived import DIRECTIONS
from dabench.scores.interpolated import at_places
from dabench.scores.metrics.regions import inside
from dabench.scores.record import Departures, Innovations, Series, finite

STAGES = "background", "analysis"

REGIONS = ("tropics", "northern-hemisphere", "southern-hemisphere")
"""Regions of the statistics, beside the globe; both hemispheres begin at 20 degrees."""

ByCycle = Float[np.ndarray, "cycle observation"]
Flags = Bool[np.ndarray, "cycle observation"]


class Group(NamedTuple):
    """What the observations of one group, variable and level have in common.

    Arguments:
        about: group, variable, units, level, and the root mean square of the errors assumed.
        columns: Numbers of its observations.
    """

    about: Mapping[str, Any]
    columns: Int[np.ndarray, "column"]

    @property
    def error_std(self) -> float:
        return self.about["error_std"]

    def facts(self, columns: Int[np.ndarray, "column"]) -> dict[str, Any]:
        """What the group has in common, and how many of its observations a row is about."""
        texts = {name: self.about[name] for name in ("group", "variable", "units", "level")}
        return texts | {"count": len(columns), "error_std": self.error_std}


class Fit(NamedTuple):
    """Departures of a run from its observations, all arrays (cycle, observation).

    Arguments:
        background: O-B.
        analysis: O-A; NaN where it is not known.
        spread: Variance of h(x') over the members; NaN where a method does not say.
        variance: Variance that O-B should have: spread and R.
        present: Whether an observation is there.
        rejected: Number of the check that keeps it from the method, 0 where none does; None: the
            run has no checks.
    """

    background: ByCycle
    analysis: ByCycle
    spread: ByCycle
    variance: ByCycle
    present: Flags
    rejected: Int[np.ndarray, "cycle observation"] | None

    @property
    def used(self) -> Flags:
        """Whether an observation is used."""
        return self.present if self.rejected is None else self.present & (self.rejected == 0)

    def part(self, cycles: slice, columns: Int[np.ndarray, "column"]) -> "Fit":
        """Some cycles and observations."""
        at = cycles, columns
        return Fit(
            self.background[at],
            self.analysis[at],
            self.spread[at],
            self.variance[at],
            self.present[at],
            None if self.rejected is None else self.rejected[at],
        )


def observation_space(tree: xr.DataTree, cycles: slice) -> Innovations | None:
    """How the background fits the observations before it sees them; None if not archived.

    Rows have, over the values that were used,

        bias, rms                  of O-B, and `analysis_bias`, `analysis_rms` of O-A
        expected_rms               root of mean spread^2 + R
        chi2                       mean of d^2 over spread^2 + R, one where both are right
        background_error           root of mean d^2 - R, what the error of the background must be
        desroziers                 mean d a / R, one where R is right and the analysis weighs
                                   background and observations as it should
        desroziers_background      mean d (d - a) over mean spread^2, likewise one
        used, missing              numbers of values
        background_check, ..       numbers of values that a check rejects; None without checks

    and None where a method does not say how far its background spreads, has one member, or where
    the analysis is not known at observations.

    Arguments:
        tree: Archive of a run; its truth is not looked at.
        cycles: Cycles that the numbers are over.
    Source: Desroziers, Berre, Chapnik & Poli (2005), Q. J. R. Meteorol. Soc. 131, 3385, for the
        products of departures (equations 1 and 2).
    """
    diagnostics, observed = tree["diagnostics"].to_dataset(), tree["observations"].to_dataset()
    if "background_obs" not in diagnostics or not observed.sizes["observation"]:
        return None
    fit, groups = _fit(tree, observed, diagnostics), list(groups_of(observed))
    regional = [
        {"region": region} | _statistics(fit.part(cycles, columns), group, columns)
        for group in groups
        for region, columns in _by_region(observed, group.columns)
    ]
    return Innovations(
        tuple(_statistics(fit.part(cycles, g.columns), g, g.columns) for g in groups),
        _chi2(fit.used, fit.background, fit.variance),
        tuple(regional),
        tuple(_every_cycle(fit, groups)),
    )


def _fit(tree: xr.DataTree, observed: xr.Dataset, diagnostics: xr.Dataset) -> Fit:
    """The departures of a run from what it assimilates."""
    y, members = observed["y"].values.astype(np.float64), int(tree.attrs["members"])
    d, spread, variance = departures_of(observed, diagnostics, "background", members)
    analysis = (
        diagnostics["analysis_obs"].values
        if "analysis_obs" in diagnostics
        else at_places(tree["mean"].to_dataset(), observed, tree.attrs.get("scenario", {}))
    )
    rejected = diagnostics["rejected"].values if "rejected" in diagnostics else None
    a = _shorter_way(observed, y - analysis)
    return Fit(d, a, spread, variance, present_in(observed), rejected)


def _statistics(fit: Fit, group: Group, columns: Int[np.ndarray, "column"]) -> dict[str, Any]:
    """One row of `observation_space`.

    Arguments:
        fit: Departures of the row's cycles and observations.
        columns: Numbers of its observations.
    """
    used, d, a = fit.used, fit.background, fit.analysis
    numbers = {
        "analysis_bias": _average(a, used),
        "analysis_rms": np.sqrt(_average(a**2, used)),
        "desroziers": _average(d * a, used) / group.error_std**2,
        "desroziers_background": _ratio(_average(d * (d - a), used), _average(fit.spread, used)),
    }
    return {
        **group.facts(columns),
        **_moments("background_error", group.error_std, d, fit.variance, used),
        **{name: plain(value) for name, value in numbers.items()},
        **_counts(fit),
    }


def _counts(fit: Fit) -> dict[str, int | None]:
    """Numbers of values that are used, missing, and rejected by each check."""
    counts: dict[str, int | None] = dict.fromkeys(CHECKS)
    if fit.rejected is not None:
        counts |= {name: int((fit.rejected == flag).sum()) for name, flag in CHECKS.items()}
    return {"used": int(fit.used.sum()), "missing": int((~fit.present).sum())} | counts


def _by_region(
    observed: xr.Dataset, columns: Int[np.ndarray, "column"]
) -> Iterator[tuple[str, Int[np.ndarray, "column"]]]:
    """Names of regions, and which observations out of some lie there; none in toy systems."""
    if "latitude" not in observed.coords:
        return
    latitude, longitude = (observed[axis].values[columns] for axis in ("latitude", "longitude"))
    for region in REGIONS:
        is_there = inside(region, latitude, longitude)
        if is_there.any():
            yield region, columns[is_there]


def _every_cycle(fit: Fit, groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Counts and normalised departures of each group, all variables and levels, in every cycle.

    `background_rms` and `analysis_rms` are roots of the mean of (departure / error_std)^2.
    """
    for name in dict.fromkeys(group.about["group"] for group in groups):
        own = [group for group in groups if group.about["group"] == name]
        columns = np.concatenate([group.columns for group in own])
        std = np.concatenate([np.full(len(g.columns), g.error_std) for g in own])
        part = fit.part(slice(None), columns)
        counts = {"used": part.used.sum(1)}
        if part.rejected is not None:
            counts |= {check: (part.rejected == flag).sum(1) for check, flag in CHECKS.items()}
        rms = {
            f"{stage}_rms": _root_mean_squares(departure / std, part.used)
            for stage, departure in zip(STAGES, (part.background, part.analysis), strict=True)
        }
        series = {k: finite(values) for k, values in (counts | rms).items()}
        for values in series.values():
            values[0] = np.nan  # the initial state
        yield {"group": name, "count": len(columns)} | series


def _root_mean_squares(departures: ByCycle, used: Flags) -> Series:
    """The root mean square of every cycle; NaN where nothing is used or a departure not known."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.array([np.sqrt(_average(v**2, u)) for v, u in zip(departures, used, strict=True)])


def withheld(tree: xr.DataTree, cycles: slice) -> Departures | None:
    """The fit of background and analysis to observations that no method was given; None if none.

    As in `observation_space`, and for the analysis alike, since its errors have nothing to do with
    those of these observations. `error` is the root of mean d^2 - R. The background is missing
    where the method reports none.

    Arguments:
        cycles: Cycles that the numbers of the groups are over.
    """
    if "withheld" not in tree:
        return None
    observed, members = tree["withheld"].to_dataset(), int(tree.attrs["members"])
    departures = {
        stage: departures_of(observed, observed, stage, members)
        for stage in STAGES
        if f"{stage}_obs" in observed
    }
    present = present_in(observed)
    rows = [
        {"stage": stage, **group.facts(group.columns)}
        | _moments(
            "error",
            group.error_std,
            *(values[cycles, group.columns] for values in (d, variance, present)),
        )
        for stage, (d, _, variance) in departures.items()
        for group in groups_of(observed)
    ]
    chi2 = {stage: _chi2(present, d, variance) for stage, (d, _, variance) in departures.items()}
    return Departures(tuple(rows), chi2)


def departures_of(
    observed: xr.Dataset, predicted: xr.Dataset, stage: str, members: int
) -> tuple[ByCycle, ByCycle, ByCycle]:
    """d = y - mean h(x), the variance of h(x), and that which d should have; NaN if not known.

    Arguments:
        observed: Observations y with the standard deviation of their errors.
        predicted: Mean and variance of h(x), named after the stage.
    """
    d = (observed["y"].astype(np.float64) - predicted[f"{stage}_obs"]).values
    d = _shorter_way(observed, d)
    missing = np.full(d.shape, np.nan)
    spread = predicted[f"{stage}_var"].values if f"{stage}_var" in predicted else missing
    if members == 1:
        spread = np.where(spread > 0, spread, np.nan)
    return d, spread, spread + observed["error_std"].values ** 2


def _shorter_way(observed: xr.Dataset, departures: ByCycle) -> ByCycle:
    """Departures, those of directions the shorter way round, from -180 to 180 degrees."""
    circular = np.array([str(name) in DIRECTIONS for name in observed["variable"].values])
    wrapped = (departures + 180) % 360 - 180
    return np.where(circular, wrapped, departures) if circular.any() else departures


def groups_of(observed: xr.Dataset) -> Iterator[Group]:
    """The groups of a network, split by variable and level."""
    names = ["group", "variable", "units", "level", "error_std"]
    rows = observed[names].drop_vars(["cycle", "time"], errors="ignore").to_dataframe()
    rows = rows.reset_index(drop=True)
    for _, part in rows.groupby(["group", "variable", "level"], dropna=False, sort=False):
        first = part.iloc[0]
        texts = {name: str(first[name]) for name in ("group", "variable", "units")}
        std = part["error_std"].to_numpy()
        mean = first["error_std"] if (std == std[0]).all() else np.sqrt((std**2).mean())
        numbers = {"level": plain(first["level"]), "error_std": plain(mean)}
        yield Group(texts | numbers, part.index.to_numpy())


def _chi2(used: Flags, d: ByCycle, variance: ByCycle) -> Series:
    """Mean d^2 / variance of every cycle; NaN before the first and where h(x) is not finite.

    So it is in cycles without any observation.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        ratio = d**2 / variance
        if used[1:].all():
            return finite(ratio.mean(-1))
        return finite(np.array([_average(*row) for row in zip(ratio, used, strict=True)]))


def present_in(observed: xr.Dataset) -> Flags:
    """Whether each observation is there."""
    return ~np.isnan(observed["y"].values)


def _moments(
    error: str, error_std: float, d: ByCycle, variance: ByCycle, used: Flags
) -> dict[str, float | None]:
    """Numbers of departures of one row and their expected variance.

    Arguments:
        error: Name of the root of mean d^2 - R.
        used: Whether each observation is used.
    """
    mean_square = _average(d**2, used)
    numbers = {
        "bias": _average(d, used),
        "rms": np.sqrt(mean_square),
        "expected_rms": np.sqrt(_average(variance, used)),
        error: np.sqrt(np.fmax(mean_square - error_std**2, 0.0)),
        "chi2": _average(d**2 / variance, used),
    }
    return {name: plain(value) for name, value in numbers.items()}


def _average(values: np.ndarray, used: Bool[np.ndarray, "..."]) -> float:
    """The mean over values that are used; NaN where there are none to average over."""
    values = values if used.all() else values[used]
    return values.mean() if values.size else np.nan


def _ratio(a: float, b: float) -> float:
    """A ratio to six decimals, so that rounding of an analysis that is the background is zero."""
    return round(a / b, 6) + 0.0 if b > 0 else np.nan

"""What a run says about itself: fit to observations, weights, ancestors, cost."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from dabench.core.plain import plain
from dabench.scores.record import Departures, Diagnostic, Innovations, Series, finite

COSTS = ("evaluations", "products", "seconds", "wall_seconds")
STAGES = "background", "analysis"

LOOK_BACK = 50  # cycles in which a common ancestor is looked for

ByCycle = Float[np.ndarray, "cycle observation"]


def observation_space(tree: xr.DataTree, cycles: slice) -> Innovations | None:
    """The fit of the background to the observations before it sees them; None if not archived.

    The innovation is d = y - mean h(x). A mean d^2 of spread^2 + R is expected, and their ratio
    chi2 is one; both are None where a method does not say how far its background spreads, or has
    one member. `background_error` is the root of mean d^2 - R, what the error of the background
    must be. `desroziers` is mean d (y - h(analysis)) / R, one where the analysis weighs background
    and observations as it should; None where h is more than a look at a grid point (Desroziers,
    Berre, Chapnik & Poli, 2005, Q. J. R. Meteorol. Soc. 131, 3385). Values that a check rejected
    are left out; where there is one, rows say how many were used and rejected, and how far y is off
    the analysis (`analysis_bias`, `analysis_rms`).

    Arguments:
        cycles: Cycles that the numbers of the groups are over.
    """
    diagnostics, observed = tree["diagnostics"].to_dataset(), tree["observations"].to_dataset()
    if "background_obs" not in diagnostics or not observed.sizes["observation"]:
        return None
    d, variance = _departures(observed, diagnostics, "background", int(tree.attrs["members"]))
    y, analysis = observed["y"].values.astype(np.float64), tree["mean"].to_dataset()
    products, present = d * (y - _at_grid_points(analysis, observed)), _present(observed)
    checks = QualityControl.of(diagnostics, y)
    present = present if checks is None else present & ~checks.rejected
    rows = []
    for group, columns in _groups(observed):
        part = cycles, columns
        counts = {} if checks is None else checks.row(part, present)
        fit = _fit("background_error", group["error_std"], d[part], variance[part], present[part])
        ratio = _average(products[part], present[part]) / group["error_std"] ** 2
        rows.append(group | fit | {"desroziers": plain(ratio)} | counts)
    return Innovations(tuple(rows), _chi2(present, d, variance))


class QualityControl(NamedTuple):
    """What a check did with the observations, and what the analysis makes of them.

    Arguments:
        rejected: Whether a value was kept from the method.
        departure: y - mean h(x) of the analysis.
    """

    rejected: Bool[np.ndarray, "cycle observation"]
    departure: ByCycle

    @classmethod
    def of(cls, diagnostics: xr.Dataset, y: ByCycle) -> "QualityControl | None":
        """Those of a run; None where nothing was checked."""
        if "rejected" not in diagnostics:
            return None
        departure = y - diagnostics["analysis_obs"].values
        return cls(diagnostics["rejected"].values > 0, departure)

    def row(self, part: tuple, present: Bool[np.ndarray, "..."]) -> dict[str, float | int | None]:
        """Counts and departures from the analysis (O-A) of one group.

        Arguments:
            part: Cycles and observations of the group.
            present: Whether each observation was used.
        """
        used, departure = present[part], self.departure[part]
        return {
            "used": int(used.sum()),
            "rejected": int(self.rejected[part].sum()),
            "analysis_bias": plain(_average(departure, used)),
            "analysis_rms": plain(np.sqrt(_average(departure**2, used))),
        }


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
        stage: _departures(observed, observed, stage, members)
        for stage in STAGES
        if f"{stage}_obs" in observed
    }
    present = _present(observed)
    rows = [
        {"stage": stage, **group}
        | _fit("error", group["error_std"], *(v[cycles, columns] for v in (d, variance, present)))
        for stage, (d, variance) in departures.items()
        for group, columns in _groups(observed)
    ]
    chi2 = {stage: _chi2(present, *fit) for stage, fit in departures.items()}
    return Departures(tuple(rows), chi2)


def _departures(
    observed: xr.Dataset, predicted: xr.Dataset, stage: str, members: int
) -> tuple[ByCycle, ByCycle]:
    """d = y - mean h(x), and the variance that it should have, NaN where that is not known.

    Arguments:
        observed: Observations y with the standard deviation of their errors.
        predicted: Mean and variance of h(x), named after the stage.
    """
    d = (observed["y"].astype(np.float64) - predicted[f"{stage}_obs"]).values
    missing = np.full(d.shape, np.nan)
    spread = predicted[f"{stage}_var"].values if f"{stage}_var" in predicted else missing
    if members == 1:
        spread = np.where(spread > 0, spread, np.nan)
    return d, spread + observed["error_std"].values ** 2


def _groups(observed: xr.Dataset) -> Iterator[tuple[dict[str, Any], Int[np.ndarray, "column"]]]:
    """What the observations of one group, variable and level share, and the columns they are in."""
    names = ["group", "variable", "units", "level", "error_std"]
    rows = observed[names].drop_vars(["cycle", "time"], errors="ignore").to_dataframe()
    rows = rows.reset_index(drop=True)
    for _, part in rows.groupby(["group", "variable", "level"], dropna=False, sort=False):
        first = part.iloc[0]
        texts = {name: str(first[name]) for name in ("group", "variable", "units")}
        numbers = {"level": plain(first["level"]), "count": len(part)}
        std = part["error_std"].to_numpy()
        mean = first["error_std"] if (std == std[0]).all() else np.sqrt((std**2).mean())
        yield texts | numbers | {"error_std": plain(mean)}, part.index.to_numpy()


def _chi2(present: Bool[np.ndarray, "..."], d: ByCycle, variance: ByCycle) -> Series:
    """Mean d^2 / variance of every cycle; NaN before the first and where h(x) is not finite.

    So it is in cycles without any observation.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        ratio = d**2 / variance
        if present[1:].all():
            return finite(ratio.mean(-1))
        return finite(np.array([_average(*row) for row in zip(ratio, present, strict=True)]))


def _present(observed: xr.Dataset) -> Bool[np.ndarray, "cycle observation"]:
    """Whether each observation is there."""
    return ~np.isnan(observed["y"].values)


def _at_grid_points(fields: xr.Dataset, observed: xr.Dataset) -> ByCycle:
    """The fields where they are observed; NaN off the grid and for what is derived from fields."""
    values = np.full(observed["y"].shape, np.nan)
    nearest, on_grid = _nearest_points(fields, observed)
    if not nearest:
        return values
    names = np.array([str(v) for v in observed["variable"].values])
    levels = np.nan_to_num(observed["level"].values.astype(float), nan=-1.0)
    for name, level in {*zip(names, levels, strict=True)}:
        if name not in fields or (level >= 0) != ("level" in fields[name].dims):
            continue
        field = fields[name] if level < 0 else fields[name].sel(level=level, method="nearest")
        columns = on_grid & (names == name) & (levels == level)
        points = (slice(None), *(index[columns] for index in nearest.values()))
        values[:, columns] = field.transpose("cycle", *nearest).values[points]
    return values


def _nearest_points(
    fields: xr.Dataset, observed: xr.Dataset
) -> tuple[dict[str, Int[np.ndarray, "observation"]], np.ndarray]:
    """Index of the nearest grid point along each axis, and whether an observation is one."""
    on_grid = np.full(observed.sizes["observation"], True)
    nearest = {}
    for axis in ("latitude", "longitude", "site"):
        if axis in fields.dims:
            grid, position = fields[axis].values, observed[axis].values
            nearest[axis] = np.abs(grid[:, None] - position[None]).argmin(0)
            on_grid &= np.abs(grid[nearest[axis]] - position) < 1e-6
    return nearest, on_grid


def _fit(
    error: str, error_std: float, d: ByCycle, variance: ByCycle, present: Bool[np.ndarray, "..."]
) -> dict[str, float | None]:
    """Numbers of departures of one group and their expected variance.

    Arguments:
        error: Name of the root of mean d^2 - R.
        present: Whether each observation is there.
    """
    mean_square = _average(d**2, present)
    numbers = {
        "bias": _average(d, present),
        "rms": np.sqrt(mean_square),
        "expected_rms": np.sqrt(_average(variance, present)),
        error: np.sqrt(np.fmax(mean_square - error_std**2, 0.0)),
        "chi2": _average(d**2 / variance, present),
    }
    return {name: plain(value) for name, value in numbers.items()}


def _average(values: np.ndarray, present: Bool[np.ndarray, "..."]) -> float:
    """The mean over observations that are there; NaN where there are none to average over."""
    values = values if present.all() else values[present]
    return values.mean() if values.size else np.nan


def ensemble(tree: xr.DataTree, cycles: slice) -> dict[str, Diagnostic]:
    """Every scalar diagnostic but costs, and what follows from ancestors and weights, by name.

    Arguments:
        cycles: Cycles that mean and minimum are over.
    """
    diagnostics = tree["diagnostics"].to_dataset().drop_vars(COSTS, errors="ignore")
    values = {str(k): v for k, v in diagnostics.data_vars.items() if v.dims == ("cycle",)}
    if "ess" in diagnostics:  # a local analysis has one at every point
        ess = diagnostics["ess"]
        values["ess"] = ess.mean([d for d in ess.dims if d != "cycle"])
    if "ancestor" in diagnostics:
        values["unique_ancestors"] = _unique(diagnostics["ancestor"])
        values["genealogy_depth"] = _depth(diagnostics["ancestor"].values)
    if "log_weights" in diagnostics:
        largest = diagnostics["log_weights"].astype(np.float64).max("member")
        values["max_weight"] = largest.copy(data=np.exp(largest.values))
    return {
        name: _summary(values[name], cycles, censored=name == "genealogy_depth")
        for name in sorted(values)
    }


def _unique(ancestor: xr.DataArray) -> xr.DataArray:
    """Number of members that have children, per cycle."""
    return xr.DataArray([len(np.unique(a)) for a in ancestor.values], dims="cycle")


def _depth(ancestor: Int[np.ndarray, "cycle member"]) -> xr.DataArray:
    """Cycles back to the last common ancestor of all members; NaN where more than `LOOK_BACK`."""
    depth = np.full(len(ancestor), np.nan)
    for k in range(1, len(ancestor)):
        line = np.arange(ancestor.shape[1])
        for back in range(min(k, LOOK_BACK)):
            line = np.unique(ancestor[k - back][line])
            if len(line) == 1:
                depth[k] = back + 1
                break
    return xr.DataArray(depth, dims="cycle")


def _summary(values: xr.DataArray, cycles: slice, *, censored: bool = False) -> Diagnostic:
    """Mean and minimum over scored cycles, and all values.

    Arguments:
        censored: Whether missing values are larger than all others, so that there is no mean
            without them.
    """
    series = values.values.astype(np.float64)
    series[0] = np.nan  # the initial state
    scored = series[cycles][np.isfinite(series[cycles])]
    if not len(scored):
        return Diagnostic(None, None, finite(series))
    whole = not censored or np.isfinite(series[cycles]).all()
    mean = plain(scored.mean()) if whole else None
    return Diagnostic(mean, plain(scored.min()), finite(series))


def cost(tree: xr.DataTree) -> dict[str, float | None]:
    """Denoiser work a member and seconds, summed over the cycles, and the median seconds a cycle.

    Compilation is no cycle's work and is not counted. Memory is what the largest cycle takes, as
    `runs.memory.used_by` reports it, and its share of one member.
    """
    diagnostics = tree["diagnostics"].to_dataset()
    total = {
        name: plain(np.nansum(diagnostics[name].values[1:].astype(np.float64)))
        for name in COSTS
        if name in diagnostics
    }
    median = {
        f"{name}_a_cycle": plain(np.nanmedian(diagnostics[name].values[1:]))
        for name in ("seconds", "wall_seconds")
        if name in diagnostics and diagnostics.sizes["cycle"] > 1
    }
    memory = tree.attrs.get("memory", {})
    share = {f"{name}_a_member": n / int(tree.attrs["members"]) for name, n in memory.items()}
    return total | median | memory | share

"""What a run says about itself: innovations, weights, ancestors, cost."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from dabench.core.plain import plain

COSTS = ("evaluations", "products", "seconds", "wall_seconds")


def observation_space(tree: xr.DataTree, cycles: slice) -> dict[str, Any] | None:
    """How the background fits the observations before it sees them; None where it is not archived.

    With d = y - mean h(x), a mean d^2 of spread^2 + R is expected, and their ratio chi2 is one;
    both are None where a method does not say how far its background spreads, or has one member.
    `background_error` is the root of mean d^2 - R, what the error of the background must be.
    `desroziers` is mean d (y - h(analysis)) / R, one where the analysis weighs background and
    observations as it should; None where h is more than a look at a grid point (Desroziers, Berre,
    Chapnik & Poli, 2005, Q. J. R. Meteorol. Soc. 131, 3385).

    Returns:
        `groups`: a row for each group, variable and level, over `cycles`; `chi2`: per cycle.
    """
    diagnostics, seen = tree["diagnostics"].to_dataset(), tree["observations"].to_dataset()
    if "background_obs" not in diagnostics or not seen.sizes["observation"]:
        return None
    d, variance = _departures(seen, diagnostics, "background", int(tree.attrs["members"]))
    left = seen["y"].values.astype(np.float64) - _at_grid_points(tree["mean"].to_dataset(), seen)
    rows = []
    for about, of_kind in _kinds(seen):
        fit = _fit(
            "background_error", about["error_std"], *(a[cycles, of_kind] for a in (d, variance))
        )
        weighed = _average((d * left)[cycles, of_kind]) / about["error_std"] ** 2
        rows.append(about | fit | {"desroziers": plain(weighed)})
    return {"groups": rows, "chi2": [plain(v) for v in _chi2(d, variance)]}


STAGES = "background", "analysis"


def withheld(tree: xr.DataTree, cycles: slice) -> dict[str, Any] | None:
    """How background and analysis fit the observations that no method was given; None without any.

    As in `observation_space`, and for the analysis alike, since its errors have nothing to do with
    those of these observations. `error` is the root of mean d^2 - R.

    Returns:
        `groups`: a row for each stage, group, variable and level, over `cycles`; `chi2`: by stage,
        per cycle. The background is missing where the method reports none.
    """
    if "withheld" not in tree:
        return None
    kept, members = tree["withheld"].to_dataset(), int(tree.attrs["members"])
    found = {s: _departures(kept, kept, s, members) for s in STAGES if f"{s}_obs" in kept}
    rows = [
        {"stage": stage}
        | about
        | _fit("error", about["error_std"], *(a[cycles, of_kind] for a in fit))
        for stage, fit in found.items()
        for about, of_kind in _kinds(kept)
    ]
    chi2 = {stage: [plain(v) for v in _chi2(*fit)] for stage, fit in found.items()}
    return {"groups": rows, "chi2": chi2}


def _departures(
    seen: xr.Dataset, told: xr.Dataset, of: str, members: int
) -> tuple[np.ndarray, np.ndarray]:
    """d = y - mean h(x) and the variance that it should have (NaN: not known), (cycle, obs)."""
    d = (seen["y"].astype(np.float64) - told[f"{of}_obs"]).values
    spread = told[f"{of}_var"].values if f"{of}_var" in told else np.full(d.shape, np.nan)
    if members == 1:
        spread = np.where(spread > 0, spread, np.nan)
    return d, spread + seen["error_std"].values ** 2


def _kinds(seen: xr.Dataset) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """What the observations of one group, variable and level share, and which they are."""
    columns = ["group", "variable", "units", "level", "error_std"]
    rows = seen[columns].drop_vars(["cycle", "time"], errors="ignore").to_dataframe()
    rows = rows.reset_index(drop=True)
    for _, kind in rows.groupby(["group", "variable", "level"], dropna=False, sort=False):
        shared = kind.iloc[0]
        names = {name: str(shared[name]) for name in columns[:3]}
        numbers = {name: plain(shared[name]) for name in columns[3:]}
        about = names | {"level": numbers["level"], "count": len(kind)} | numbers
        yield about, kind.index.to_numpy()


def _chi2(d: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Per cycle; NaN before the first and where the ensemble is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        return (d**2 / variance).mean(-1)


def _at_grid_points(fields: xr.Dataset, seen: xr.Dataset) -> np.ndarray:
    """Fields where they are observed (cycle, observation); NaN off the grid and where derived."""
    found = np.full(seen["y"].shape, np.nan)
    level = seen["level"].values.astype(float)
    space = [d for d in ("latitude", "longitude", "site") if d in fields.dims]
    places, known = [], np.full(seen.sizes["observation"], True)
    for name in space:
        grid, where = fields[name].values, seen[name].values
        nearest = np.abs(grid[:, None] - where[None]).argmin(0)
        known &= np.abs(grid[nearest] - where) < 1e-6
        places.append(nearest)
    names = np.array([str(v) for v in seen["variable"].values])
    for name, height in {*zip(names, np.nan_to_num(level, nan=-1.0), strict=True)} if space else ():
        if name not in fields or (height >= 0) != ("level" in fields[name].dims):
            continue
        field = fields[name] if height < 0 else fields[name].sel(level=height, method="nearest")
        of_kind = known & (names == name) & (np.nan_to_num(level, nan=-1.0) == height)
        field = field.transpose("cycle", *space).values
        found[:, of_kind] = field[(slice(None), *(place[of_kind] for place in places))]
    return found


def _fit(error: str, error_std: float, d: np.ndarray, variance: np.ndarray) -> dict[str, Any]:
    """Of departures of one kind and their expected variance, (cycle, observation).

    Arguments:
        error: What the root of mean d^2 - R is called.
    """
    mean_square = _average(d**2)
    numbers = {
        "bias": _average(d),
        "rms": np.sqrt(mean_square),
        "expected_rms": np.sqrt(_average(variance)),
        error: np.sqrt(np.fmax(mean_square - error_std**2, 0.0)),
        "chi2": _average(d**2 / variance),
    }
    return {name: plain(value) for name, value in numbers.items()}


def _average(values: np.ndarray) -> float:
    """NaN where there are no cycles to average over."""
    return values.mean() if values.size else np.nan


def ensemble(tree: xr.DataTree, cycles: slice) -> dict[str, dict[str, Any]]:
    """Every scalar diagnostic but costs, and the number of unique ancestors, per cycle.

    Returns:
        By name: `mean` and `min` over `cycles`, `values` from cycle 0 on.
    """
    diagnostics = tree["diagnostics"].to_dataset().drop_vars(COSTS, errors="ignore")
    found = {str(k): v for k, v in diagnostics.data_vars.items() if v.dims == ("cycle",)}
    if "ess" in diagnostics:  # a local analysis has one at every point
        ess = diagnostics["ess"]
        found["ess"] = ess.mean([d for d in ess.dims if d != "cycle"])
    if "ancestor" in diagnostics:
        found["unique_ancestors"] = _unique(diagnostics["ancestor"])
        found["genealogy_depth"] = _depth(diagnostics["ancestor"].values)
    if "log_weights" in diagnostics:
        largest = diagnostics["log_weights"].astype(np.float64).max("member")
        found["max_weight"] = largest.copy(data=np.exp(largest.values))
    return {n: _summary(found[n], cycles, n == "genealogy_depth") for n in sorted(found)}


def _unique(ancestor: xr.DataArray) -> xr.DataArray:
    """How many members have children."""
    return xr.DataArray([len(np.unique(a)) for a in ancestor.values], dims="cycle")


LOOK_BACK = 50


def _depth(ancestor: np.ndarray) -> xr.DataArray:
    """So many cycles back all members have one ancestor; NaN where more than `LOOK_BACK`."""
    depth = np.full(len(ancestor), np.nan)
    for k in range(1, len(ancestor)):
        line = np.arange(ancestor.shape[1])
        for back in range(min(k, LOOK_BACK)):
            line = np.unique(ancestor[k - back][line])
            if len(line) == 1:
                depth[k] = back + 1
                break
    return xr.DataArray(depth, dims="cycle")


def _summary(values: xr.DataArray, cycles: slice, censored: bool = False) -> dict[str, Any]:
    """Mean and least over scored cycles, and all values.

    Arguments:
        censored: What is not known is larger than what is, so that there is no mean without it.
    """
    series = values.values.astype(np.float64)
    series[0] = np.nan  # the initial state
    scored = series[cycles][np.isfinite(series[cycles])]
    if not len(scored):
        return {"mean": None, "min": None, "values": plain(series)}
    whole = not censored or np.isfinite(series[cycles]).all()
    mean = plain(scored.mean()) if whole else None
    return {"mean": mean, "min": plain(scored.min()), "values": plain(series)}


def cost(tree: xr.DataTree) -> dict[str, float | None]:
    """Denoiser work a member and seconds, summed over the cycles, and the median seconds a cycle.

    Compilation is no cycle's work and is not counted. Memory is what the largest cycle takes, as
    `footprint.used_by` knows it, and its share of one member.
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
    held = tree.attrs.get("memory", {})
    share = {f"{name}_a_member": n / int(tree.attrs["members"]) for name, n in held.items()}
    return total | median | held | share

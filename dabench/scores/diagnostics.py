"""What a run says about itself: weights, ancestors, cost."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Int

from dabench.core.plain import plain
from dabench.scores.record import Diagnostic, finite

COSTS = ("evaluations", "products", "seconds", "wall_seconds")

UNSOLVED = 0.5  # mean residual of the solves of guidance above which a run says so
LOOK_BACK = 50  # cycles in which a common ancestor is looked for


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


def unsolved(diagnostics: Mapping[str, Diagnostic]) -> str | None:
    """A caution, in words, where the solves of guidance left much of the innovations."""
    residual = diagnostics.get("residual")
    if residual is None or residual.mean is None or residual.mean <= UNSOLVED:
        return None
    return (
        f"half of the solves of guidance left {residual.mean:.0%} of the innovations or more; try "
        "more guidance.iterations, or guidance.prior_variance"
    )


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

"""Figures of fields: maps, the network, densities at a point; from archives."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.headlines import Cell, in_order, title, units
from dabench.plots.style import INK, colours
from dabench.series import field, seconds

SYMMETRIC = ("wind", "vorticity", "divergence", "velocity")
"""Parts of names of variables that are drawn about zero."""

MARKERS = "os^Dv*"


def maps(trees: Mapping[str, xr.DataTree], cell: Cell, cycle: int) -> Figure:
    """Truth and ensemble means of all methods, and beneath them their errors, after one cycle.

    Arguments:
        trees: Archives by method; those that have not reached the cycle are left out.
    """
    reached = {m: t for m, t in trees.items() if t["truth"].sizes["cycle"] > cycle}
    methods = in_order(reached)
    truth = _at(next(iter(reached.values())), "truth", cell, cycle)
    means = {m: _at(reached[m], "mean", cell, cycle) for m in methods}
    figure = Figure(figsize=(max(2.9 * (1 + len(methods)), 9.0), 3.5), layout="constrained")
    axes = figure.subplots(2, 1 + len(methods), sharex=True, sharey=True, squeeze=False)
    limits, cmap = _range(cell[0], truth.values)
    shown = _map(axes[0, 0], truth, cmap, limits)
    axes[0, 0].set_title("Truth")
    errors = {m: x - truth for m, x in means.items()}
    bound = float(np.nanquantile(np.abs([e.values for e in errors.values()]), 0.99)) or 1.0
    wrong = shown
    for above, below, method in zip(axes[0, 1:], axes[1, 1:], methods, strict=True):
        _map(above, means[method], cmap, limits)
        above.set_title(method)
        wrong = _map(below, errors[method], "PuOr_r", (-bound, bound))
        below.set_title("error of the mean", weight="normal", size=8)
    axes[1, 0].set_axis_off()
    unit = units(truth.attrs.get("units", ""))
    figure.colorbar(shown, ax=axes[0], label=unit, shrink=0.8, pad=0.01)
    figure.colorbar(wrong, ax=axes[1], label=unit, shrink=0.8, pad=0.01)
    when = f"day {_days(next(iter(reached.values())), cycle):.3g}"
    figure.suptitle(f"{title(*cell)}, {when}", x=0, ha="left", weight="bold", size=10)
    return figure


def _days(tree: xr.DataTree, cycle: int) -> float:
    time = seconds(tree["truth"].to_dataset()["time"].values)
    return float(time[cycle] - time[0]) / 86400


def _at(tree: xr.DataTree, group: str, cell: Cell, cycle: int) -> xr.DataArray:
    x = field(tree, group, cell[0]).isel(cycle=cycle)
    return x if cell[1] is None else x.sel(level=cell[1])


def _range(variable: str, values: np.ndarray) -> tuple[tuple[float, float], str]:
    low, high = (float(q) for q in np.nanquantile(values, [0.005, 0.995]))
    if any(part in variable for part in SYMMETRIC):
        bound = max(-low, high)
        return (-bound, bound), "RdBu_r"
    return (low, high), "viridis" if "temperature" not in variable else "inferno"


def _map(axes: Axes, x: xr.DataArray, cmap: str, limits: tuple[float, float]):
    """Equirectangular, longitudes from 0 to 360, a line every 30 and 60 degrees."""
    lat, lon = x["latitude"].values, np.append(x["longitude"].values, x["longitude"][0] + 360)
    around = np.concatenate([x.values, x.values[:, :1]], axis=1)
    shown = axes.pcolormesh(
        lon, lat, around, cmap=cmap, vmin=limits[0], vmax=limits[1], rasterized=True
    )
    _graticule(axes)
    return shown


def _graticule(axes: Axes) -> None:
    axes.set(xlim=(0, 360), ylim=(-90, 90), xticks=range(0, 361, 90), yticks=[-60, -30, 0, 30, 60])
    axes.xaxis.set_major_formatter("{x:.0f}°")
    axes.yaxis.set_major_formatter("{x:.0f}°")
    axes.tick_params(labelsize=6.5, length=2)
    axes.grid(True, axis="both", color=INK, alpha=0.18, lw=0.4)
    axes.set_axisbelow(False)
    axes.set_aspect("auto")
    axes.spines[["top", "right"]].set_visible(True)


def network(tree: xr.DataTree) -> Figure:
    """Where each group observes."""
    seen = tree["observations"].to_dataset()
    rows = seen.drop_vars([v for v in ("y", "cycle", "time") if v in seen.variables])
    table = rows.to_dataframe().reset_index(drop=True)
    sphere = "latitude" in table
    figure = Figure(figsize=(6.4, 3.2 if sphere else 1.6), layout="constrained")
    axes = figure.subplots()
    tints = list(colours(["fa_apf", "letkf", "oi", "enkf", "bootstrap"]).values())
    for i, (name, group) in enumerate(table.groupby("group", sort=False)):
        where = ["longitude", "latitude"] if sphere else ["site"]
        places = group[where].drop_duplicates()
        x = places.iloc[:, 0]
        y = places.iloc[:, 1] if sphere else np.zeros(len(places))
        what = ", ".join(dict.fromkeys(str(v).replace("_", " ") for v in group["variable"]))
        label = f"{name}: {what}; {len(places)} places, {len(group)} values a cycle"
        size = float(np.clip(4000 / len(places), 3, 30))
        tint, marker = tints[i % 5], MARKERS[i % 6]
        axes.scatter(x, y, size, color=tint, marker=marker, lw=0, label=label, zorder=3)
    if sphere:
        _graticule(axes)
        axes.set_axisbelow(True)
    else:
        axes.set(yticks=[], xlabel="site")
        axes.grid(False)
    figure.legend(loc="outside upper left", markerscale=1.5, handletextpad=0.2)
    return figure


def density(
    trees: Mapping[str, xr.DataTree], cell: Cell, cycle: int, place: tuple[float, float]
) -> Figure | None:
    """Density of the members at the point nearest to (latitude, longitude), and the truth there.

    None where no archive holds members.
    """
    kept = {m: t for m, t in trees.items() if "members" in t and t["truth"].sizes["cycle"] > cycle}
    if not kept:
        return None
    where = {"latitude": place[0], "longitude": place[1] % 360}
    figure = Figure(figsize=(5.2, 2.8), layout="constrained")
    axes = figure.subplots()
    methods = in_order(kept)
    for method in methods:
        x = _at(kept[method], "members", cell, cycle).sel(where, method="nearest").values
        if np.isfinite(x).all() and np.ptp(x) > 0:
            tint = colours(methods)[method]
            sns.kdeplot(x=x, ax=axes, color=tint, fill=True, alpha=0.15, lw=1.6, label=method)
            axes.plot(x, np.zeros_like(x), "|", color=tint, ms=9)
    true = _at(next(iter(kept.values())), "truth", cell, cycle).sel(where, method="nearest")
    axes.axvline(float(true), color=INK, lw=1.2, label="truth")
    axes.set(xlabel=units(true.attrs.get("units", "")), ylabel="density", yticks=[])
    axes.grid(False)
    place_name = f"{float(true.latitude):g}° N, {float(true.longitude):g}° E"
    axes.set_title(
        f"{title(*cell)} at {place_name}, day {_days(next(iter(kept.values())), cycle):.3g}"
    )
    axes.legend()
    return figure

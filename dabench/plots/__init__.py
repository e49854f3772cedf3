"""Figures of runs: skill, spread and CRPS against time, weights, ranks, spectra, maps, network."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from dabench import archive
from dabench.headlines import headlines
from dabench.plots import curves, maps
from dabench.plots.graphs import graphs
from dabench.plots.pareto import pareto
from dabench.plots.places import places
from dabench.plots.style import save, theme
from dabench.score import current_scores

VERSION = 4
"""Of the drawing: a figure is drawn again when it changes."""

MANIFEST = "figures.json"

MAPPED = (("2m_temperature", None), ("10m_u_component_of_wind", None), ("geopotential", 500.0))
DAYS = (3.0, 7.0, 15.0)
PLACE = (50.0, 5.0)
"""What Savary, Rozet & Louppe (2025), arXiv 2509.18811, show in their figures 1 to 7."""


def home(folders: Sequence[Path]) -> Path:
    """Where the figures of these runs are kept: beside the methods' folders, after the seeds."""
    seeds = sorted({folder.name for folder in folders}, key=lambda name: (len(name), name))
    name = "-".join(seeds) if len(seeds) < 4 else f"{seeds[0]}-{seeds[-1]}-{len(seeds)}"
    return folders[0].parent.parent / f"figures-{name}"


def draw(runs: Iterable[str | Path], out: str | Path) -> list[Path]:
    """Draw all figures of runs of one scenario into a folder, as SVG (light, dark) and PNG.

    Nothing is drawn again while the scores are the same: `figures.json` there remembers them.

    Arguments:
        runs: Folders of runs; with several seeds of a method curves get bands, maps show the first.
    """
    folders, out = [Path(run) for run in runs], Path(out)
    scores = [current_scores(folder) for folder in folders]
    trees: dict[str, xr.DataTree] = {}
    for folder, run in zip(folders, scores, strict=True):
        if run["method"] not in trees:
            trees[run["method"]] = archive.open_run(folder)
    key = _fingerprint("archives", scores)
    return drawn(out, key) or _save(chain(of_scores(scores), of_archives(scores, trees)), out, key)


def draw_scores(runs: Sequence[Mapping[str, Any]], out: Path, earlier: Path) -> list[Path]:
    """Draw as SVG what results alone can show; files in `earlier` are copied where they fit."""
    key = _fingerprint("scores", runs)
    out.mkdir(parents=True, exist_ok=True)
    known = drawn(earlier, key)
    if known is not None:
        return [Path(shutil.copyfile(f, out / f.name)) for f in (*known, earlier / MANIFEST)]
    shown = {out / f"{name}.svg": svg for name, svg in chain(graphs(runs), places(runs))}
    for file, svg in shown.items():
        file.write_text(svg, encoding="utf-8")
    files = list(shown)
    _remember(files, out, key)
    return files


def _fingerprint(kind: str, scores: Sequence[Mapping[str, Any]]) -> str:
    text = json.dumps([VERSION, kind, scores], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def drawn(out: Path, key: str) -> list[Path] | None:
    """The figures there, if they are those of the key."""
    try:
        known = json.loads((out / MANIFEST).read_bytes())
        files = [out / name for name in known["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if known["key"] == key and all(file.exists() for file in files) else None


def _save(figures: Iterable[tuple[str, Figure]], out: Path, key: str) -> list[Path]:
    with theme():
        files = [file for name, figure in figures for file in save(figure, out, name)]
    _remember(files, out, key)
    return files


def _remember(files: Sequence[Path], out: Path, key: str) -> None:
    content = {"key": key, "files": [file.name for file in files]}
    archive.replace(out / MANIFEST, json.dumps(content).encode())


def of_scores(runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of all that scores alone can show."""
    cells = headlines(runs[0]["variables"])
    for metric in curves.METRICS:
        if any(row["metric"] == metric for run in runs for row in run["series"]):
            yield metric, curves.metric(runs, metric, cells)
    levels = curves.profiles(runs[0]["variables"])
    if levels:
        yield "rmse-levels", curves.metric(runs, "rmse", levels)
        yield "spread-levels", curves.metric(runs, "spread", levels)
    others = {
        "weights": curves.weights(runs),
        "ranks": curves.ranks(runs, cells),
        "spectra": curves.spectra(runs, cells),
        "pareto": pareto(runs, cells[0]),
    }
    yield from ((name, figure) for name, figure in others.items() if figure is not None)


def of_archives(
    runs: Sequence[Mapping[str, Any]], trees: Mapping[str, xr.DataTree]
) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of all that needs fields."""
    yield "network", maps.network(next(iter(trees.values())))
    if "latitude" not in next(iter(trees.values()))["truth"].dims:
        return
    variables = runs[0]["variables"]
    cells = [c for c in MAPPED if c[1] in variables.get(c[0], {}).get("levels", ())]
    for cycle in mapped_cycles(runs):
        for name, level in cells or headlines(variables)[:1]:
            suffix = "" if level is None else f"{level:g}"
            yield f"map-{name}{suffix}-cycle{cycle}", maps.maps(trees, (name, level), cycle)
    last = max(mapped_cycles(runs), default=0)
    figure = maps.density(trees, (cells or headlines(variables))[0], last, PLACE)
    if figure is not None:
        yield "density", figure


def mapped_cycles(runs: Sequence[Mapping[str, Any]]) -> list[int]:
    """The cycles after 3, 7 and 15 days that all sound runs have reached; the last one if fewer."""
    sound = [r for r in runs if not r["status"].startswith("diverged")] or list(runs)
    last = min(run["completed"] for run in sound)
    seconds = runs[0]["seconds"]
    days = [(s - seconds[0]) / 86400 for s in seconds[: last + 1]]
    wanted = [next((k for k, d in enumerate(days) if d >= day), last) for day in DAYS]
    return sorted({k for k in wanted if k > 0})

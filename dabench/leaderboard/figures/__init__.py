"""Figures of runs: skill, spread and CRPS against time, weights, ranks, spectra, maps, network."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dabench.core.files import replace
from dabench.leaderboard import thumbnails
from dabench.leaderboard.figures import curves
from dabench.leaderboard.figures.consistency import ranks, spectra
from dabench.leaderboard.figures.pareto import pareto
from dabench.leaderboard.figures.places import of_places
from dabench.leaderboard.figures.style import save, theme, themed
from dabench.scores.files import current_scores
from dabench.scores.headlines import headlines
from dabench.scores.metrics.registry import METRICS
from dabench.scores.record import Scores

VERSION = 8
"""Of the drawing: a figure is drawn again when it changes."""

MANIFEST = "figures.json"


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
    plain = [run.plain() for run in scores]
    key = _fingerprint("archives", json.dumps(plain, sort_keys=True, default=str))
    return drawn(out, key) or _save(_with_pictures(folders, scores), out, key)


def _with_pictures(folders: Sequence[Path], scores: Sequence[Scores]) -> list[Scores]:
    """Scores, and of the first run of each method what its archive shows of fields."""
    first = {run.method: run for run in reversed(scores)}
    return [
        run.replace(pictures=thumbnails.of_run(folder, run.variables))
        if run is first[run.method]
        else run
        for folder, run in zip(folders, scores, strict=True)
    ]


def draw_scores(runs: Sequence[Scores], out: Path, earlier: Path, digest: str) -> list[Path]:
    """Draw results as SVG for light and dark pages; files in `earlier` are copied if they fit.

    Arguments:
        digest: Of the runs.
    """
    key = _fingerprint("scores", digest)
    out.mkdir(parents=True, exist_ok=True)
    known = drawn(earlier, key)
    if known is not None:
        return [Path(shutil.copyfile(f, out / f.name)) for f in (*known, earlier / MANIFEST)]
    files = []
    with theme():
        for name, figure in figures(runs):
            files.append(out / f"{name}.svg")
            files[-1].write_bytes(themed(figure))
    _remember(files, out, key)
    return files


def _fingerprint(kind: str, what: str) -> str:
    return hashlib.sha256(f"{VERSION} {kind} {what}".encode()).hexdigest()


def drawn(out: Path, key: str) -> list[Path] | None:
    """The figures there, if they are those of the key."""
    try:
        known = json.loads((out / MANIFEST).read_bytes())
        files = [out / name for name in known["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if known["key"] == key and all(file.exists() for file in files) else None


def _save(runs: Sequence[Scores], out: Path, key: str) -> list[Path]:
    with theme():
        files = [file for name, figure in figures(runs) for file in save(figure, out, name)]
    _remember(files, out, key)
    return files


def _remember(files: Sequence[Path], out: Path, key: str) -> None:
    content = {"key": key, "files": [file.name for file in files]}
    replace(out / MANIFEST, json.dumps(content).encode())


def figures(runs: Sequence[Scores]) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of all that scores, and the pictures in them, can show."""
    cells = headlines(runs[0].variables)
    scored = {key.metric for run in runs for key in run.every_cycle}
    for metric in METRICS:
        if metric.curve and metric.name in scored:
            yield metric.name, curves.metric(runs, metric.name, cells)
    levels = curves.profiles(runs[0].variables)
    for metric in ("rmse", "spread"):
        kept = {key.cell for key in runs[0].every_cycle if key.metric == metric}
        if levels and kept.issuperset(levels):  # a result leaves some out
            yield f"{metric}-levels", curves.metric(runs, metric, levels)
    others = {
        "weights": curves.weights(runs),
        "ranks": ranks(runs, cells),
        "spectra": spectra(runs, cells),
        "pareto": pareto(runs, cells[0]),
    }
    yield from ((name, figure) for name, figure in others.items() if figure is not None)
    yield from of_places(runs)

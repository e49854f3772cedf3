"""Figures of runs: skill, spread and CRPS against time, weights, ranks, spectra, maps, network.

style        colours, and files               panels       axes in rows, legends, ticks
curves       numbers against time             consistency  histograms and spectra
pareto       skill against cost               network      places of observations
maps         truth, means and errors          density      members at a point
globe        the projection of maps           coastlines   coasts and land of the Earth
weather      maps of whole states             leads        forecasts by lead time
sizes        skill against members            monitoring   fit to observations by cycle
profiles     fit to observations by level
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dabench.core.files import replace
from dabench.leaderboard import thumbnails
from dabench.leaderboard.figures import curves, monitoring
from dabench.leaderboard.figures.consistency import ranks, spectra
from dabench.leaderboard.figures.density import density
from dabench.leaderboard.figures.leads import by_lead, means_by_lead
from dabench.leaderboard.figures.maps import maps, shown_maps
from dabench.leaderboard.figures.network import network
from dabench.leaderboard.figures.panels import NARROW, WIDE, of_width
from dabench.leaderboard.figures.pareto import pareto
from dabench.leaderboard.figures.profiles import profiles
from dabench.leaderboard.figures.sizes import sizes
from dabench.leaderboard.figures.style import DARK, KEYS, LIGHT, Palette, look, save, svg, themed
from dabench.leaderboard.labels import own
from dabench.leaderboard.leads import METRICS as LEAD_METRICS
from dabench.leaderboard.leads import of_runs
from dabench.leaderboard.methods import first_of_each
from dabench.scores.files import current_scores
from dabench.scores.headlines import headlines
from dabench.scores.metrics.registry import METRICS
from dabench.scores.observed import kinds_of_fields
from dabench.scores.record import Scores, sharing_fields

VERSION = 14
"""Version of the drawing: when it changes, all figures are drawn again."""

NARROW_NAME = "-narrow"
"""Ending of the names of figures for narrow pages."""

AT_LEVELS = ("rmse", "spread")
"""Metrics that are also drawn at three levels."""

MANIFEST = "figures.json"
"""Names the figures in a folder, and the scores that they were drawn from."""


def home(folders: Sequence[Path]) -> Path:
    """Folder for the figures of these runs: beside the folders of methods, named after the seeds.

    Arguments:
        folders: Folders of runs of one scenario and system.
    """
    seeds = sorted({folder.name for folder in folders}, key=lambda name: (len(name), name))
    name = "-".join(seeds) if len(seeds) < 4 else f"{seeds[0]}-{seeds[-1]}-{len(seeds)}"
    return folders[0].parent.parent / f"figures-{name}"


def draw(runs: Iterable[str | Path], out: str | Path) -> list[Path]:
    """Draw all figures of runs of one scenario into a folder, as SVG (light, dark) and PNG.

    Nothing is drawn again while the scores are the same, which `figures.json` there tells.

    Arguments:
        runs: Folders of runs; several seeds of a method become a band, maps show the first one.
    """
    folders, out = [Path(run) for run in runs], Path(out)
    scores = [current_scores(folder) for folder in folders]
    plain = [run.plain() for run in scores]
    key = _key("archives", json.dumps(plain, sort_keys=True, default=str))
    earlier = drawn(out, key)
    if earlier is not None:
        return earlier
    files = _save_all(_with_pictures(folders, scores), out)
    _remember(files, out, key)
    return files


def _save_all(runs: Sequence[Scores], out: Path) -> list[Path]:
    """Draw every figure twice, in the colours of light and of dark pages."""
    files = []
    with look(LIGHT):
        for name, figure in figures(runs, LIGHT):
            files += [save(out / f"{name}.svg", figure), save(out / f"{name}.png", figure)]
    with look(DARK):
        for name, figure in figures(runs, DARK):
            files.append(save(out / f"{name}-dark.svg", figure))
    return files


def _with_pictures(folders: Sequence[Path], scores: Sequence[Scores]) -> list[Scores]:
    """Scores; with the first run of each method, what its archive shows of fields."""
    first = first_of_each(scores)
    return [
        run.replace(pictures=thumbnails.of_run(folder, run.variables))
        if run is first[run.method]
        else run
        for folder, run in zip(folders, scores, strict=True)
    ]


def draw_scores(runs: Sequence[Scores], out: Path, earlier: Path, digest: str) -> list[Path]:
    """Draw results as SVGs that serve light and dark pages; those with `NARROW_NAME` telephones.

    Arguments:
        earlier: Folder whose figures are copied if they are of the same runs.
        digest: Digest of the runs.
    """
    key = _key("scores", digest)
    out.mkdir(parents=True, exist_ok=True)
    ready = drawn(earlier, key)
    if ready is not None:
        return [Path(shutil.copyfile(f, out / f.name)) for f in (*ready, earlier / MANIFEST)]
    files = []
    for width, ending in ((WIDE, ""), (NARROW, NARROW_NAME)):
        with look(KEYS), of_width(width):
            for name, figure in figures(runs, KEYS):
                files.append(out / f"{name}{ending}.svg")
                files[-1].write_bytes(themed(svg(figure)))
    _remember(files, out, key)
    return files


def _key(kind: str, content: str) -> str:
    """Digest of what figures are drawn from, and of how."""
    return hashlib.sha256(f"{VERSION} {kind} {content}".encode()).hexdigest()


def drawn(out: Path, key: str) -> list[Path] | None:
    """The figures in a folder if they were drawn from the content of the key, else None."""
    try:
        manifest = json.loads((out / MANIFEST).read_bytes())
        files = [out / name for name in manifest["files"]]
        same = manifest["key"] == key
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if same and all(file.exists() for file in files) else None


def _remember(files: Sequence[Path], out: Path, key: str) -> None:
    content = {"key": key, "files": [file.name for file in files]}
    replace(out / MANIFEST, json.dumps(content).encode())


def figures(runs: Sequence[Scores], palette: Palette) -> Iterator[tuple[str, Figure]]:
    """Name and figure of all that scores, and the pictures in them, can show."""
    every_run = sharing_fields(runs)
    runs, cells = own(every_run), headlines(every_run[0].variables)
    yield from _metrics(runs, palette)
    others = {
        "weights": curves.weights(runs, palette),
        "observed-counts": monitoring.counts(runs, palette),
        "observed-cycles": monitoring.departures(runs, palette),
        "observed-levels": profiles(runs, palette),
        "ranks": ranks(runs, cells, palette),
        "spectra": spectra(runs, cells, palette),
        "pareto": pareto(runs, cells[0], palette),
        "sizes": sizes(every_run, palette),
    }
    for name, figure in others.items():
        if figure is not None:
            yield name, figure
    yield from _leads(runs, palette)
    yield from _pictures(runs, palette)


def _leads(runs: Sequence[Scores], palette: Palette) -> Iterator[tuple[str, Figure]]:
    """Forecasts from analyses against lead time, where results have any."""
    forecasts = of_runs(runs)
    if forecasts:
        for metric in LEAD_METRICS:
            yield f"lead-{metric}", by_lead(forecasts, metric, palette)
        if (figure := means_by_lead(forecasts, kinds_of_fields(runs[0]), palette)) is not None:
            yield "leads", figure


def _metrics(runs: Sequence[Scores], palette: Palette) -> Iterator[tuple[str, Figure]]:
    """Metrics against time, and at three levels of the upper air where the results have them."""
    cells, levels = headlines(runs[0].variables), curves.profiles(runs[0].variables)
    scored = {key.metric for run in runs for key in run.every_cycle}
    for metric in METRICS:
        if metric.curve and metric.name in scored:
            yield metric.name, curves.metric(runs, metric.name, cells, palette)
    for name in AT_LEVELS:
        scored_cells = {key.cell for run in runs for key in run.every_cycle if key.metric == name}
        if levels and scored_cells.issuperset(levels):
            yield f"{name}-levels", curves.metric(runs, name, levels, palette)


def _pictures(runs: Sequence[Scores], palette: Palette) -> Iterator[tuple[str, Figure]]:
    """What the first run of each method keeps of its fields."""
    first = first_of_each(run for run in runs if run.pictures)
    run = next(iter(first.values()), None)
    if run and run.pictures and run.pictures["network"]:
        yield "network", network(run.pictures["network"], run.system["name"], palette)
    mapped = {m: run for m, run in first.items() if run.pictures and run.pictures["fields"]}
    for cell, cycle in shown_maps(mapped):
        level = "" if cell[1] is None else f"{cell[1]:g}"
        yield f"map-{cell[0]}{level}-cycle{cycle}", maps(mapped, cell, cycle, palette)
    figure = density(mapped, palette) if mapped else None
    if figure is not None:
        yield "density", figure

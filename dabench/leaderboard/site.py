"""The leaderboard: one static folder that works from disk and asks for nothing from outside."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dabench.core.errors import UserError
from dabench.core.version import __version__
from dabench.core.workers import Each, processes
from dabench.leaderboard.board import Board, boards, rows_by_method
from dabench.leaderboard.figures import NARROW_NAME, draw_scores
from dabench.leaderboard.figures.card import card
from dabench.leaderboard.figures.style import PAGE_COLOURS, save
from dabench.leaderboard.format import number, title
from dabench.leaderboard.lead_tables import lead_tables
from dabench.leaderboard.leads import METRICS as LEAD_METRICS
from dabench.leaderboard.matrix import PUBLISHED, grouped, matrix
from dabench.leaderboard.meanings import settings
from dabench.leaderboard.methods import COLOURS, display_name, method_of
from dabench.leaderboard.monitoring import by_group, monitored
from dabench.leaderboard.notes import cautions, notes
from dabench.leaderboard.published import Unrun, unrun
from dabench.leaderboard.results import content, find
from dabench.leaderboard.row import CLASSES, STEPS
from dabench.leaderboard.selectors import script
from dabench.leaderboard.showcase import Showcase, showcase
from dabench.leaderboard.showcase import script as showcase_script
from dabench.leaderboard.sizes import equal_cost
from dabench.leaderboard.smoothed import smoothed
from dabench.leaderboard.stale import origin
from dabench.leaderboard.standing import Marks, marks, sentences
from dabench.leaderboard.vocabulary import BRIEFLY, COSTS, INNOVATIONS, METRICS, WITHHELD
from dabench.runs.archive.folder import lock
from dabench.scores import metrics
from dabench.scores.metrics import registry
from dabench.scores.record import Key, Score

MANIFEST = "leaderboard.json"
"""Names the files of a site, so that a later build takes away only what an earlier one made."""

MANY = 4
"""Number of boards that are worth the start of other processes."""

STATIC = ("style.css", "page.js", "board.js", "cost.js", "front.js", "favicon.svg")

REPOSITORY = "https://github.com/dabench/dabench"
HOME = "https://dabench.github.io/dabench"
"""Where the published results are shown, for the card of a link to them."""
LINKS = {
    "Docs": f"{REPOSITORY}/tree/main/docs",
    "Submit": f"{REPOSITORY}/blob/main/CONTRIBUTING.md",
    "GitHub": REPOSITORY,
    "Paper": "https://arxiv.org/abs/2605.20028",
}
"""Links in the head of every page, by text."""
CITATION = f"{REPOSITORY}/blob/main/CITATION.cff"

MAP = re.compile(r"map-(?P<variable>.+?)(?P<level>\d+)?-cycle(?P<cycle>\d+)")
"""Pattern of the name of a figure of maps."""

DRAWN = [metric for metric in registry.METRICS if metric.curve]
CURVES = (*(m.name for m in DRAWN), "rmse-levels", "spread-levels", "ranks", "spectra")
LEADS = tuple(f"lead-{metric}" for metric in LEAD_METRICS)
FITS = ("weights", "ranks", "spectra", "density")
MONITORED = ("observed-counts", "observed-cycles", "observed-levels")
ALTERNATIVES = {
    **{m.name: f"{m.curve} against time, a line for each method" for m in DRAWN},
    "rmse-levels": "RMSE of the ensemble mean against time at three levels",
    "spread-levels": "Ensemble spread against time at three levels",
    "weights": "Effective sample size, members with children, largest weight, genealogy, tempering "
    "exponent and innovation chi² in every cycle",
    "pareto": "CRPS against the cost of a cycle; no method beats those on the line in both",
    "observed-counts": "Values in every cycle, and those that quality control rejects",
    "observed-cycles": "Departures from background and analysis in every cycle, by group",
    "observed-levels": "Departures from background and analysis by level and region",
    "ranks": "Histograms of where the truth falls among the members",
    "spectra": "Power of truth, members and error against zonal wavenumber",
    "network": "Where each group of observations lies",
    "density": "Density of the members of each method at stations, the truth and what was observed",
    "sizes": "Mean error over the free ensemble's against the number of members",
    "leads": "Mean error over the free ensemble's, and spread over skill, by lead time",
    **{f"lead-{m}": f"{registry.BY_NAME[m].title} by lead time of forecasts" for m in LEAD_METRICS},
}


def build(sources: Iterable[str | Path], out: str | Path) -> Path:
    """Build the site from runs and results, and return its front page.

    Made aside and then moved into place file by file, the front page last, so that a site is there
    and whole at any moment; the same sources give the same bytes.

    Arguments:
        sources: Folders with runs, result files, folders of result files; see `results.find`.
        out: Folder of the site; new, empty, or made by an earlier build (UserError otherwise).
    """
    out = Path(out)
    earlier_files = _ours(out)
    with processes() as each:
        all_boards = boards(find(sources, each))
        others = unrun([board.name for board in all_boards], map(Path, sources))
        with lock(out):
            part = out.with_name(f".{out.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            _write(all_boards, others, part, out, each)
            _publish(part, out, earlier_files)
    return out / "index.html"


def _ours(out: Path) -> list[str]:
    """Names of the files of the site in a folder; UserError where it holds anything else."""
    if not out.exists() or not any(out.iterdir()):
        return []
    try:
        return list(json.loads((out / MANIFEST).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{out}: holds files that are not a site of the leaderboard (no {MANIFEST}); "
            "choose another folder with --out."
        ) from None


def _publish(part: Path, out: Path, earlier_files: list[str]) -> None:
    """Move all files into place, and delete those that only the earlier build made."""
    new = sorted(p.relative_to(part).as_posix() for p in part.rglob("*") if p.is_file())
    everything = {"files": sorted({*earlier_files, *new})}
    out.mkdir(parents=True, exist_ok=True)
    _list(everything, part, out)
    for name in sorted(new, key=lambda n: (n == "index.html", n)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(part / name, out / name)
    for name in {*earlier_files} - {*new}:
        if (gone := out / name).resolve().is_relative_to(out.resolve()):
            gone.unlink(missing_ok=True)
    _list({"files": new}, part, out)
    shutil.rmtree(part)


def _list(names: dict[str, list[str]], part: Path, out: Path) -> None:
    """Write the manifest by way of `part`, which the next build removes if this one is killed."""
    (part / MANIFEST).write_text(json.dumps(names, indent=1))
    os.replace(part / MANIFEST, out / MANIFEST)


def _write(all_boards: list[Board], others: list[Unrun], part: Path, out: Path, each: Each) -> None:
    part.mkdir(parents=True)
    for name in STATIC:
        _page(_environment(), name, part / name)
    folders = (
        [part / board.slug for board in all_boards],
        [out / board.slug for board in all_boards],
    )
    groups = grouped(all_boards)
    names = [*groups, *([PUBLISHED] if others else [])]
    summaries = each(MANY)(_board, all_boards, *folders, [names] * len(all_boards))
    pages, head = _environment(), {"groups": names}
    for identifier, own in rows_by_method(all_boards).items():
        path = part / "methods" / f"{own[0][1].slug}.html"
        rows = [(board, row, origin(row.first)) for board, row in own]
        about = {"identifier": identifier, "name": display_name(identifier), "rows": rows}
        about |= head | {"method": method_of(identifier), "settings": settings(own)}
        _page(pages, "method.html", path, root="../", **about)
    for board in others:
        path = part / board.slug / "index.html"
        _page(pages, "published.html", path, board=board, root="../", **head)
    front = head | _front(groups, all_boards, list(summaries))
    front["showcase"] = _showcase(all_boards, part)
    _page(pages, "index.html", part / "index.html", root="", others=others, **front)


def _showcase(all_boards: list[Board], folder: Path) -> Showcase | None:
    """Write the maps of the front page and the card of links to it; None where there are none."""
    example = showcase(all_boards)
    if example:
        names = [example.row.name, example.free.name]
        (folder / "showcase.js").write_text(showcase_script(example), encoding="utf-8")
        picture = card(names, example.runs, next(iter(sentences(example.board)), ""))
        save(folder / "card.png", picture)
    return example


class Summary(NamedTuple):
    """What the front page shows of a board: its section, and which methods are marked."""

    section: str
    marks: Marks


def _front(
    groups: Mapping[str, list[Board]], all_boards: list[Board], summaries: list[Summary]
) -> dict[str, Any]:
    """What the front page shows of boards: the matrix, and their sections by group."""
    by_slug = {board.slug: own for board, own in zip(all_boards, summaries, strict=True)}
    text = {
        group: Markup("".join(by_slug[board.slug].section for board in own))
        for group, own in groups.items()
    }
    in_order = [board for own in groups.values() for board in own]
    lines = matrix(in_order, {slug: summary.marks for slug, summary in by_slug.items()})
    return {"boards": groups, "lines": lines, "sections": text}


def _board(board: Board, folder: Path, earlier: Path, groups: list[str]) -> Summary:
    """Write all files of a board, and return what the front page shows of it.

    Arguments:
        board: The board.
        folder: Folder to write to.
        earlier: Folder of the board in the site that is there.
        groups: Names of all groups of boards, for the heads of its pages.
    """
    figures = _figures(board, folder, earlier, _downloads(board, folder))
    pages = _environment()
    about = {"board": board, "groups": groups, "best_of": marks(board)}
    about |= {"sentences": [*sentences(board), *cautions(board)], "notes": notes(board)}
    about |= {"equal": equal_cost(board), "smoothers": smoothed(board), "leads": lead_tables(board)}
    (folder / "numbers.js").write_text(script(board), encoding="utf-8")
    _page(pages, "scenario.html", folder / "index.html", figures=figures, root="../", **about)
    observed = {"overview": by_group(board), "groups_monitored": monitored(board)}
    path = folder / "diagnostics.html"
    _page(pages, "diagnostics.html", path, figures=figures, root="../", **observed, **about)
    for row in (*board.rows, *board.beside):
        path = folder / "rows" / f"{row.slug}.html"
        _page(pages, "row.html", path, row=row, root="../../", **about)
    section = pages.get_template("board.html").render(root="", **about)
    return Summary(section, about["best_of"])


@cache
def _environment() -> Environment:
    pages = Environment(
        loader=PackageLoader("dabench.leaderboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals |= {
        "version": __version__,
        "metric_version": metrics.VERSION,
        "alternatives": ALTERNATIVES,
        "links": LINKS,
        "citation": CITATION,
        "home": HOME,
        "docs": LINKS["Docs"],
        "method_colours": COLOURS,
        "page_colours": PAGE_COLOURS,
        "metric_names": METRICS,
        "overview_metrics": {m.name: m.title for m in registry.METRICS if m.overview},
        "unitless_metrics": {m.name for m in registry.METRICS if not m.has_units},
        "innovation_names": INNOVATIONS,
        "withheld_names": WITHHELD,
        "diagnostic_names": BRIEFLY,
        "cost_names": COSTS,
        "steps": list(zip(CLASSES, STEPS, strict=False)),
    }
    pages.filters |= {"number": number, "code": _code, "slug": _slug, "breakable": _breakable}
    pages.filters |= {"linked": _linked, "formula": _formula}
    return pages


def _slug(text: str) -> str:
    """A text as the name of a place on a page."""
    return text.lower().replace(" ", "-")


def _breakable(name: str) -> Markup:
    """HTML of an identifier that may be broken at its underscores and hyphens."""
    return Markup(re.sub(r"([_-])", r"\1<wbr>", str(escape(name))))


def _linked(text: str) -> Markup:
    """HTML of a text whose hashes of commits lead to the repository."""
    link = rf'<a href="{REPOSITORY}/commit/\g<0>"><code>\g<1></code></a>'
    return Markup(re.sub(r"\b([0-9a-f]{10})[0-9a-f]{30}\b", link, str(escape(text))))


def _formula(text: str) -> Markup:
    """HTML of an equation with `_a` for a lowered and `^a` for a raised a, `{...}` for several."""
    html = str(escape(text))
    for sign, tag in (("_", "sub"), (r"\^", "sup")):
        html = re.sub(rf"{sign}(?:{{([^}}]*)}}|([\w½]+))", rf"<{tag}>\1\2</{tag}>", html)
    return Markup(html)


def _code(text: str) -> Markup:
    """HTML of a text in which code stands in backticks."""
    odd = (Markup("<code>{}</code>").format(part) for part in text.split("`")[1::2])
    even = map(escape, text.split("`")[::2])
    return Markup("").join(part for pair in zip_longest(even, odd, fillvalue="") for part in pair)


def _page(pages: Environment, template: str, path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(pages.get_template(template).render(**content), encoding="utf-8")


def _figures(board: Board, folder: Path, earlier: Path, key: str) -> dict[str, Any]:
    """Draw the figures of a board; returns their names by section, and their sizes."""
    runs = [run for row in (*board.rows, *board.beside) for run in row.runs]
    drawn = draw_scores(runs, folder, earlier, key)
    names = [file.stem for file in drawn if file.suffix == ".svg"]
    maps: dict[str, list[str]] = {}
    for name in names:
        if match := MAP.fullmatch(name):
            what = title(match["variable"], float(match["level"]) if match["level"] else None)
            maps.setdefault(what, []).append(name)
    sections = {"curves": CURVES, "fits": FITS, "monitoring": MONITORED, "cost": ("pareto",)}
    sections |= {"network": ("network",), "by_members": ("sizes",)}
    sections |= {"leads": ("leads",), "lead_fields": LEADS}
    chosen = {section: [n for n in all_of if n in names] for section, all_of in sections.items()}
    sizes = {name: _size(folder / f"{name}.svg") for name in names}
    return {**chosen, "maps": maps, "sizes": sizes, "narrow": NARROW_NAME}


def _size(file: Path) -> list[int]:
    """Width and height of a figure in points, for which a page keeps room."""
    with file.open(encoding="utf-8") as f:
        lengths = re.findall(r'(?:width|height)="([\d.]+)pt"', f.read(1000))
    return [round(float(length)) for length in lengths[:2]]


def _downloads(board: Board, folder: Path) -> str:
    """All numbers of a board: `results/<method>.json`, and headline values as `scores.csv`.

    Returns: A digest of all result files.
    """
    table, digest = io.StringIO(), hashlib.sha256()
    columns = ["method", "seed", *Key._fields, *Score._fields]
    writer = csv.DictWriter(table, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    (folder / "results").mkdir(parents=True)
    for row in (*board.rows, *board.beside):
        file = content([run.plain() for run in row.runs])
        (folder / "results" / f"{row.slug}.json").write_bytes(file)
        digest.update(file)
        for run in row.runs:
            about = {"method": run.method, "seed": run.seed}
            writer.writerows(
                about | key._asdict() | score._asdict() for key, score in run.scores.items()
            )
    (folder / "scores.csv").write_text(table.getvalue(), encoding="utf-8")
    return digest.hexdigest()

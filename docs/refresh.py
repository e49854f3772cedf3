"""`python -m docs.refresh [PAGE ...]`: run the pages' blocks, and put in what they print."""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from docs.blocks import run
from docs.reference import reference

HERE = Path(__file__).resolve().parent
FIGURES = {
    "tour.md": {"rmse": "runs/linear_gaussian/linear_gaussian/figures-seed0/rmse"},
    "gallery.md": {
        f"gallery-{name}": f"gallery/{name}" for name in ("rmse", "ranks", "weights", "pareto")
    },
}
"""Figures that each page draws: name of the picture -> file, both without ending."""


def pages() -> dict[str, str]:
    """Text of every page by name, the command line's reference aside."""
    return {p.name: p.read_text() for p in sorted(HERE.glob("*.md")) if p.name != "cli.md"}


def refreshed(name: str, page: str) -> str:
    """A page with its outputs made anew, in a folder of its own; its figures are copied."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        prepare()
        texts = [(block.span, text) for block, text in run(page)]
        for picture, file in FIGURES.get(name, {}).items():
            for ending in (".svg", "-dark.svg"):
                shutil.copy(file + ending, HERE / "images" / f"{picture}{ending}")
    for (start, end), text in reversed(texts):
        page = page[:start] + text + page[end:]
    return page


def prepare() -> None:
    """Make the working directory one of a reader who has no published results to draw."""
    Path("leaderboard/results").mkdir(parents=True)


def main(names: list[str]) -> None:
    (HERE / "images").mkdir(exist_ok=True)
    (HERE / "cli.md").write_text(reference())
    for name, page in pages().items():
        if not names or name in names:
            print(name)
            (HERE / name).write_text(refreshed(name, page))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Arguments and options that several commands take."""

import re
from pathlib import Path
from typing import Annotated

import typer

from dabench.core.errors import UserError

MOST_SEEDS = 1000  # of one call; a result holds no more

Runs = Annotated[list[Path], typer.Argument(help="Folders of runs (runs/.../seed0).")]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")
]
Out = Annotated[Path, typer.Option(help="Where runs are kept.")]


def seed_list(text: str) -> list[int]:
    """`0-4` or `0,2,7` as numbers, each once; UserError if it is neither."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < first + MOST_SEEDS:
            raise UserError(f"--seeds {text}: is not of the form 0-4 or 0,2,7")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))

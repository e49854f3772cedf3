"""`python -m benchmarks [NAME ...] [--quick]`: comparisons as ratios; a table and JSON."""

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.race import ROUNDS, Row

NAMES = (
    "denoiser",
    "guidance",
    "posterior",
    "letkf",
    "scoring",
    "site",
    "precision",
    "whole",
    "devices",
)

ACCELERATOR = "accelerator"


def main(arguments: list[str] | None = None) -> None:
    """Run the comparisons that are asked for; what fails is told at the end."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smaller cases, minutes in all")
    parser.add_argument("--gpu", action="store_true", help=f"{ACCELERATOR} alone: one-degree sizes")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="file to write")
    given = parser.parse_args(arguments)
    names = (ACCELERATOR,) if given.gpu else given.names or NAMES
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(NAMES)}")
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    sys.exit(1 if measure(names, given.quick, given.rounds, given.json) else 0)


def measure(names: Any, quick: bool, rounds: int, file: Path) -> list[str]:
    """Run, print, and keep what is known in the file after every row; returns failures."""
    from benchmarks.floor import machine
    from dabench.core.jax_setup import set_up_jax

    set_up_jax()
    found: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds")}
    found |= {"quick": quick, "machine": machine(rounds), "rows": [], "failed": []}
    console = Console(width=140)
    console.print(found["machine"])
    for name in names:
        rows: list[Row] = []
        try:
            for row in import_module(f"benchmarks.{name}").run(quick, rounds):
                rows.append(row)
                found["rows"].append(row.plain())
                file.write_text(json.dumps(found, indent=1))
        except Exception as e:  # one comparison must not cost the others
            console.print_exception()
            found["failed"].append(f"{name}: {type(e).__name__}: {e}")
        file.write_text(json.dumps(found, indent=1))
        console.print(table(name, rows))
    console.print(f"results   {file}", *found["failed"], sep="\n", markup=False)
    return found["failed"]


def table(title: str, rows: list[Row]) -> Table:
    """One line a candidate."""
    columns = ("comparison", "candidate", "seconds", "ratio", "range", "notes")
    made = Table(*columns, title=title, box=None)
    for row in rows:
        notes = ", ".join(f"{name} {value}" for name, value in row.notes.items())
        spread = f"{row.low:.2f}-{row.high:.2f}"
        made.add_row(
            row.comparison, row.candidate, f"{row.seconds:.4g}", f"{row.ratio:.2f}", spread, notes
        )
    return made


if __name__ == "__main__":
    main()

"""`dabench show`: a run at a glance."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dabench.cli.notes import note

if TYPE_CHECKING:
    from dabench.scores.run import Run


def show(
    run: Annotated[Path, typer.Argument(help="Folder of a run (runs/.../seed0).")],
) -> None:
    """Show a run at a glance: what was run, how it ended, its scores."""
    from rich.console import Console

    from dabench.leaderboard.monitoring import rejections
    from dabench.leaderboard.terminal import results
    from dabench.scores.run import Run

    opened = Run.open(run)
    for name, text in _facts(opened).items():
        typer.echo(f"{name:10}{text}")
    if opened.attributes["completed"] < 1:
        note("scores    none before the first cycle is complete")
        return
    if text := rejections(opened.scores):
        typer.echo(f"{'rejected':10}{text}")
    Console().print(results([opened.scores]))
    note(f"next      dabench compare {run.parent.parent}")


def _facts(run: "Run") -> dict[str, str]:
    from dabench.leaderboard.methods import display_name

    attrs = run.attributes
    settings = ", ".join(f"{name}={value}" for name, value in attrs["settings"].items())
    facts = {
        "run": str(run.folder),
        "scenario": f"{attrs['scenario']['name']}: {attrs['scenario']['title']}",
        "system": attrs["system"]["name"],
        "method": f"{display_name(run.method)}, {attrs['members']} members",
        "settings": settings,
        "seed": str(run.seed),
        "status": f"{run.status}, {attrs['completed']} of {attrs['cycles']} cycles",
        "made": _origin(attrs.get("provenance", {})),
    }
    return {name: text for name, text in facts.items() if text}


def _origin(provenance: dict) -> str:
    """The version of dabench and the device that made a run."""
    names = ("dabench", "commit", "device")
    return ", ".join(str(provenance[name]) for name in names if provenance.get(name))

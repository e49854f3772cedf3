"""`dabench new`: files to begin with, which run as they are."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dabench.cli.notes import note
from dabench.core.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
KINDS = {
    "scenario": ("scenario.yaml", ["dabench check {file}", "dabench run {file} --members 32"]),
    "filter": (
        "filter.py",
        [
            "dabench conformance {name}:{name}",
            "dabench run linear_gaussian -m {name}:{name} -m ensemble --cycles 60",
        ],
    ),
    "model": (
        "model.py",
        ["dabench run linear_gaussian --system {name}:{name} -m letkf -m ensemble --cycles 60"],
    ),
}
"""What can be begun: the file to begin with, and the commands that use it."""


def new(
    kind: Annotated[str, typer.Argument(help="scenario, filter or model.")],
    name: Annotated[
        str | None, typer.Argument(help="Name of the new file; default my_KIND.")
    ] = None,
) -> None:
    """Write a commented scenario, filter or model to begin with, in this folder."""
    from dabench.scenario.validate import suggest

    if kind not in KINDS:
        raise UserError(f"new: nothing is known as {kind!r}; {suggest(kind, KINDS)}")
    template, commands = KINDS[kind]
    usual = f"my_{kind}"
    name = name or usual
    if not NAME.fullmatch(name):
        raise UserError(f"new: {name!r} cannot name a module; use letters, digits and '_'")
    file = Path(name).with_suffix(Path(template).suffix)
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as new_file:
            new_file.write(re.sub(rf"\b{usual}\b", name, text).replace("NAME.yaml", str(file)))
    except FileExistsError:
        raise UserError(f"{file}: is there already; give another name") from None
    typer.echo(f"file      {file}")
    for command in commands:
        note(f"next      {command.format(file=shlex.quote(str(file)), name=name)}")

"""The reference of the command line, from what every command says of itself."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from dabench import cli

HEAD = """\
# Command line

Made from `--help` by `python -m docs.refresh`.

"""


def reference() -> str:
    """The page `cli.md`."""
    parts = [f"## {name}\n\n```text\n{text}```\n" for name, text in _helps(get_command(cli.app))]
    return HEAD + "\n".join(parts)


def _helps(command: Any, name: str = "dabench") -> Iterator[tuple[str, str]]:
    """(name, help) of a command and of all below it."""
    words = name.split()[1:]
    width = {"COLUMNS": "92", "TERMINAL_WIDTH": "92", "NO_COLOR": "1"}
    result = CliRunner().invoke(cli.app, [*words, "--help"], prog_name="dabench", env=width)
    yield name, "\n".join(line.rstrip() for line in result.output.strip().splitlines()) + "\n"
    for child in getattr(command, "commands", {}).values():
        yield from _helps(child, f"{name} {child.name}")

"""The code blocks of a page: found, run in a folder of their own, and their outputs kept true.

    console     commands after `$`, run; what follows is their output
    bash        commands that are run
    sh          commands of dabench that are read but not run: too long, or from outside
    yaml        a scenario or a baseline, checked
    python      executed, one block after the other in one namespace
    text        anything

A block with a caption is a file of that name, which later blocks may use. Commands of a block of
class `fails` are meant to.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

FENCE = re.compile(
    r"^```(?:\{code-block\} )?(?P<kind>\w+)\n(?P<options>(?::\w+:[^\n]*\n)*)\n?(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
CAPTION = re.compile(r":caption: (\S+)")
NEVER = 1e5  # seconds
KINDS = ("console", "bash", "sh", "yaml", "python", "text", "toml", "bibtex")


class Block(NamedTuple):
    """One fenced block.

    Arguments:
        kind: What it is, see above.
        file: Its name, if it is a file.
        fails: Whether its commands are meant to fail.
        span: Where its text stands in its page.
    """

    kind: str
    file: str | None
    fails: bool
    text: str
    span: tuple[int, int]

    @property
    def commands(self) -> list[str]:
        """One a line; a backslash continues it."""
        whole = self.text.replace("\\\n", " ")
        start = "$ " if self.kind == "console" else ""
        lines = [line for line in whole.splitlines() if line.startswith(start) and line.strip()]
        lines = [line.removeprefix(start) for line in lines]
        return [line.partition(" #")[0].strip() for line in lines if not line.startswith("#")]


def blocks(page: str) -> list[Block]:
    """Of a page's text, in order; ValueError where one is of no known kind."""
    found = []
    for match in FENCE.finditer(page):
        if match["kind"] not in KINDS:
            raise ValueError(f"a block of {match['kind']!r}; known: {', '.join(KINDS)}")
        caption = CAPTION.search(match["options"])
        file = caption[1] if caption else None
        fails = ":class: fails" in match["options"]
        found.append(Block(match["kind"], file, fails, match["text"], match.span("text")))
    return found


def run(page: str) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in the working directory: each with the text it should have."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
        yield block, _run(block, namespace)


def _run(block: Block, namespace: dict[str, Any]) -> str:
    if block.kind == "console":
        return "".join(f"$ {c}\n{output(c, block.fails)}" for c in block.commands)
    if block.kind == "bash":
        for command in block.commands:
            output(command)
    elif block.kind == "sh":
        for command in block.commands:
            parse(command)
    elif block.kind == "yaml":
        _check(block)
    elif block.kind == "python" and not block.file:
        _execute(block.text, namespace)
    return block.text


def _execute(text: str, namespace: dict[str, Any]) -> None:
    """As a script in the working directory would be."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        exec(compile(text, "page", "exec"), namespace)
    finally:
        sys.path.pop(0)


def _check(block: Block) -> None:
    file = Path(block.file or "block.yaml")
    file.write_text(block.text, encoding="utf-8")
    output(f"dabench check {shlex.quote(str(file))}")


def output(command: str, fails: bool = False) -> str:
    """What a command prints, on both streams; RuntimeError where it fails but should not."""
    words = shlex.split(command)
    if words[0] != "dabench":
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        return done.stdout
    printed = io.StringIO()
    code = _call(words, printed)
    told = printed.getvalue().replace(f"{Path.cwd()}/", "")
    text = "\n".join(line.rstrip() for line in told.splitlines())
    if bool(code) != fails:
        raise RuntimeError(f"{command}: exit code {code}\n{text}")
    return text + "\n"


def _call(words: list[str], printed: io.StringIO) -> int:
    """The command line in this process, which has imported and compiled much already."""
    from dabench import cli
    from dabench.core import waits
    from dabench.runs import progress

    before, width = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = words, "92"
    try:
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            patch.object(waits, "PATIENCE", NEVER),  # what is printed must not depend on the time
            patch.object(progress, "BLOCK_SECONDS", NEVER),
        ):
            cli.main()
    except SystemExit as e:
        return int(e.code or 0)
    finally:
        sys.argv = before
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)
    return 0


def parse(command: str) -> None:
    """Read a command without running it; click's errors where an option or command is unknown."""
    import typer

    from dabench import cli

    words = shlex.split(command)
    if words[0] != "dabench":
        return
    known: Any = typer.main.get_command(cli.app)
    context = known.make_context("dabench", words[1:])
    while (rest := [*context._protected_args, *context.args]) and hasattr(known, "commands"):
        known = known.commands[rest[0]]
        context = known.make_context(rest[0], rest[1:], parent=context)

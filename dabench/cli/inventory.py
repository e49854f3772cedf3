"""`dabench list`: the scenarios, methods and systems that are known here."""

import ast
import json as json_format
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import typer

from dabench.cli.notes import note
from dabench.cli.options import Json

WIDTH = 100  # of a description in the list, in characters


class Item(NamedTuple):
    """One thing that is known."""

    kind: str
    name: str
    description: str


def list_(json: Json = False) -> None:
    """List the scenarios, methods and systems that are known here."""
    items = [*_scenarios(), *_methods(), *_systems()]
    if json:
        typer.echo(json_format.dumps([item._asdict() for item in items], indent=1))
        return
    for kind, name, description in items:
        short = description if len(description) <= WIDTH else f"{description[: WIDTH - 3]}..."
        typer.echo(f"{kind:9} {name:24} {short}".rstrip())
    note("next      dabench run SCENARIO -m METHOD")


def _scenarios() -> Iterator[Item]:
    from dabench.scenario import catalogue, yamlfile

    for name, path in catalogue.names("scenarios").items():
        data = yamlfile.read(path).data
        yield Item("scenario", name, data.get("title", "") if isinstance(data, dict) else "")


def _methods() -> Iterator[Item]:
    from dabench.leaderboard.methods import method_of
    from dabench.scenario.baseline import methods
    from dabench.scenario.plugins import registry

    filters = registry("filters")
    for name in methods(""):
        method = method_of(name)
        text = method.description if method else _first_sentence(filters.get(name, ""))
        yield Item("method", name, text)


def _systems() -> Iterator[Item]:
    from dabench.scenario.plugins import registry

    for name, place in sorted(registry("systems").items()):
        yield Item("system", name, _first_sentence(place))


def _first_sentence(place: str) -> str:
    """The first line that a factory at `module:name` says of itself, read without importing it."""
    module, _, name = place.partition(":")
    try:
        spec = find_spec(module) if module else None
    except ImportError:
        return ""
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""

"""Systems and filters by name: dabench's own, and those that other packages offer."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from dabench.core.errors import UserError
from dabench.scenario.validate import suggest

Kind = Literal["systems", "filters"]


@cache
def registry(kind: Kind) -> dict[str, str]:
    """All names with their "module:factory"; a plug-in cannot replace a name of dabench's own."""
    package = import_module(f"dabench.{kind}")
    plugins = {e.name: e.value for e in entry_points(group=f"dabench.{kind}")}
    return plugins | getattr(package, kind.upper())


def factory(kind: Kind, name: str) -> Callable[..., Any]:
    """The factory of this name; UserError if there is none."""
    if name not in registry(kind):
        raise UserError(f"unknown {kind[:-1]} {name!r}; {suggest(name, registry(kind))}")
    return find(registry(kind)[name])


def find(place: str) -> Any:
    """The function, or any other object, at "module:name"."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)

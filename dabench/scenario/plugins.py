"""Systems and filters by name: dabench's own, those that other packages offer, any by its place."""

import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from dabench.core.digest import sha256
from dabench.core.errors import UserError, in_words
from dabench.scenario.validate import suggest

Kind = Literal["systems", "filters"]


@cache
def registry(kind: Kind) -> dict[str, str]:
    """All names with their "module:factory"; a plug-in cannot replace a name of dabench's own."""
    package = import_module(f"dabench.{kind}")
    plugins = {e.name: e.value for e in entry_points(group=f"dabench.{kind}")}
    return plugins | getattr(package, kind.upper())


def factory(kind: Kind, name: str) -> Callable[..., Any]:
    """The factory of this name, or at this `my_package:my_factory`; UserError if there is none."""
    if is_place(name):
        return _imported(name)
    if name not in registry(kind):
        raise UserError(f"unknown {kind[:-1]} {name!r}; {suggest(name, registry(kind))}")
    return find(registry(kind)[name])


def find(place: str) -> Any:
    """The function, or any other object, at "module:name"."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def is_place(name: str) -> bool:
    """Whether a name is a place in a module that can be imported from here."""
    return ":" in name


def source_digest(factory: Callable[..., Any]) -> str:
    """sha256 of the file that a factory is defined in."""
    return sha256(Path(inspect.getfile(factory)).read_text(encoding="utf-8"))


def _imported(place: str) -> Callable[..., Any]:
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        factory = find(place)
    except Exception as e:
        reason = in_words(e)
        raise UserError(
            f"{place}: cannot be imported ({reason}); give package.module:factory"
        ) from None
    finally:
        sys.path.pop(0)
    if not callable(factory):
        raise UserError(f"{place}: is no function; give package.module:factory")
    return factory

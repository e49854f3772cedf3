"""A factory's keyword-only arguments are its settings: names, types, defaults and limits.

Factories of systems and filters are found by name, in this package and among plug-ins (entry points
`dabench.systems` and `dabench.filters`), and imported when they are used.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from dabench.scenario.plugins import Kind, factory, registry
from dabench.scenario.validate import InputProblem, suggest, validate
from dabench.scenario.yamlfile import Key, Keys


@cache
def schema(make: Callable[..., Any]) -> type[BaseModel]:
    """A strict pydantic model of a factory's keyword-only arguments."""
    hints = get_type_hints(make, include_extras=True)
    fields: Any = {
        p.name: (hints[p.name], ... if p.default is p.empty else p.default)
        for p in inspect.signature(make).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())
    return create_model(make.__name__, __config__=config, __doc__=inspect.getdoc(make), **fields)


def check(
    kind: Kind, choice: Any, path: Keys, elsewhere: Mapping[Key, Keys] = MappingProxyType({})
) -> tuple[BaseModel | None, list[InputProblem]]:
    """The settings in {name: ..., setting: ...}, checked by the factory of that name.

    Arguments:
        choice: Plain data. If it is no such mapping nothing is said, since another check will.
        path: Where it stands in its file.
        elsewhere: Settings that the file gives in another place, and where.
    """
    if not (isinstance(choice, dict) and isinstance(choice.get("name"), str)):
        return None, []
    name, settings = choice["name"], {k: v for k, v in choice.items() if k != "name"}
    if name not in registry(kind):
        known = suggest(name, registry(kind))
        return None, [InputProblem((*path, "name"), f"unknown {kind[:-1]} {name!r}; {known}")]
    checked, problems = validate(schema(factory(kind, name)), settings, path)
    return checked, [_moved(problem, name, path, elsewhere) for problem in problems]


def _moved(
    problem: InputProblem, name: str, path: Keys, elsewhere: Mapping[Key, Keys]
) -> InputProblem:
    """The same problem, told of the place where the file gives the setting."""
    key = problem.path[len(path)] if len(problem.path) > len(path) else None
    if key is None or key not in elsewhere:
        return problem
    unknown = problem.text.startswith("unknown")
    return InputProblem(elsewhere[key], f"{name} takes no {key}" if unknown else problem.text)


def arguments(settings: BaseModel) -> dict[str, Any]:
    """Checked settings as keyword arguments."""
    return {name: getattr(settings, name) for name in type(settings).model_fields}

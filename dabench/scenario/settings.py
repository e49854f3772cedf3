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

from dabench.core.errors import UserError
from dabench.scenario.plugins import Kind, factory
from dabench.scenario.validate import InputProblem, validate
from dabench.scenario.yamlfile import Key, Keys


@cache
def schema(make: Callable[..., Any]) -> type[BaseModel]:
    """The keyword-only arguments of a factory as a strict pydantic model."""
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
    """The settings of {name: ..., setting: ...} as the factory of that name takes them.

    Arguments:
        kind: Kind of the factory.
        choice: Plain data. If it is no such mapping there are no problems: another check has them.
        path: Path of the choice in its file.
        elsewhere: Settings that the file gives in another place, with their paths.
    Returns:
        The settings, None where there are problems; and the problems.
    """
    if not (isinstance(choice, dict) and isinstance(choice.get("name"), str)):
        return None, []
    name, settings = choice["name"], {k: v for k, v in choice.items() if k != "name"}
    try:
        make = factory(kind, name)
    except UserError as e:
        return None, [InputProblem((*path, "name"), str(e))]
    checked, problems = validate(schema(make), settings, path)
    return checked, [_moved(problem, name, path, elsewhere) for problem in problems]


def _moved(
    problem: InputProblem, name: str, path: Keys, elsewhere: Mapping[Key, Keys]
) -> InputProblem:
    """The problem at the path where the file gives the setting."""
    key = problem.path[len(path)] if len(problem.path) > len(path) else None
    if key is None or key not in elsewhere:
        return problem
    unknown = problem.text.startswith("unknown")
    return InputProblem(elsewhere[key], f"{name} takes no {key}" if unknown else problem.text)


def arguments(settings: BaseModel) -> dict[str, Any]:
    """The keyword arguments that settings stand for."""
    return {name: getattr(settings, name) for name in type(settings).model_fields}

"""Settings from signatures; the registry and its plug-ins."""

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Annotated, Literal

import pytest
from annotated_types import Gt

from dabench.core.errors import UserError
from dabench.scenario import plugins, settings
from dabench.scenario.validate import validate


@dataclass(frozen=True)
class Part:
    size: int = 1
    kind: Literal["a", "b"] = "a"


def make(problem, *, width: Annotated[float, Gt(0)], part: Part = Part(), turn: bool = False):
    """A factory.

    Arguments:
        width: In metres.
    """
    return problem, width, part, turn


def test_keyword_arguments_are_the_settings_and_nothing_else():
    assert list(settings.schema(make).model_fields) == ["width", "part", "turn"]


def test_nested_values_reach_the_factory_as_it_wants_them():
    checked, _ = validate(settings.schema(make), {"width": 2, "part": {"size": 3}})
    assert make(0, **settings.arguments(checked)) == (0, 2.0, Part(3), False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "is missing; give a number > 0 (In metres)"),
        ({"width": 1, "part": {"sise": 1}}, "unknown; did you mean 'size'? Known: kind, size"),
        ({"width": 1, "part": {"kind": "c"}}, "'c' is not 'a' or 'b'"),
        ({"width": 1, "turn": 1}, "1 is not true or false"),
    ],
)
def test_a_wrong_setting_is_explained_from_the_signature(data, message):
    (problem,) = validate(settings.schema(make), data)[1]
    assert problem.text == message


@pytest.fixture
def plugin(monkeypatch):
    """A package that brings a filter `mine` and one that would replace `letkf`."""
    module = ModuleType("some_plugin")
    module.make = make
    monkeypatch.setitem(sys.modules, "some_plugin", module)
    points = [EntryPoint(n, "some_plugin:make", "dabench.filters") for n in ("mine", "letkf")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    plugins.registry.cache_clear()
    yield
    plugins.registry.cache_clear()


@pytest.mark.usefixtures("plugin")
def test_plug_ins_are_found_and_cannot_replace_our_own():
    assert plugins.factory("filters", "mine") is make
    assert plugins.factory("filters", "letkf") is not make
    assert settings.check("filters", {"name": "mine", "width": 1}, ())[0].width == 1


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="unknown filter 'fapf'; did you mean 'fa_apf'"):
        plugins.factory("filters", "fapf")

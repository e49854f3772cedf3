"""Messages about what is wrong."""

import json
from typing import Annotated, Literal

import pytest
from pydantic import Field

from dabench.scenario.validate import Strict, quoted, report, suggest, summary, validate
from dabench.scenario.yamlfile import parse


class Inner(Strict):
    """A thing.

    Arguments:
        width, height: In metres. More is not said.
        colour: Any that
            there is; or none.
    """

    width: Annotated[float, Field(gt=0)] = 1
    height: Annotated[int, Field(ge=1, le=5)] = 1
    colour: Literal["red", "blue"] | None = None
    pair: tuple[float, int] = (1, 1)


class Outer(Strict):
    inner: Inner
    many: tuple[Inner, ...] = ()
    std: float | dict[Literal["surface"] | float, float] = 1


def messages(text: str) -> list[str]:
    document = parse(text, "f.yaml")
    model, problems = validate(Outer, document.data)
    assert model is None
    lines = str(report(document, problems)).splitlines()
    assert lines[0] == f"f.yaml: {len(problems)} problem{'s' * (len(problems) > 1)}"
    return [" ".join(line.split()) for line in lines[1:]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner: {width: -1}", "line 1 inner.width -1 is not a number > 0 (In metres)"),
        ("inner: {width: '1'}", "line 1 inner.width '1' is not a number > 0 (In metres)"),
        ("inner:\n  width: true", "line 2 inner.width true is not a number > 0 (In metres)"),
        (
            "inner: {height: 1.5}",
            "line 1 inner.height 1.5 is not a whole number >= 1 and <= 5 (In metres)",
        ),
        (
            "inner: {colour: rde}",
            "line 1 inner.colour 'rde' is not 'red' or 'blue' or null (Any that there is)",
        ),
        ("inner: {pair: [1]}", "line 1 inner.pair [1] is not a list [a number, a whole number]"),
        ("inner: 3", "line 1 inner 3 is not a mapping of width, height, colour, pair"),
        (
            "inner:\n  widht: 1",
            "line 2 inner.widht unknown; did you mean 'width'? Known: colour, height, pair, width",
        ),
        (
            "many: []",
            "line 1 inner is missing; give a mapping of width, height, colour, pair",
        ),
        (
            "inner: {}\nmany:\n- {}\n- {pair: [1, x]}",
            "line 4 many.1.pair.1 'x' is not a whole number",
        ),
        ("inner: {}\nstd: {500: x}", "line 2 std.500 'x' is not a number"),
        ("inner: {}\nstd: x", "line 2 std 'x' is not a number or a mapping"),
        ("[1]", "line 1 (top) [1] is not a mapping of inner, many, std"),
    ],
)
def test_a_problem_names_line_path_finding_and_remedy(text, message):
    assert messages(text) == [message]


def test_all_problems_are_told_at_once():
    lines = messages("iner: 1\nmany: [{width: 0}, {height: 9}]\nstd: {x: 1}")
    paths = "iner inner many.0.width many.1.height std.x"
    assert [m.split()[2] for m in lines] == paths.split()


def test_whole_numbers_may_stand_for_floats_and_lists_for_tuples():
    model, problems = validate(Outer, {"inner": {"width": 2, "pair": [1, 2]}})
    assert not problems
    assert (model.inner.width, model.inner.pair) == (2.0, (1.0, 2))


def test_a_suggestion_lists_what_there_is():
    assert suggest("fapf", ["fa_apf", "letkf"]) == "did you mean 'fa_apf'? Known: fa_apf, letkf"
    assert suggest("zzz", ["b", 1]) == "Known: 1, b"
    assert suggest("zzz", []) == "Known: none"


def test_long_values_are_cut():
    assert len(quoted(list(range(1000)))) == 40
    assert json.loads(quoted({"a": None})) == {"a": None}


def test_a_docstring_tells_of_each_of_several_names():
    assert summary(Inner.__doc__, "width") == summary(Inner.__doc__, "height") == "In metres"
    assert summary(Inner.__doc__, "pair") == summary(None, "pair") == ""

"""The tree reads well: names say what things are, sentences begin with them, functions are short.

Every assertion lists the places, so that a failure is a list of work.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "dabench").rglob("*.py"))

PARTICIPLES = frozenset(
    ["found", "known", "given", "shown", "seen", "told", "wanted", "kept", "made", "asked", "held"]
)
"""No names of variables and arguments: they say grammar and not content."""

FRAGMENT = re.compile(r"(Of|That|So many|With)\b|\.\.")
"""No beginnings of docstrings, nor of entries of `Arguments:`: they begin within a sentence."""

LONGEST_FILE = 400
LONGEST_FUNCTION = 45
USUAL_FUNCTION = 20


def place(file: Path, line: int, text: str) -> str:
    return f"{file.relative_to(ROOT)}:{line}: {text}"


def bindings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every variable and argument that a file binds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, and of every entry of its `Arguments:`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield node.lineno, text.strip()
                for entry in re.finditer(r"^ {8,}[\w, .*]+: (\S.*)$", text, re.MULTILINE):
                    yield node.lineno + text[: entry.start()].count("\n"), entry.group(1)


def functions(tree: ast.AST) -> Iterator[tuple[int, str, int]]:
    """Line, name and number of lines of every function's body, without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield node.lineno, node.name, lines


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def test_names_say_what_things_are(trees):
    participles = [
        place(file, line, name)
        for file, tree in trees.items()
        for line, name in bindings(tree)
        if name in PARTICIPLES
    ]
    assert not participles, "\n".join(participles)


def test_sentences_begin_with_what_they_are_about(trees):
    fragments = [
        place(file, line, text.splitlines()[0])
        for file, tree in trees.items()
        for line, text in sentences(tree)
        if FRAGMENT.match(text)
    ]
    assert not fragments, "\n".join(fragments)


def test_no_file_is_long():
    long = [f for f in FILES if len(f.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    assert not long


def test_functions_are_short(trees):
    lengths = [
        (n, place(f, line, name)) for f, t in trees.items() for line, name, n in functions(t)
    ]
    lengths.sort()
    assert lengths[len(lengths) * 9 // 10][0] < USUAL_FUNCTION
    assert not [f"{text} ({n})" for n, text in lengths if n > LONGEST_FUNCTION]

"""Damaged scenario and baseline files: always one readable message, never another exception.

The files are those of the repository, damaged in every way below; which ones is decided by a fixed
random choice among all that come out.
"""

import copy
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from dabench.cli import main
from dabench.core.errors import UserError
from dabench.scenario import catalogue
from dabench.scenario.baseline import load_baseline
from dabench.scenario.load import load_scenario
from dabench.scenario.yamlfile import Document, read

Keys = tuple[Any, ...]
REQUIRED = {"system", "observations", "period", "cycles", "error_std", "name", "members", "filter"}
POSITIVE = {"size", "resolution", "grid", "every", "error_std", "cycles", "amplitude", "members",
            "iterations", "threshold", "length_scale_sites", "levels", "sigma_min", "sigma_max",
            "tau", "sigma_guide", "prior_variance", "land", "sea", "satellites", "swath",
            "hours"}  # fmt: skip
NOT_NEGATIVE = {"spinup", "seed", "rtps", "jitter", "noise_std", "truncation"}
FREE = {"title", "source", "reference"}
OPTIONAL = {"sampler", "tuned"}
"""Mappings that may be null."""
RECORDS = {"period", "settings"}
"""Mappings of `tuned` that a search has written, with refused settings; nothing reads them."""


class Damaged(NamedTuple):
    """One damaged file.

    Arguments:
        kind: Kind of the file, `scenarios` or `baselines`.
        name: Name of the file that was damaged.
        how: Description of the damage.
        write: Function that makes the bytes of the damaged file; of ten thousand few are asked for.
        path: Path that the message has to name, if any.
    """

    kind: str
    name: str
    how: str
    write: Callable[[], bytes]
    path: str = ""

    @property
    def content(self) -> bytes:
        return self.write()


def places(data: Any, path: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every path of a document with what stands there."""
    yield path, data
    inside = data.items() if isinstance(data, dict) else ()
    for key, value in enumerate(data) if isinstance(data, list) else inside:
        yield from places(value, (*path, key))


def changed(data: Any, path: Keys, edit) -> Any:
    """A copy where `edit` was done to the parent of a path."""
    data = parent = copy.deepcopy(data)
    for key in path[:-1]:
        parent = parent[key]
    edit(parent, path[-1])
    return data


def set_to(value: Any):
    def edit(parent: Any, key: Any) -> None:
        parent[key] = value

    return edit


def misspell(parent: dict, key: Any) -> None:
    parent[f"{key}x"] = parent.pop(key)


def remove(parent: dict, key: Any) -> None:
    del parent[key]


def edits(path: Keys, value: Any) -> Iterator[tuple[str, Any]]:
    """(what, how) for all that makes what stands at a path wrong."""
    key = path[-1]
    if isinstance(key, str) and path[:-1] != ("profiles",):
        yield "misspelt key", misspell
    optional = key == "name" and path[0] == "observations"
    if key in REQUIRED and path[0] != "profiles" and not optional:
        yield "missing key", remove
    if isinstance(value, (int, float)):
        yield "text for a number", set_to("many")
        yield "NaN", set_to(float("nan"))
        yield "infinite", set_to(float("inf"))
        if not isinstance(value, bool):
            yield "true for a number", set_to(True)
        yield "mapping for a number", set_to({"a": 1})
        yield "enormous number", set_to(10**40)
    if key in POSITIVE | NOT_NEGATIVE and isinstance(value, (int, float)):
        yield "negative", set_to(-1)
    if key in POSITIVE and isinstance(value, (int, float)):
        yield "zero", set_to(0)
    if isinstance(value, dict):
        yield "list for a mapping", set_to([value])
        yield "text for a mapping", set_to("all of it")
        if key not in OPTIONAL:
            yield "null for a mapping", set_to(None)
    if isinstance(value, list):
        yield "mapping for a list", set_to({"first": 1})
        yield "number for a list", set_to(3)
    if isinstance(value, str) and key not in FREE:
        yield "list for text", set_to([value])
        if "levels" not in path:  # it may be a pressure
            yield "number for text", set_to(7)
    if key in ("name", "kind") and path[0] != "observations":
        yield "misspelt name", set_to(f"{value}q")


def by_content(kind: str, document: Document, name: str) -> Iterator[Damaged]:
    for path, value in places(document.data):
        recorded = path[:1] == ("tuned",) and RECORDS & {*path[:-1]}
        for how, edit in edits(path, value) if path and not recorded else ():
            word = str(path[-1]) if isinstance(path[-1], str) else ""
            write = partial(dumped, document.data, path, edit)
            yield Damaged(kind, name, f"{how} at {path}", write, word)


def dumped(data: Any, path: Keys, edit) -> bytes:
    return yaml.safe_dump(changed(data, path, edit), sort_keys=False).encode()


def by_bytes(kind: str, text: str, name: str) -> Iterator[Damaged]:
    first = text.split(":")[0]
    for how, content in {
        "empty": b"",
        "only a comment": b"# nothing\n",
        "binary": bytes(range(256)),
        "latin-1": text.encode() + b"# caf\xe9",
        "utf-16": text.encode("utf-16"),
        "a nul byte": text.encode() + b"\0",
        "huge": text.encode() + b"#" * 1_000_000,
        "a list": b"- 1\n- 2\n",
        "text": b"just words",
        "a number": b"3",
        "null": b"null",
        "two documents": f"{text}---\n{text}".encode(),
        "a repeated key": f"{text}{first}: 1\n".encode(),
        "a cyclic anchor": f"extra: &a [*a]\n{text}".encode(),
        "a merge of itself": f"extra: &a {{<<: *a}}\n{text}".encode(),
        "an undefined alias": f"extra: *a\n{text}".encode(),
        "billion laughs": b"a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]\n",
        "a python tag": f"extra: !!python/object/apply:os.system ['false']\n{text}".encode(),
        "a binary tag": f"extra: !!binary aGk=\n{text}".encode(),
        "a tag of its own": f"extra: !secret 1\n{text}".encode(),
        "a tab": f"extra:\n\t- 1\n{text}".encode(),
        "an open bracket": f"extra: [1, 2\n{text}".encode(),
        "an open quote": f'extra: "abc\n{text}'.encode(),
        "half a line": text.encode()[: len(text) // 2] + b"\n  : [",
        "a lone surrogate": f'{text}extra: "\\ud800"\n'.encode(),
        "a list as key": f"? [1, 2]\n: 3\n{text}".encode(),
        "true as key": f"true: 3\n{text}".encode(),
        "very deep": ("[" * 5000).encode(),
        "a very long number": f"extra: {'9' * 6000}\n{text}".encode(),
        "an unknown version": f"%YAML 9.9\n---\n{text}".encode(),
    }.items():
        yield Damaged(kind, name, how, partial(bytes, content))


def all_damage() -> list[Damaged]:
    """Everything that is done to one file of each kind, and a choice of the rest."""
    first, rest = [], []
    for kind in ("scenarios", "baselines"):
        for name, path in catalogue.names(kind).items():
            text = path.read_text()
            mutations = [*by_content(kind, read(path), name), *by_bytes(kind, text, name)]
            chosen = name in ("temp_4deg", "letkf")
            (first if chosen else rest).extend(mutations)
    return [*first, *random.Random(0).sample(rest, 150)]


DAMAGE = all_damage()


def message(damaged: Damaged, folder: Path) -> str:
    """What is said of a damaged file."""
    path = folder / damaged.kind / f"{damaged.name.replace('/', '-')}.yaml"
    path.parent.mkdir()
    path.write_bytes(damaged.content)
    load = load_scenario if damaged.kind == "scenarios" else partial(load_baseline, scenario="none")
    with pytest.raises(UserError) as e:
        load(str(path))
    text = str(e.value)
    assert str(path) in text
    return text


def test_there_are_at_least_two_hundred():
    assert len(DAMAGE) >= 200
    assert len({d.content for d in DAMAGE}) >= 200


@pytest.mark.parametrize("damaged", DAMAGE, ids=lambda d: f"{d.name}: {d.how}")
def test_a_damaged_file_gives_one_readable_message(damaged, tmp_path):
    text = message(damaged, tmp_path)
    assert "line " in text or damaged.how in ("binary", "latin-1", "utf-16", "huge")
    assert damaged.path in text
    assert text.isprintable() or "\n" in text
    assert all(len(line) < 600 for line in text.splitlines())
    assert not any(word in text for word in ("Traceback", "pydantic", "ValidationError", "<class"))


@pytest.mark.parametrize("damaged", DAMAGE[::75], ids=lambda d: f"{d.name}: {d.how}")
def test_the_command_line_prints_it_and_exits_with_2(damaged, tmp_path, monkeypatch, capsys):
    text, file = message(damaged, tmp_path), next(tmp_path.rglob("*.yaml"))
    arguments = [str(file)] if damaged.kind == "scenarios" else ["temp_4deg", "--method", str(file)]
    monkeypatch.setattr("sys.argv", ["dabench", "run", "--dry-run", *arguments])
    with pytest.raises(SystemExit) as e:
        main()
    assert e.value.code == 2
    printed = capsys.readouterr()
    assert text in printed.err
    assert "Traceback" not in printed.err + printed.out

"""YAML files from anyone, read as plain data with the line of every key.

Plain data only: mappings, lists, text, numbers, true, false, null. Tags, anchors, aliases, several
documents, repeated keys and non-finite numbers are refused, with a UserError that names file and
line. Numbers are those of YAML 1.2 (1e-3 is one); yes, no, on, off and dates are text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from dabench.core.errors import UserError

Key = str | int | float
Keys = tuple[Key, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 12
MAX_INT = 2**63
MAX_DIGITS = 25
CONSTANTS = {"null": None, "~": None, "": None, "true": True, "false": False}
INT = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?", re.IGNORECASE)
NOT_FINITE = re.compile(r"[-+]?\.?(nan|inf(inity)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """The data of a file, with their lines.

    Arguments:
        source: The file as the user wrote it, or another origin of the text.
        data: Value of the top level.
        lines: Line of every key and list entry (`line 3`), by its path from the top.
    """

    source: str
    data: Any
    lines: dict[Keys, str] = field(repr=False)

    def where(self, path: Keys) -> str:
        """The line of a path, or of the closest path above it that is there."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def read(path: Path) -> Document:
    """The document in a file; UserError if it is too large, not UTF-8 or not plain YAML."""
    return parse(read_text(path), str(path))


class _Plain(yaml.SafeDumper):
    """A writer without anchors: a list or mapping in several places is written out in each."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: dict[str, Any]) -> str:
    """Plain data as YAML that `parse` reads: keys in their order, short collections in a line."""
    style = {"sort_keys": False, "allow_unicode": True, "width": 100, "default_flow_style": None}
    return yaml.dump(data, Dumper=_Plain, **style)


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a small UTF-8 file; UserError if it is not one."""
    try:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file")
        size = path.stat().st_size
        if size > max_bytes:
            raise UserError(f"{path}: is too large ({size} bytes; at most {max_bytes} are read)")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: is not UTF-8 text (byte {e.start} cannot be read)") from None
    except (OSError, ValueError) as e:
        raise UserError(f"{path!r}: cannot be read ({e})") from None


def parse(text: str, source: str) -> Document:
    """The one document in a text; UserError, starting with `source`, if it is not plain YAML."""
    events = _Events(text, source)
    data = _value(events, next(events, None), ())
    if next(events, None) is not None:
        events.refuse("holds more than one document; keep the first in a file of its own")
    return Document(source, data, events.lines)


class _Events(Iterator):
    """The events of a YAML text without those of streams and documents, errors made readable."""

    def __init__(self, text: str, source: str):
        self.source, self.last = source, 1
        self.lines: dict[Keys, str] = {(): "line 1"}
        self.inner = self._safely(text)

    def _safely(self, text: str) -> Iterator[yaml.Event]:
        outer = yaml.StreamStartEvent, yaml.StreamEndEvent, yaml.DocumentStartEvent
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                self.last = event.start_mark.line + 1
                if not isinstance(event, (*outer, yaml.DocumentEndEvent)):
                    yield event
        except yaml.MarkedYAMLError as e:
            self.last = e.problem_mark.line + 1 if e.problem_mark else self.last
            self.refuse(f"is not YAML: {e.problem or e.context}")
        except (yaml.YAMLError, ValueError, OverflowError) as e:
            self.refuse(f"is not YAML: {' '.join(str(e).split())}")

    def __next__(self) -> yaml.Event:
        return next(self.inner)

    def refuse(self, problem: str) -> NoReturn:
        raise UserError(f"{self.source}, line {self.last}: {problem}")


def _value(events: _Events, event: yaml.Event | None, path: Keys) -> Any:
    """The value that starts with an event."""
    if event is None:
        events.refuse("is empty")
    if len(path) > MAX_DEPTH:
        events.refuse(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        events.refuse("anchors (&) and aliases (*) are not read; write the value out")
    if tag := getattr(event, "tag", None):
        events.refuse(f"tags such as {tag} are not read; write plain values")
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, path)
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(events, path)
    return _scalar(events, event, path)


def _sequence(events: _Events, path: Keys) -> list:
    values = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        here = (*path, len(values))
        events.lines[here] = f"line {events.last}"
        values.append(_value(events, event, here))
    return values


def _mapping(events: _Events, path: Keys) -> dict:
    values = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        key = _key(events, event, path)
        if key in values:
            first = events.lines[(*path, key)]
            events.refuse(f"{dotted((*path, key))} is set twice (first in {first})")
        events.lines[(*path, key)] = f"line {events.last}"
        values[key] = _value(events, next(events), (*path, key))
    return values


def _key(events: _Events, event: yaml.Event, path: Keys) -> Key:
    key = _value(events, event, path) if isinstance(event, yaml.ScalarEvent) else None
    if key is None or isinstance(key, bool):
        events.refuse("a key must be a word or a number")
    return key


def _scalar(events: _Events, event: Any, path: Keys) -> str | int | float | bool | None:
    text = event.value
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        events.refuse(f"{_at(path)}half a character (a lone surrogate) cannot be read")
    if event.style is not None:
        return text
    if text.lower() in CONSTANTS:
        return CONSTANTS[text.lower()]
    if NOT_FINITE.fullmatch(text):
        events.refuse(f"{_at(path)}{text} is not a finite number")
    if not FLOAT.fullmatch(text):
        return text
    whole = INT.fullmatch(text) and len(text) < MAX_DIGITS
    number = int(text) if whole else float(text)
    if math.isinf(number) or (INT.fullmatch(text) and abs(number) >= MAX_INT):
        events.refuse(f"{_at(path)}{text[:30]} is too large a number")
    return number


def _at(path: Keys) -> str:
    return f"{dotted(path)}: " if path else ""


def dotted(path: Keys) -> str:
    """A path as people write it, `a.b.0`."""
    return ".".join(map(str, path))

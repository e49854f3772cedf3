"""Problems of a file: all of them, each with its line, its path and a remedy."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeVar

from docstring_parser import ParseError
from docstring_parser.google import GoogleParser
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from dabench.core.errors import UserError
from dabench.scenario.yamlfile import Document, Key, Keys, dotted

Model = TypeVar("Model", bound=BaseModel)
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
OWN_WORDS = ("value_error", "assertion_error")


class Strict(BaseModel):
    """A model that refuses unknown keys, changes and infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Extended(Strict):
    """A model that has got more entries since digests of it were published.

    Those that `LATER` names are left out of plain data where they have their defaults, so that
    digests stay what they were.
    """

    LATER: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _plain(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        unused = {name for name in self.LATER if getattr(self, name) == fields[name].default}
        return {name: value for name, value in write(self).items() if name not in unused}


class InputProblem(NamedTuple):
    """One mistake in a file.

    Arguments:
        path: Path from the top of the data.
        text: What is wrong, and what would be right.
    """

    path: Keys
    text: str


def validate(
    model: type[Model], data: Any, path: Keys = ()
) -> tuple[Model | None, list[InputProblem]]:
    """Plain data as a model, or None and all problems of the data.

    Nothing is converted but lists to tuples, mappings to models and whole numbers to floats.

    Arguments:
        model: The model.
        data: Plain data.
        path: Path of the data in their file.
    """
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as e:
        problems = _Finder(model, data).problems(e)
        return None, [InputProblem((*path, *p.path), p.text) for p in problems]


def report(document: Document, problems: Sequence[InputProblem]) -> UserError:
    """All problems of a document as one error."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    rows = [(document.where(p.path), dotted(p.path) or "(top)", p.text) for p in problems]
    width = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [f"  {a:{width[0]}}  {b:{width[1]}}  {text}" for a, b, text in rows]
    return UserError("\n".join([f"{document.source}: {count}", *lines]))


def suggest(word: object, choices: Iterable[str]) -> str:
    """Text on an unknown name: the one that was probably meant, and all that there are."""
    names = sorted(map(str, choices))
    close = get_close_matches(str(word), names, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}"


def quoted(value: Any, width: int = 40) -> str:
    """A value as messages quote it, cut to a width."""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else repr(value)
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def argument(doc: str | None, name: str) -> str:
    """The text on one argument in a docstring's `Arguments:`, '' if there is none."""
    return _arguments(doc).get(name, "")


@cache
def _arguments(doc: str | None) -> dict[str, str]:
    """The texts in a docstring's `Arguments:` by name; an entry may be of several, `a, b: ..`."""
    try:
        entries = GoogleParser().parse(doc).params
    except ParseError:  # the docstring of a plug-in may have any form
        return {}
    texts = {e.arg_name: " ".join((e.description or "").split()) for e in entries}
    return {name: text for names, text in texts.items() for name in names.split(", ")}


def summary(doc: str | None, name: str) -> str:
    """The first sentence of a docstring's text on an argument, '' where that is long."""
    sentence = re.split(r";\s|\.(?=\s[A-Z]|$)", argument(doc, name))[0]
    return sentence if len(sentence) <= 90 else ""


class _Finder:
    """Turns pydantic's errors on some data into problems, with the help of the JSON schema."""

    def __init__(self, model: type[BaseModel], data: Any):
        self.schema, self.data = model.model_json_schema(), data

    def problems(self, error: ValidationError) -> list[InputProblem]:
        """One problem a place; where alternatives were tried, what went wrong deepest inside."""
        texts: dict[Keys, str] = {}
        for e in error.errors(include_url=False):
            for path, text in self._read(e):
                texts.setdefault(path, text)
        above = {path[:i] for path in texts for i in range(len(path))}
        deepest = [InputProblem(path, text) for path, text in texts.items() if path not in above]
        return sorted(deepest, key=lambda p: [str(key) for key in p.path])

    def _read(self, e: Any) -> Iterator[InputProblem]:
        *above, last = e["loc"] or ("",)
        if e["type"] in UNKNOWN or (e["type"] == "missing" and isinstance(last, str)):
            path, _ = self._locate(above)
            yield self._unknown(path, last) if e["type"] in UNKNOWN else self._missing(path, last)
            return
        path, value = self._locate(e["loc"])
        if e["type"].startswith("union_tag") and isinstance(value, dict):
            yield from self._untagged(e, path, value)
        yield InputProblem(path, self._wrong(e, path, value))

    def _untagged(self, e: Any, path: Keys, value: dict) -> Iterator[InputProblem]:
        """Problems of a mapping that fits none of several kinds, told apart by a tag or by keys."""
        tag = e["ctx"]["discriminator"].strip("'")
        keys = _properties(self._nodes(path))
        if tag in value:
            of_tag, _ = self._locate([*path, tag])
            yield InputProblem(of_tag, f"{quoted(value[tag])} is not {self._expected(of_tag)}")
        elif tag in keys:
            yield self._missing(path, tag)
        yield from (self._unknown(path, key) for key in value if key not in keys)

    def _locate(self, loc: Sequence[Key]) -> tuple[Keys, Any]:
        """Path and value in the data that a location of pydantic means, which names types too."""
        path: list[Key] = []
        here: Any = self.data
        for step in loc:
            keys: Iterable[Key] = here if isinstance(here, dict) else ()
            if isinstance(here, list) and isinstance(step, int):
                keys = range(len(here))
            for key in [k for k in keys if str(k) == str(step)][:1]:
                path.append(key)
                here = here[key]
        return tuple(path), here

    def _unknown(self, path: Keys, key: Key) -> InputProblem:
        keys = _properties(_fitting(self._nodes(path), self._locate(path)[1]))
        if key in keys:
            return InputProblem((*path, key), "does not go with the rest")
        return InputProblem((*path, key), f"unknown; {suggest(key, keys)}")

    def _missing(self, path: Keys, key: Key) -> InputProblem:
        path = (*path, key)
        return InputProblem(path, f"is missing; give {self._expected(path)}{self._note(path)}")

    def _wrong(self, e: Any, path: Keys, value: Any) -> str:
        if e["type"] in OWN_WORDS:
            return str(e["ctx"]["error"])
        return f"{quoted(value)} is not {self._expected(path)}{self._note(path)}"

    def _expected(self, path: Keys) -> str:
        return _expected(self._nodes(path), self.schema)

    def _note(self, path: Keys) -> str:
        docs = [node.get("description") for node in self._nodes(path[:-1])] if path else []
        notes = [text for doc in docs if (text := summary(doc, str(path[-1])))]
        return f" ({notes[0]})" if notes else ""

    def _nodes(self, path: Keys) -> list[dict]:
        """All alternatives that the schema has for the value at a path."""
        nodes = _alternatives(self.schema, self.schema)
        for key in path:
            nodes = [n for node in nodes for n in _alternatives(_inside(node, key), self.schema)]
        return nodes


def _inside(node: dict, key: Key) -> dict:
    """The schema of one entry of a mapping or list; {} where anything goes."""
    if isinstance(key, int) and (node.get("type") == "array"):
        fixed = node.get("prefixItems", [])
        return fixed[key] if key < len(fixed) else node.get("items", {})
    extra = node.get("additionalProperties", {})
    return node.get("properties", {}).get(str(key), extra if isinstance(extra, dict) else {})


def _alternatives(node: dict, schema: dict) -> list[dict]:
    if "$ref" in node:
        return _alternatives(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    options = node.get("anyOf", node.get("oneOf"))
    if options is None:
        return [node] if node else []
    return [n for option in options for n in _alternatives(option, schema)]


def _fitting(nodes: list[dict], value: Any) -> list[dict]:
    """The alternatives that a mapping fits by its tag or by the keys they require; else all."""

    def fits(node: dict) -> bool:
        tags = {k: p["const"] for k, p in node.get("properties", {}).items() if "const" in p}
        return all(value.get(k) == tag for k, tag in tags.items()) and any(
            key in value for key in node.get("required", tags)
        )

    meant = [node for node in nodes if isinstance(value, dict) and fits(node)]
    return meant or nodes


def _properties(nodes: list[dict]) -> list[str]:
    """The keys that a file may give."""
    entries = [item for node in nodes for item in node.get("properties", {}).items()]
    return list(dict.fromkeys(key for key, entry in entries if not entry.get("readOnly")))


def _expected(nodes: list[dict], schema: dict) -> str:
    """A description of the values that the schema allows."""
    return " or ".join(dict.fromkeys(_words(node, schema) for node in nodes)) or "allowed here"


def _words(node: dict, schema: dict) -> str:
    if "enum" in node or "const" in node:
        return " or ".join(quoted(v) for v in node.get("enum", [node.get("const")]))
    match node.get("type"):
        case "number" | "integer" as kind:
            return ("a number" if kind == "number" else "a whole number") + _bounds(node)
        case "string":
            return f"text matching {node['pattern']}" if "pattern" in node else "text"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case "array":
            return _list_words(node, schema)
    keys = _properties([node])
    return f"a mapping of {', '.join(keys)}" if keys else "a mapping"


def _bounds(node: dict) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {_number(node[name])}" for name, sign in signs.items() if name in node]
    return f" {' and '.join(bounds)}" if bounds else ""


def _number(value: float) -> str:
    """A bound as people write it: `1e-09`, `20015`."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _list_words(node: dict, schema: dict) -> str:
    if "prefixItems" in node:
        items = [_expected(_alternatives(n, schema), schema) for n in node["prefixItems"]]
        return f"a list [{', '.join(items)}]"
    items = _expected(_alternatives(node.get("items", {}), schema), schema)
    return f"a list (each {items})" + (" with an entry" if node.get("minItems") else "")

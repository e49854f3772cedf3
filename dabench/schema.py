"""`dabench schema`: what a scenario and a baseline may hold, as JSON Schema for editors.

Systems and filters appear with the settings of their factories, so that an editor completes and
checks them, too; plug-ins that are installed are among them.
"""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from dabench import settings
from dabench.baseline import Entry
from dabench.errors import UserError
from dabench.explain import suggest, summary
from dabench.library import PACKAGE
from dabench.scenario import FOR_SYSTEM, Scenario

Node = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = PACKAGE / "schemas"
"""The schemas without plug-ins, as they are shipped."""


def text(kind: str) -> str:
    """The schema of `scenario` or `baseline` files as JSON; UserError for other kinds."""
    if kind not in KINDS:
        raise UserError(f"no schema of {kind!r}; {suggest(kind, KINDS)}")
    return json.dumps(KINDS[kind](), indent=1, ensure_ascii=False) + "\n"


def scenario() -> Node:
    """Of scenario files: `Scenario` but for its name, the system's settings written out."""
    schema = _of(Scenario)
    del schema["properties"]["name"]
    schema["properties"]["system"] = _choice("systems", schema["$defs"], leave_out=FOR_SYSTEM)
    return _finished(schema, "scenario")


def baseline() -> Node:
    """Of baseline files: `Entry`, the filter's settings written out, in its profiles as well."""
    schema = _of(Entry)
    defs = schema["$defs"]
    schema["properties"]["filter"] = _choice("filters", defs)
    schema["allOf"] = []
    for name in sorted(settings.registry("filters")):
        defs[f"profiles.{name}"] = defs[f"filters.{name}"] | {"required": []}
        schema["allOf"].append(_profiles_of(name))
    return _finished(schema, "baseline")


KINDS: dict[str, Callable[[], Node]] = {"scenario": scenario, "baseline": baseline}


def _of(model: type[BaseModel]) -> Node:
    schema = model.model_json_schema()
    schema["$defs"].pop("Choice", None)
    return schema


def _finished(schema: Node, kind: str) -> Node:
    """With a heading and one sentence on each key; without titles, which repeat the keys."""
    return {"$schema": DRAFT, "title": f"dabench {kind}"} | _explained(schema)


def _choice(kind: settings.Kind, defs: Node, leave_out: tuple[str, ...] = ()) -> Node:
    """One of the systems or filters by its name; their schemas are added to `defs`."""
    names = sorted(settings.registry(kind))
    for name in names:
        defs[f"{kind}.{name}"] = _settings(kind, name, defs, leave_out)
    return {"oneOf": [{"$ref": f"#/$defs/{kind}.{name}"} for name in names]}


def _settings(kind: settings.Kind, name: str, defs: Node, leave_out: tuple[str, ...]) -> Node:
    """The name and the settings of one factory; what these refer to is added to `defs`."""
    schema = settings.schema(settings.factory(kind, name)).model_json_schema()
    defs |= schema.pop("$defs", {})
    kept = {k: v for k, v in schema["properties"].items() if k not in leave_out}
    needed = [k for k in schema.get("required", ()) if k not in leave_out]
    properties = {"name": {"const": name}} | kept
    return schema | {"properties": properties, "required": ["name", *needed]}


def _profiles_of(name: str) -> Node:
    """Profiles take settings of the filter that the file names."""
    named = {"properties": {"name": {"const": name}}}
    properties = {"properties": {"filter": {"$ref": f"#/$defs/profiles.{name}"}}}
    return {
        "if": {"properties": {"filter": named}},
        "then": {"properties": {"profiles": {"additionalProperties": properties}}},
    }


def _explained(node: Any) -> Any:
    """The same with one sentence of the docstring on each key and on the whole."""
    if isinstance(node, list):
        return [_explained(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = {k: v for k, v in node.items() if k != "title" or not isinstance(v, str)}
    doc = node.pop("description", None)
    keys = node.get("properties", {})
    told = {k: _with_note(_explained(v), summary(doc, k)) for k, v in keys.items()}
    rest = {k: _explained(v) for k, v in node.items() if k != "properties"}
    node = rest | ({"properties": told} if keys else {})
    return _with_note(node, doc.split("\n\n")[0].replace("\n", " ") if doc else "")


def _with_note(node: Node, note: str) -> Node:
    return {"description": note} | node if note else node

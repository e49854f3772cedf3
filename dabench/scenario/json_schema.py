"""`dabench schema`: what a scenario and a baseline may hold, as JSON Schema for editors.

Systems and filters appear with the settings of their factories, so that an editor completes and
checks them, too; plug-ins that are installed are among them.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from dabench.core.errors import UserError
from dabench.scenario import plugins, settings
from dabench.scenario.baseline import BaselineFile
from dabench.scenario.catalogue import PACKAGE
from dabench.scenario.scenario import FOR_SYSTEM, Scenario
from dabench.scenario.validate import argument, suggest

Node = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = PACKAGE / "scenario" / "schemas"
"""Folder of the schemas without plug-ins, as they are shipped."""


def text(kind: str) -> str:
    """The schema of `scenario` or `baseline` files as JSON; UserError for other kinds."""
    if kind not in KINDS:
        raise UserError(f"no schema of {kind!r}; {suggest(kind, KINDS)}")
    return json.dumps(KINDS[kind](), indent=1, ensure_ascii=False) + "\n"


def scenario() -> Node:
    """The schema of scenario files: `Scenario` without its name, with the settings of systems."""
    schema = _of(Scenario)
    del schema["properties"]["name"]
    schema["properties"]["system"] = _choice("systems", schema["$defs"], leave_out=FOR_SYSTEM)
    finished = _finished(schema, "scenario")
    keys, defs = finished["properties"], finished["$defs"]
    real = {
        "description": "Values that may have errors of their own.",
        "required": ["values"],
    }
    keys["observations"] = _observations(keys["observations"], defs)
    defs["Group"]["anyOf"] = [
        {"required": ["error_std"]},
        {"properties": {"locations": real}, "required": ["locations"]},
    ]
    return finished


def baseline() -> Node:
    """The schema of baseline files, with the settings of filters, in profiles as well."""
    schema = _of(BaselineFile)
    defs = schema["$defs"]
    schema["properties"]["filter"] = _choice("filters", defs)
    schema["allOf"] = []
    for name in sorted(plugins.registry("filters")):
        defs[f"profiles.{name}"] = defs[f"filters.{name}"] | {"required": []}
        schema["allOf"].append(_profiles_of(name))
    return _finished(schema, "baseline")


def _observations(groups: Node, defs: Node) -> Node:
    """Observations as a list of groups, or as a table of values with what all groups share.

    Arguments:
        groups: Schema of the list.
        defs: Definitions of the whole schema.
    """
    groups = dict(groups)
    note, table = groups.pop("description"), defs["Measured"]["properties"]
    own = ("name", "levels", "locations")
    shared = {k: v for k, v in defs["Group"]["properties"].items() if k not in own}
    mapping = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"file": table["values"], "window": table["window"]} | shared,
        "required": ["file"],
    }
    return {"description": note, "anyOf": [groups, mapping]}


KINDS: dict[str, Callable[[], Node]] = {"scenario": scenario, "baseline": baseline}


def _of(model: type[BaseModel]) -> Node:
    schema = model.model_json_schema()
    schema["$defs"].pop("Choice", None)
    return schema


def _finished(schema: Node, kind: str) -> Node:
    """A schema with heading and texts of docstrings, without titles, which repeat the keys."""
    return {"$schema": DRAFT, "title": f"dabench {kind}"} | _explained(schema, schema["$defs"])


def _choice(kind: plugins.Kind, defs: Node, leave_out: tuple[str, ...] = ()) -> Node:
    """One of the systems or filters by its name; their schemas are added to `defs`."""
    names = sorted(plugins.registry(kind))
    for name in names:
        defs[f"{kind}.{name}"] = _settings(kind, name, defs, leave_out)
    places = {name: f"#/$defs/{kind}.{name}" for name in names}
    one_of = [{"$ref": place} for place in places.values()]
    return {"discriminator": {"propertyName": "name", "mapping": places}, "oneOf": one_of}


def _settings(kind: plugins.Kind, name: str, defs: Node, leave_out: tuple[str, ...]) -> Node:
    """The name and the settings of one factory; what these refer to is added to `defs`."""
    schema = settings.schema(plugins.factory(kind, name)).model_json_schema()
    defs |= schema.pop("$defs", {})
    entries = {k: v for k, v in schema["properties"].items() if k not in leave_out}
    required = [k for k in schema.get("required", ()) if k not in leave_out]
    properties = {"name": {"const": name}} | entries
    return schema | {"properties": properties, "required": ["name", *required]}


def _profiles_of(name: str) -> Node:
    """The condition that profiles take the settings of this filter where the file names it."""
    named = {"properties": {"name": {"const": name}}}
    properties = {"properties": {"filter": {"$ref": f"#/$defs/profiles.{name}"}}}
    return {
        "if": {"properties": {"filter": named}},
        "then": {
            "properties": {"profiles": {"type": "object", "additionalProperties": properties}}
        },
    }


def _explained(node: Any, defs: Node) -> Any:
    """A node with the docstring's text on each key, and its first paragraph on the whole."""
    if isinstance(node, list):
        return [_explained(n, defs) for n in node]
    if not isinstance(node, dict):
        return node
    node = {k: v for k, v in node.items() if k != "title" or not isinstance(v, str)}
    doc, kinds = node.pop("description", ""), node.pop("discriminator", None)
    keys = node.pop("properties", {})
    rest = {k: _explained(v, defs) for k, v in node.items()} | (_tags(kinds, defs) if kinds else {})
    properties = {k: _with_note(_explained(v, defs), _note(doc, k, v)) for k, v in keys.items()}
    return _with_note(rest | ({"properties": properties} if keys else {}), _heading(doc))


def _tags(discriminator: Node, defs: Node) -> Node:
    """The names of several kinds in one list, with a description of each.

    Without it an editor names the kind that is nearest to a misspelt one and no other.
    `enumDescriptions` is a word of editors that validators pass over.
    """
    kinds = discriminator["mapping"]
    notes = [
        _heading(defs[ref.rpartition("/")[2]].get("description", "")) for ref in kinds.values()
    ]
    names = {"enum": list(kinds), "enumDescriptions": notes}
    return {"type": "object", "properties": {discriminator["propertyName"]: names}}


def _note(doc: str, key: str, node: Node) -> str:
    """The docstring's text on a key, in YAML's words; on the tag of a kind, that on the kind."""
    text = re.sub(r"\bNone\b", "null", argument(doc, key))
    return text or (_heading(doc) if "const" in node else "")


def _heading(doc: str) -> str:
    return doc.split("\n\n")[0].replace("\n", " ")


def _with_note(node: Node, note: str) -> Node:
    return {"description": note} | node if note else node

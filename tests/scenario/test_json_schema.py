"""JSON Schemas for editors: what they take and refuse is what dabench takes and refuses."""

import copy
import json

import jsonschema
import pytest

from dabench.core.errors import UserError
from dabench.scenario import catalogue, json_schema, plugins, yamlfile

KINDS = {"scenario": "scenarios", "baseline": "baselines"}
FILES = [(kind, name) for kind, home in KINDS.items() for name in catalogue.names(home)]


def validator(kind):
    shipped = json.loads((json_schema.FOLDER / f"{kind}.json").read_text())
    return jsonschema.Draft202012Validator(shipped)


VALIDATORS = {kind: validator(kind) for kind in KINDS}


def data_of(kind, name):
    data = yamlfile.read(catalogue.names(KINDS[kind])[name]).data
    return json.loads(json.dumps(data))  # keys that are numbers become text, as an editor has them


@pytest.mark.parametrize("kind", KINDS)
def test_a_shipped_schema_is_the_one_that_is_made(kind):
    shipped = (json_schema.FOLDER / f"{kind}.json").read_text()
    assert shipped == json_schema.text(kind), (
        f"dabench schema {kind} > dabench/scenario/schemas/{kind}.json"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(shipped))


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_shipped_files_are_valid(kind, name):
    VALIDATORS[kind].validate(data_of(kind, name))


def numbers(node, path=()):
    """Path and schema of every number."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    if node.get("type") in ("number", "integer") and not {"const", "enum"} & set(node):
        yield path, node
    for key, inside in node.items():
        yield from numbers(inside, (*path, key))


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_that_a_file_may_give_has_two_bounds(kind):
    """Those that `dabench tune` notes of its search are numbers of results."""
    schema = json.loads((json_schema.FOLDER / f"{kind}.json").read_text())
    for path, node in numbers(schema):
        if not {"Tuned", "TunedTrial"} & set(path):
            assert {"minimum", "exclusiveMinimum"} & set(node), path
            assert {"maximum", "exclusiveMaximum"} & set(node), path


WRONG = {
    "a key": ("scenario", "temp_4deg", ("observation",), []),
    "a key of a group": ("scenario", "temp_4deg", ("observations", 0, "std"), 1.0),
    "a setting of a system": ("scenario", "lorenz96-sakov2008", ("system", "sise"), 8),
    "a setting of another system": ("scenario", "lorenz96-sakov2008", ("system", "rho"), 8.0),
    "an unknown system": ("scenario", "temp_4deg", ("system", "name"), "lorenz97"),
    "a start in the system": ("scenario", "era5/temp_4deg", ("system", "start"), "2019-01-01"),
    "a negative error": ("scenario", "temp_4deg", ("observations", 0, "error_std"), -1),
    "two ways to say where": ("scenario", "temp_4deg", ("observations", 0, "locations", "x"), 1),
    "a name": ("scenario", "temp_4deg", ("name",), "mine"),
    "a setting of a filter": ("baseline", "letkf", ("filter", "inflatoin"), 1.1),
    "a setting of another filter": ("baseline", "letkf", ("filter", "jitter"), 1.1),
    "a nested setting": ("baseline", "temp_4deg/fa_apf", ("filter", "guidance", "steps"), 2),
    "no members": ("baseline", "letkf", ("members",), 0),
    "a profile's setting": (
        "baseline",
        "temp_4deg/fa_apf",
        ("profiles", "paper-2026", "filter", "jitter"),
        1.0,
    ),
    "a profile's filter": (
        "baseline",
        "temp_4deg/fa_apf",
        ("profiles", "paper-2026", "filter", "name"),
        "enkf",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused(what):
    kind, name, (*path, last), value = WRONG[what]
    data = copy.deepcopy(data_of(kind, name))
    here = data
    for key in path:
        here = here[key]
    here[last] = value
    assert not VALIDATORS[kind].is_valid(data)


def settings_of(node):
    """(key, schema) of all that a file may hold, conditions aside."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        yield from node.get("properties", {}).items()
        for key, inner in node.items():
            if key != "allOf":
                yield from settings_of(inner)


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_says_what_it_is(kind):
    for key, node in settings_of(VALIDATORS[kind].schema):
        texts = [node.get("description", ""), *node.get("enumDescriptions", ())]
        assert any(texts), (key, node)
        assert "None" not in " ".join(texts), key  # YAML has null


@pytest.mark.parametrize(("kind", "key"), [("scenario", "system"), ("baseline", "filter")])
def test_a_misspelt_name_is_told_all_that_there_are(kind, key):
    names = VALIDATORS[kind].schema["properties"][key]["properties"]["name"]
    assert names["enum"] == sorted(plugins.registry(f"{key}s"))
    assert len(names["enumDescriptions"]) == len(names["enum"])
    data = data_of(kind, {"system": "temp_4deg", "filter": "letkf"}[key])
    wrong = data | {key: data[key] | {"name": "lektf"}}
    said = " ".join(error.message for error in VALIDATORS[kind].iter_errors(wrong))
    assert f"'lektf' is not one of {names['enum']}" in said


def test_an_unknown_kind_is_a_users_mistake():
    with pytest.raises(UserError, match=r"no schema of 'sweep'; .*baseline, scenario"):
        json_schema.text("sweep")

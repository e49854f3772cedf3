"""JSON Schemas for editors: what they take and refuse is what dabench takes and refuses."""

import copy
import json

import jsonschema
import pytest

from dabench import library, schema, yamlfile
from dabench.errors import UserError

KINDS = {"scenario": "scenarios", "baseline": "baselines"}
FILES = [(kind, name) for kind, home in KINDS.items() for name in library.names(home)]


def validator(kind):
    shipped = json.loads((schema.FOLDER / f"{kind}.json").read_text())
    return jsonschema.Draft202012Validator(shipped)


VALIDATORS = {kind: validator(kind) for kind in KINDS}


def data_of(kind, name):
    data = yamlfile.read(library.names(KINDS[kind])[name]).data
    return json.loads(json.dumps(data))  # keys that are numbers become text, as an editor has them


@pytest.mark.parametrize("kind", KINDS)
def test_a_shipped_schema_is_the_one_that_is_made(kind):
    shipped = (schema.FOLDER / f"{kind}.json").read_text()
    assert shipped == schema.text(kind), f"dabench schema {kind} > dabench/schemas/{kind}.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(shipped))


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_shipped_files_are_valid(kind, name):
    VALIDATORS[kind].validate(data_of(kind, name))


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
    "a profile's setting": ("baseline", "letkf", ("profiles", "paper", "filter", "jitter"), 1.0),
    "a profile's filter": ("baseline", "letkf", ("profiles", "paper", "filter", "name"), "enkf"),
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


def test_an_unknown_kind_is_a_users_mistake():
    with pytest.raises(UserError, match=r"no schema of 'sweep'; .*baseline, scenario"):
        schema.text("sweep")

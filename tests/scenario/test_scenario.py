"""Scenarios: reading, freezing, digests, and fitting them to systems."""

import subprocess
import sys

import pytest
from patience import PATIENCE
from pydantic import ValidationError

from dabench.core.errors import UserError
from dabench.observe.network import networks
from dabench.scenario import load
from dabench.scenario.load import change, load_scenario
from dabench.scenario.scenario import Group, Scenario, utc
from dabench.scenario.yamlfile import Document
from dabench.systems import make

TEXT = """\
title: A test
system: {name: lorenz96, size: 8}
observations:
  - name: state
    locations: {every: 2}
    error_std: 0.5
period: {cycles: 10, spinup: 2}
initial: {kind: perturbed, amplitude: 0.1}
seed: 3
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str = TEXT, name: str = "scenarios/test.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def refusal(path) -> str:
    with pytest.raises(UserError) as e:
        load_scenario(path)
    return " ".join(str(e.value).split())


def test_a_scenario_is_its_file_with_defaults_written_out(write):
    scenario = load_scenario(write())
    assert scenario.name == "test"
    assert scenario.system.settings["forcing"] == 8.0
    assert scenario.observations == (Group(name="state", locations={"every": 2}, error_std=0.5),)
    assert scenario.period.spinup == 2
    assert scenario.seed == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("satellites: 0", "satellites 0 is not a whole number >= 1 and <= 20"),
        ("satellites: 1.5", "satellites 1.5 is not a whole number"),
        ("swath: 19", "swath 19 is not a number >= 20 and <= 20000"),
        ("swath: .nan", "swath"),
        ("hours: 25", "hours 25 is not a number > 0 and <= 24"),
        ("inclination: 181", "inclination 181 is not a number >= 0 and <= 180"),
        ("period: 84", "period 84 is not a number >= 84.5 and <= 1440"),
        ("node: 361", "node 361 is not a number >= -360 and <= 360"),
        (
            "width: 9",
            "width unknown; did you mean 'swath'? Known: cycles, hours",
        ),
    ],
)
def test_orbits_have_bounds(write, entry, message):
    orbit = {"satellites": "1", "swath": "2300", "hours": "5"}
    key, _, value = entry.partition(": ")
    flow = ", ".join(f"{k}: {v}" for k, v in (orbit | {key: value}).items())
    text = refusal(write(TEXT.replace("{every: 2}", f"{{{flow}}}")))
    assert f"observations.0.locations.{message}" in text


def test_an_orbit_needs_its_width_and_hours(write):
    text = refusal(write(TEXT.replace("{every: 2}", "{satellites: 1}")))
    assert "locations.swath is missing; give a number >= 20 and <= 20000" in text
    assert "locations.hours is missing" in text


def test_it_cannot_be_changed(write):
    scenario = load_scenario(write())
    with pytest.raises(ValidationError):
        scenario.seed = 1
    with pytest.raises(ValidationError):
        scenario.period.cycles = 1


def test_it_survives_a_round_trip_through_plain_data(write):
    text = TEXT.replace("error_std: 0.5", "error_std: {500: 0.2, surface: 1}")
    scenario = load_scenario(write(text))
    again = Scenario.model_validate(scenario.plain())
    assert again.plain() == scenario.plain()
    assert again.digest == scenario.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: A test", "title: Another\nsource: none"),
        ("seed: 3", "seed: 4"),
        ("size: 8", "size: 8, forcing: 8, noise_std: 0"),
        ("0.5", "5.0e-1  # K"),
        ("system: {name: lorenz96, size: 8}", "system:\n  size: 8\n  name: lorenz96"),
    ],
)
def test_the_digest_is_of_the_problem_alone(write, old, new):
    assert load_scenario(write()).digest == load_scenario(write(TEXT.replace(old, new))).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size: 8", "size: 9"),
        ("every: 2", "every: 1"),
        ("0.5", "0.6"),
        ("cycles: 10", "cycles: 11"),
        ("spinup: 2", "spinup: 3"),
        ("kind: perturbed, amplitude: 0.1", "kind: truth"),
        ("name: state", "name: other"),  # names key the noise
    ],
)
def test_another_problem_has_another_digest(write, old, new):
    assert load_scenario(write()).digest != load_scenario(write(TEXT.replace(old, new))).digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size: 8", "sise: 8", "line 2 system.sise unknown; did you mean 'size'? Known: forcing,"),
        ("every: 2", "grid: x", "line 5 observations.0.locations.grid 'x' is not a number >= 0"),
        ("size: 8", "size: 3", "line 2 system.size 3 is not a whole number >= 4"),
        ("lorenz96", "lorenz9", "line 2 system.name unknown system 'lorenz9'; did you mean"),
        ("every: 2", "evry: 2", "line 5 observations.0.locations.evry unknown; did you"),
        ("every: 2", "random: 3, sed: 1", "line 5 observations.0.locations.sed unknown"),
        ("every: 2", "grid: 2, every: 3", "line 5 observations.0.locations.every does not go"),
        ("{every: 2}", "all", "line 5 observations.0.locations 'all' is not a mapping of grid"),
        ("0.5", "-0.5", "line 6 observations.0.error_std -0.5 is not a number >= 1e-09"),
        ("spinup: 2", "spinup: 10", "line 7 period spinup 10 leaves nothing of 10 cycles"),
        ("spinup: 2", "offset: 3", "line 7 period.offset lorenz96 takes no offset"),
        ("size: 8", "offset: 3", "line 2 system.offset belongs in period"),
        ("kind: perturbed", "kind: truth", "line 8 initial.amplitude unknown; Known: kind"),
        ("kind: perturbed, ", "", "line 8 initial.kind is missing; give 'truth' or 'perturbed'"),
        (", amplitude: 0.1", "", "line 8 initial.amplitude is missing; give a number >= 1e-09"),
        ("perturbed", "pertubed", "line 8 initial.kind 'pertubed' is not"),
        ("seed: 3", "seed: -1", "line 9 seed -1 is not a whole number >= 0"),
        ("seed: 3", "seeds: 1", "line 9 seeds unknown; did you mean 'seed'?"),
        ("title: A test", "name: x", "line 1 name unknown; a scenario has the name of its file"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_path(write, old, new, message):
    path = write(TEXT.replace(old, new))
    text = refusal(path)
    assert text.startswith(f"{path}: 1 problem ")
    assert message in text


def test_mistakes_in_the_system_and_elsewhere_are_told_together(write):
    text = TEXT.replace("size: 8", "sise: 8").replace("every: 2", "every: 0")
    assert ": 2 problems" in refusal(write(text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "every: 2",
            "grid: 0.01",
            "grid 0.01 makes 648036000 places (18001 x 36000); at most",
        ),
        ("every: 2", "grid: 1e-300", "grid 1e-300 is not a number >= 0"),
        ("every: 2", "random: 2000001", "random 2000001 is not a whole number >= 1 and <= 2000000"),
        ("0.5", "1e300", "error_std 1e+300 is not a number >= 1e-09 and <= 1e+09"),
        ("0.5", "1e-300", "error_std 1e-300 is not a number >= 1e-09 and <= 1e+09"),
        ("amplitude: 0.1", "amplitude: 1e300", "amplitude 1e+300 is not a number >= 1e-09"),
        ("size: 8", "size: 8, step: 1e-300", "system.step 1e-300 is not a number >= 1e-09"),
        ("spinup: 2", "start: soon", "'soon' is not an ISO time such as 2019-01-01T00:00"),
        ("spinup: 2", "start: '0001-01-01'", "'0001-01-01' is outside of the years 1700 to 2199"),
        ("spinup: 2", "start: '9999-01-01'", "'9999-01-01' is outside of the years 1700 to 2199"),
    ],
)
def test_numbers_and_times_that_nothing_can_hold_are_refused_with_a_bound(write, old, new, message):
    assert message in refusal(write(TEXT.replace(old, new)))


@pytest.mark.parametrize("text", ["2019-01-01", "2019-01-01T00:00:00Z", "2019-01-01T01:00+01:00"])
def test_an_instant_has_one_digest_however_it_is_written(text):
    whole = load_scenario("era5/temp_4deg")
    document = whole.document
    period = document.data["period"] | {"start": text}
    assert whole.period.start == utc(text) == "2019-01-01T00:00"
    other = load._checked(Document("other", document.data | {"period": period}, {(): ""}))
    assert other.digest == whole.digest


def test_a_time_between_frames_is_refused_before_anything_is_fetched(write):
    document = load_scenario("era5/temp_4deg").document
    period = document.data["period"] | {"start": "2019-01-01T05:00"}
    between = load._checked(Document("other", document.data | {"period": period}, {(): ""}))
    with pytest.raises(UserError, match="2019-01-01T05:00 is not at 00, 06, 12 or 18 UTC"):
        make.layout(between)


def test_groups_need_names_of_their_own(write):
    group = TEXT[TEXT.index("  - name") : TEXT.index("period")]
    assert "two groups are named 'state'" in refusal(write(TEXT.replace(group, group * 2)))


def test_stations_from_a_file_are_part_of_the_problem(write):
    write("lat,lon\n1,2\n3,4\n", "scenarios/s.csv")
    files = load_scenario(write(TEXT.replace("{every: 2}", "{file: s.csv}")))
    points = load_scenario(write(TEXT.replace("{every: 2}", "{points: [[1, 2], [3, 4]]}")))
    assert files.digest == points.digest


@pytest.mark.parametrize("name", ["a b", "-x", "..x", "a;b", "a..b"])
def test_a_file_must_be_able_to_name_a_folder(write, name):
    assert "cannot name a folder" in refusal(write(name=f"scenarios/{name}.yaml"))


def test_a_name_is_the_path_below_the_scenarios(write):
    assert load_scenario(write(name="scenarios/era5/t.yaml")).name == "era5/t"
    assert load_scenario(write(name="elsewhere/t.yaml")).name == "t"


def test_changes_are_checked_like_files(write):
    scenario = load_scenario(write())
    changed = change(scenario, cycles=3, seed=9, system="{name: lorenz96, size: 12}")
    assert (changed.period.cycles, changed.period.spinup, changed.seed) == (3, 1, 9)
    assert changed.system.settings["size"] == 12
    assert change(scenario, system="lorenz63").system.name == "lorenz63"
    assert change(scenario).digest == scenario.digest
    for values, text in [
        ({"cycles": 0}, "--cycles period.cycles 0 is not"),
        ({"seed": -1}, "--seed seed -1 is not"),
        ({"system": "lorenz"}, "--system system.name unknown system 'lorenz'"),
        ({"system": "{name: lorenz96, size: x}"}, "--system system.size 'x' is not"),
        ({"system": "[1"}, "--system, line 1: is not YAML"),
        ({"system": "3"}, "--system system 3 is not a mapping"),
    ]:
        with pytest.raises(UserError) as e:
            change(scenario, **values)
        assert text in " ".join(str(e.value).split())


def test_a_network_that_does_not_fit_its_system_is_told_with_its_line(write):
    scenario = load_scenario(write(TEXT.replace("every: 2", "points: [0, 8]")))
    with pytest.raises(UserError, match=r"line 5  observations\.0\.locations"):
        networks(scenario, make.system(scenario).layout)


def test_reading_a_scenario_needs_no_jax():
    modules = "dabench.scenario.load, dabench.scenario.baseline"
    code = f"import sys, {modules}; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)

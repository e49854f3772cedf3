"""Reading baselines: look-up, profiles, overrides, messages."""

import pytest

from dabench.core.errors import UserError
from dabench.scenario import catalogue
from dabench.scenario.baseline import load_baseline, methods

TEXT = """\
members: 4
filter:
  name: letkf
  rtps: 0.25
  sampler: {levels: 7, rho: 5}
profiles:
  big:
    members: 8
    filter: {inflation: 1.1, sampler: {levels: 9}}
reference: none
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working directory with baselines of its own."""
    (tmp_path / "baselines/mine").mkdir(parents=True)
    (tmp_path / "baselines/letkf.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "baselines"


def refusal(*args, **kwargs) -> str:
    with pytest.raises(UserError) as e:
        load_baseline(*args, **kwargs)
    return " ".join(str(e.value).split())


def test_settings_are_written_out_and_typed(home):
    baseline = load_baseline("letkf", "other")
    assert (baseline.name, baseline.filter, baseline.members) == ("letkf", "letkf", 4)
    assert baseline.settings["inflation"] == 1.0
    assert baseline.settings["sampler"]["levels"] == 7
    assert baseline.arguments["sampler"].levels == 7


def test_the_scenarios_own_file_comes_first(home):
    (home / "mine/letkf.yaml").write_text("members: 5\nfilter: {name: letkf}\n")
    assert load_baseline("letkf", "mine").members == 5
    assert load_baseline("letkf", "other").members == 4


def test_a_method_is_named_by_its_file(home):
    (home / "mine/narrow.yaml").write_text("members: 5\nfilter: {name: letkf}\n")
    assert load_baseline("narrow", "mine").filter == "letkf"
    assert "narrow" in methods("mine")
    assert "narrow" not in methods("other")
    assert load_baseline(str(home / "mine/narrow.yaml"), "other").name == "narrow"


def test_a_profile_changes_what_it_names_and_nothing_else(home):
    baseline = load_baseline("letkf", "other", profile="big")
    assert baseline.members == 8
    assert (baseline.settings["rtps"], baseline.settings["inflation"]) == (0.25, 1.1)
    assert (baseline.arguments["sampler"].levels, baseline.arguments["sampler"].rho) == (9, 5)


def test_overrides_are_yaml_and_come_last(home):
    changes = ["rtps=0.5", "sampler.method=dpmpp_2m", "vertical_scale=null", "rotation=true"]
    baseline = load_baseline("letkf", "other", changes, profile="big", members=3)
    assert baseline.members == 3
    values = [baseline.settings[k] for k in ("rtps", "vertical_scale", "rotation", "inflation")]
    assert values == [0.5, None, True, 1.1]
    assert baseline.arguments["sampler"].method == "dpmpp_2m"
    assert baseline.arguments["sampler"].levels == 9
    assert load_baseline("letkf", "other", ["sampler=null"]).arguments["sampler"] is None


def test_the_digest_is_of_what_determines_the_numbers(home):
    before = load_baseline("letkf", "other").digest
    (home / "letkf.yaml").write_text(TEXT.replace("none", "a book").replace("0.25", "2.5e-1"))
    assert load_baseline("letkf", "other").digest == before
    assert load_baseline("letkf", "other", ["rtps=0.3"]).digest != before
    assert load_baseline("letkf", "other", members=5).digest != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("members: 4", "members: 0", "line 1 members 0 is not a whole number >= 1"),
        ("members: 4", "member: 4", "line 1 member unknown; did you mean 'members'?"),
        ("name: letkf", "name: letfk", "line 3 filter.name unknown filter 'letfk'; did you mean"),
        ("rtps: 0.25", "rtsp: 0.25", "line 4 filter.rtsp unknown; did you mean 'rtps'?"),
        ("rtps: 0.25", "rtps: -1", "line 4 filter.rtps -1 is not a number >= 0"),
        ("levels: 7", "levles: 7", "line 5 filter.sampler.levles unknown; did you mean 'levels'?"),
        ("inflation: 1.1", "inflatoin: 1", "line 9 profiles.big.filter.inflatoin unknown"),
        ("levels: 9", "levels: x", "line 9 profiles.big.filter.sampler.levels 'x' is not"),
        ("inflation: 1.1", "name: oi", "line 9 profiles.big.filter.name a profile cannot name"),
        ("members: 8", "memers: 8", "line 8 profiles.big.memers unknown"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_path(home, old, new, message):
    (home / "letkf.yaml").write_text(TEXT.replace(old, new))
    assert message in refusal("letkf", "other")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"overrides": ["rtps=x"]}, "--set filter.rtps 'x' is not a number"),
        ({"overrides": ["rpts=1"]}, "--set filter.rpts unknown; did you mean 'rtps'?"),
        ({"overrides": ["sampler.levels.x=1"]}, "--set filter.sampler.levels"),
        ({"overrides": ["rtps"]}, "--set rtps: is not of the form key=value"),
        ({"overrides": ["=1"]}, "--set =1: is not of the form key=value"),
        ({"overrides": ["rtps=[1"]}, "--set rtps=[1, line 1: is not YAML"),
        ({"overrides": ["name=oi"]}, "--set name=oi: the filter itself cannot be changed"),
        ({"members": 0}, "--members members 0 is not"),
        ({"profile": "bog"}, "has no profile 'bog'; did you mean 'big'? Known: big"),
    ],
)
def test_a_mistake_of_the_command_line_is_told_as_such(home, how, message):
    assert message in refusal("letkf", "other", **how)


def test_an_unknown_method_is_told_of_the_known_ones(home):
    message = refusal("letfk", "other")
    assert "unknown method 'letfk'; did you mean 'letkf'? Known: " in message
    assert f"baselines{'/'}letfk.yaml" in message


def test_an_installed_package_has_its_own_files(tmp_path, monkeypatch):
    package = tmp_path / "site-packages/dabench"
    for folder in (package / "share/baselines", tmp_path / "site-packages/baselines"):
        folder.mkdir(parents=True)
        (folder / "letkf.yaml").write_text(TEXT)
    monkeypatch.setattr(catalogue, "PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    assert catalogue.find("baselines", "letkf") == package / "share/baselines/letkf.yaml"

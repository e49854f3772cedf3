"""What the report on a network accepts, and how its tables are written."""

import pytest

from dabench.systems.atmosphere.training import report
from dabench.systems.atmosphere.training.skill import FreeRun

GOOD = {"over_persistence": 0.4, "spread_skill": 1.0}
CLIMATE = {"sd": 1.0, "drift": 0.05, "degree_1_5": 1.0, "degree_6_10": 0.9}
NAMES = [(name, level) for name in (*report.RANGED, *report.KEPT) for level in (250.0, 850.0)]


def rows(table, **worst):
    """A row a variable and level; `worst` in the last row."""
    made = [{"variable": name, "level": level} | table for name, level in NAMES]
    made[-1] |= worst
    return made


def verdicts(skill=GOOD, climate=CLIMATE, guided=0.04, **worst):
    cycled = [{"cycle": k, "temperature": t, "rest": 0.5} for k, t in ((1, 0.9), (2, guided))]
    table = report.acceptance(rows(skill), FreeRun([], rows(climate, **worst)), cycled)
    return {row["what"]: row["met"] for row in table}


def test_a_good_network_is_accepted():
    assert set(verdicts().values()) == {"yes"}
    assert len(verdicts()) == 13


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"skill": GOOD | {"over_persistence": 0.5}}, "12-hour RMSE over persistence, "),
        ({"skill": GOOD | {"spread_skill": 1.3}}, "8-member spread over skill, "),
        ({"skill": GOOD | {"spread_skill": 0.8}}, "8-member spread over skill, "),
        ({"sd": 1.4}, "free run's deviation, greatest variable"),  # 1.2 over both levels
        ({"degree_6_10": 3.0}, "free run's power by band, greatest"),
        ({"drift": 0.3}, f"drift of the global mean, {report.KEPT[-1]}"),
        ({"guided": 0.06}, "guided temperature over climate, cycle 2"),
    ],
)
def test_each_criterion_can_fail_alone(change, what):
    failed = [name for name, met in verdicts(**change).items() if met == "no"]
    assert failed
    assert all(name.startswith(what) for name in failed)


def test_a_section_is_a_table_with_its_heading():
    text = report._section(("skill", [{"variable": "t", "level": None, "rmse": 0.12345}]))
    assert text.splitlines() == [
        "",
        "## skill",
        "",
        "| variable | level | rmse |",
        "| --- | --- | --- |",
        "| t |  | 0.123 |",
    ]

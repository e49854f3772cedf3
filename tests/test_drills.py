"""The drills of CONTRIBUTING.md, done on a copy of the repository, work as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from dabench.scenario.load import load_scenario

ROOT = Path(__file__).parents[1]
FOLDERS = ("dabench", "scenarios", "baselines")

BLOCK = re.compile(
    r"^(?P<head>(?:New file|In) `(?P<file>[^`]+)`"
    r"(?:, after the line `(?P<line>[^`]+)`)?[^\n]*):\n\n"
    r"```\w*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def steps(drill: str) -> list[re.Match]:
    """The blocks of a drill, in their order."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.split(f"### {drill}\n")[1].partition("\n### ")[0].partition("\n## ")[0]
    return list(BLOCK.finditer(section))


def do(step: re.Match, home: Path) -> str:
    """Do one step of a drill; returns the file that it touches."""
    file, line, text = home / step["file"], step["line"], step["text"]
    if step["head"].startswith("New file"):
        assert not file.exists()
        file.write_text(text, encoding="utf-8")
    elif line is None:
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    else:
        lines = file.read_text(encoding="utf-8").split("\n")
        (place,) = [i for i, other in enumerate(lines) if other == line]
        file.write_text("\n".join([*lines[: place + 1], text + "\n".join(lines[place + 1 :])]))
    return step["file"]


def all_of(drill: str, home: Path) -> list[str]:
    """Do a drill; returns the files that it touches."""
    return [do(step, home) for step in steps(drill)]


def python(copy: Path, *words: str) -> str:
    """What the copy's Python prints."""
    options = {"capture_output": True, "text": True, "timeout": PATIENCE}
    options |= {"cwd": copy, "env": os.environ | {"PYTHONPATH": str(copy)}}
    done = subprocess.run([sys.executable, *words], check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dabench(copy: Path, *words: str) -> str:
    """What the command line of the copy prints."""
    return python(copy, "-m", "dabench", *words)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the repository, as far as commands need it, with its byte code.

    Byte code is taken where the time of its source is what it was; files that are being written
    have names of their own.
    """
    home = tmp_path_factory.mktemp("drills") / "copy"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", home)
    return home


RUN = """
import sys, dabench
print(*dabench.run("linear_gaussian", methods=sys.argv[1:], cycles=6, seed=0))
"""
"""Like `dabench run linear_gaussian`, without figures."""


@pytest.fixture(scope="module")
def changed(copy):
    """The copy with a method, a metric and a section more, what each touched, and a run of all."""
    drills = ("Add a method", "Add a metric", "Add a section to a page")
    files = {drill: all_of(drill, copy) for drill in drills}
    files["printed"] = python(copy, "-c", RUN, "ensemble", "letkf", "nudging")
    return files


def test_a_method_is_a_file_a_line_and_a_baseline(changed):
    assert changed["Add a method"] == [
        "dabench/filters/nudging.py",
        "dabench/filters/__init__.py",
        "baselines/nudging.yaml",
    ]
    assert "nudging" in changed["printed"]


def test_a_metric_is_a_function_and_a_row(copy, changed):
    assert changed["Add a metric"] == [
        "dabench/scores/metrics/deterministic.py",
        "dabench/scores/metrics/registry.py",
    ]
    (file,) = copy.glob("runs/linear_gaussian/*/letkf/seed0/scores.json")
    values = [
        r["value"] for r in json.loads(file.read_text())["scores"] if r["metric"] == "outside"
    ]
    assert values
    assert all(0 <= value <= 1 for value in values)
    assert "outside" in dabench(copy, "compare", "letkf", "ensemble", "--metric", "outside")


def test_a_key_of_scenarios_is_a_field(copy):
    digest = load_scenario("linear_gaussian").digest  # of the repository, without the key
    assert all_of("Add a key to scenarios", copy) == ["dabench/scenario/scenario.py"]
    scenario = copy / "scenarios/linear_gaussian.yaml"
    scenario.write_text("contact: somebody\n" + scenario.read_text(encoding="utf-8"))
    assert digest.startswith(dabench(copy, "check", str(scenario)).split()[-1])
    assert "contact" in json.loads(dabench(copy, "schema", "scenario"))["properties"]


def test_a_section_of_a_page_is_a_block(copy, changed):
    assert changed["Add a section to a page"] == ["dabench/leaderboard/templates/scenario.html"]
    dabench(copy, "leaderboard", "build", "runs", "--out", "site")
    (page,) = copy.glob("site/*linear_gaussian*/index.html")
    assert "3 methods have been run." in page.read_text(encoding="utf-8")

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


@pytest.fixture
def copy(tmp_path):
    """A copy of the repository, as far as commands need it, with its byte code.

    Byte code is taken where the time of its source is what it was; files that are being written
    have names of their own.
    """
    for name in FOLDERS:
        skip = shutil.ignore_patterns("*.pyc.*")
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def python(copy):
    """What the copy's Python prints."""

    def call(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(copy)}
        options = {"capture_output": True, "text": True, "timeout": PATIENCE}
        command = [sys.executable, *words]
        made = subprocess.run(command, cwd=copy, env=environment, check=False, **options)
        assert made.returncode == 0, made.stderr
        return made.stdout

    return call


@pytest.fixture
def dabench(python):
    """What the command line of the copy prints."""
    return lambda *words: python("-m", "dabench", *words)


RUN = """
import sys, dabench
print(*dabench.run("linear_gaussian", methods=sys.argv[1:], cycles=6, seed=0))
"""
"""Like `dabench run linear_gaussian`, without figures."""


def test_a_method_is_a_file_a_line_and_a_baseline(copy, python):
    files = [do(step, copy) for step in steps("Add a method")]
    assert files == [
        "dabench/filters/nudging.py",
        "dabench/filters/__init__.py",
        "baselines/nudging.yaml",
    ]
    assert "nudging" in python("-c", RUN, "nudging")


def test_a_metric_is_a_function_and_a_row(copy, python, dabench):
    files = [do(step, copy) for step in steps("Add a metric")]
    assert files == [
        "dabench/scores/metrics/deterministic.py",
        "dabench/scores/metrics/registry.py",
    ]
    python("-c", RUN, "ensemble", "letkf")
    (file,) = copy.glob("runs/linear_gaussian/*/letkf/seed0/scores.json")
    values = [
        r["value"] for r in json.loads(file.read_text())["scores"] if r["metric"] == "outside"
    ]
    assert values
    assert all(0 <= value <= 1 for value in values)
    assert "outside" in dabench("compare", "letkf", "ensemble", "--metric", "outside")


def test_a_key_of_scenarios_is_a_field(copy, dabench):
    digest = dabench("check", "scenarios/linear_gaussian.yaml").rpartition(" ")[2]
    files = [do(step, copy) for step in steps("Add a key to scenarios")]
    assert files == ["dabench/scenario/scenario.py"]
    scenario = copy / "scenarios/linear_gaussian.yaml"
    scenario.write_text("contact: somebody\n" + scenario.read_text(encoding="utf-8"))
    assert dabench("check", str(scenario)).rpartition(" ")[2] == digest
    assert "contact" in json.loads(dabench("schema", "scenario"))["properties"]


def test_a_section_of_a_page_is_a_block(copy, python, dabench):
    files = [do(step, copy) for step in steps("Add a section to a page")]
    assert files == ["dabench/leaderboard/templates/scenario.html"]
    python("-c", RUN, "ensemble")
    dabench("leaderboard", "build", "runs", "--out", "site")
    (page,) = copy.glob("site/*linear_gaussian*/index.html")
    assert "1 methods have been run." in page.read_text(encoding="utf-8")

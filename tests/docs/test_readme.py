"""README and CONTRIBUTING: their commands exist, their scenario is one, their files are there."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from dabench.scenario import json_schema, yamlfile
from docs.blocks import Block, blocks, output, parse, run
from docs.refresh import HERE, pages

ROOT = HERE.parent
TEXTS = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")}
COMMANDS = sorted(
    {
        command
        for text in TEXTS.values()
        for line in re.findall(r"^ {4}(.*\bdabench [a-z].*?)(?: +#.*)?$", text, re.MULTILINE)
        for command in line.split(" && ")
    }
)
YAML = [
    block
    for page in (*pages().values(), TEXTS["README.md"])
    for block in blocks(page)
    if block.kind == "yaml"
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command):
    parse(command)


def test_commands_are_looked_for():
    assert len(COMMANDS) > 10


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert [block.kind for block, _ in run(TEXTS["README.md"])].count("python") == 1
    assert "where the exact filter has" in capsys.readouterr().out


def test_the_readme_is_read_in_minutes():
    assert len(TEXTS["README.md"].split()) < 900


@pytest.mark.parametrize("block", YAML, ids=lambda b: b.file or "README.md")
def test_a_file_that_is_shown_is_sound(block: Block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("shown.yaml").write_text(block.text)
    data = json.loads(json.dumps(yamlfile.read(Path("shown.yaml")).data))
    kind = "baseline" if "filter" in data else "scenario"
    jsonschema.validate(data, json.loads((json_schema.FOLDER / f"{kind}.json").read_text()))
    assert f"a sound {kind}" in output("dabench check shown.yaml")


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_are_there(name):
    folders = "dabench|docs|scenarios|baselines|benchmarks|leaderboard"
    new = re.findall(r"^New file `([^`]+)`", TEXTS[name], re.MULTILINE)  # of a drill
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", TEXTS[name]):
        assert (ROOT / path).exists() != (path in new), path

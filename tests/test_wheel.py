"""What an installed package has: every file of the source tree, scenarios and baselines."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from patience import PATIENCE

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder in which the wheel is unpacked, as `pip install` does."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files(folder: Path, below: Path) -> set[str]:
    """Files in a folder, named from `below` on, but for what Python itself keeps there."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(below).as_posix() for p in paths if "__pycache__" not in p.parts}


def test_the_wheel_has_every_file_of_the_package(installed):
    share = files(installed / "dabench" / "share", installed)
    assert files(installed / "dabench", installed) - share == files(ROOT / "dabench", ROOT)


@pytest.mark.parametrize("kind", ["scenarios", "baselines"])
def test_the_wheel_has_every_scenario_and_baseline(installed, kind):
    assert files(installed / "dabench/share" / kind, installed / "dabench/share") == files(
        ROOT / kind, ROOT
    )


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "scenario/schemas/scenario.json",
        "leaderboard/templates/page.js",
        "systems/held_suarez/files/gencast.npz",
        "share/scenarios/temp_4deg.yaml",
    ],
)
def test_the_wheel_has_the_files_that_are_no_python(installed, name):
    assert (installed / "dabench" / name).is_file()


def test_what_is_installed_runs_an_experiment(installed, tmp_path):
    script = (
        "import dabench, dabench.runs.execute as execute\n"
        f"assert dabench.__file__.startswith({str(installed)!r}), dabench.__file__\n"
        "(job,) = execute.plan('linear_gaussian', methods=['letkf'], cycles=2)\n"
        "assert job.identity['members'] > 1\n"
    )
    environment = os.environ | {"PYTHONPATH": str(installed)}
    options = {"cwd": tmp_path, "env": environment, "timeout": PATIENCE}
    subprocess.run([sys.executable, "-c", script], check=True, **options)

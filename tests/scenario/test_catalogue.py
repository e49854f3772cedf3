"""Finding files by name and by path."""

from pathlib import Path

import pytest

from dabench.core.errors import UserError
from dabench.scenario import catalogue


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """An installed package with two scenarios, and a working directory with one of its own."""
    package, here = tmp_path / "lib/dabench", tmp_path / "here"
    for path in (package / "share/scenarios/era5/a.yaml", package / "share/scenarios/b.yaml",
                 here / "scenarios/b.yaml"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    monkeypatch.setattr(catalogue, "PACKAGE", package)
    monkeypatch.chdir(here)
    return package / "share/scenarios"


def test_the_working_directory_comes_before_the_package(folders):
    assert catalogue.find("scenarios", "b") == Path("scenarios/b.yaml")
    assert catalogue.find("scenarios", "era5/a") == folders / "era5/a.yaml"
    assert set(catalogue.names("scenarios")) == {"b", "era5/a"}


def test_a_path_is_found_in_the_package_too(folders):
    assert catalogue.find("scenarios", "scenarios/era5/a.yaml") == folders / "era5/a.yaml"
    assert catalogue.find("scenarios", "scenarios/b.yaml") == Path("scenarios/b.yaml")
    assert catalogue.find("scenarios", "elsewhere/b.yaml") == Path("elsewhere/b.yaml")


def test_a_checkout_has_folders_of_its_own(folders):
    root = folders.parents[2]
    (root / "pyproject.toml").write_text("")
    (root / "scenarios").mkdir()
    (root / "scenarios/c.yaml").write_text("")
    assert catalogue.find("scenarios", "c") == root / "scenarios/c.yaml"


def test_an_unknown_name_is_told_of_the_known_ones(folders):
    with pytest.raises(UserError, match="unknown scenario 'bb'; did you mean 'b'"):
        catalogue.find("scenarios", "bb")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("scenarios/a.yaml", "a"),
        ("/x/scenarios/y/scenarios/era5/a-1.0.yaml", "era5/a-1.0"),
        ("/x/scenarios.yaml", "scenarios"),
        ("/x/a.yml", "a"),
    ],
)
def test_a_file_is_named_from_its_folder_on(path, name):
    assert catalogue.name_of("scenarios", Path(path)) == name

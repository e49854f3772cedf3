"""Whether the comparison of two records sees every kind of difference, however small."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from same_bits import main

RUN = Path("small", "runs", "ring", "model", "fa_apf", "seed0")
RESULT = Path("small", "results", "ring", "model", "fa_apf.json")
PAGE = Path("small", "site", "index.html")
SCORES = {"scores": [{"metric": "rmse", "value": 0.25}], "cost": {"seconds": 1.5}, "seconds": [0]}
PARTS = ("arrays", "attributes", "scores", "result file", "lines of pages", "lines of figures")


@pytest.fixture
def records(tmp_path):
    """A small record, and a copy of it."""
    old, new = tmp_path / "old", tmp_path / "new"
    _write_archive(old / RUN / "archive.zarr")
    _write(old / RUN / "scores.json", json.dumps(SCORES))
    _write(old / RESULT, json.dumps({"runs": [SCORES], "sha256": "1f"}))
    _write(old / PAGE, "<p>RMSE 0.25\n<p>Made by dabench 0.1.0, metrics version 3.\n")
    _write(old / PAGE.with_name("rmse.svg"), "<svg/>\n")
    shutil.copytree(old, new)
    return old, new


def _write_archive(store: Path) -> None:
    root = zarr.open_group(store, mode="w", attributes={"seed": 0, "provenance": {"commit": "a"}})
    _add(root, "mean/state", np.array([[0.0, np.nan], [2.0, 3.0]]))
    _add(root, "observations/group", np.array(["wind", "wind"], np.dtypes.StringDType()))
    _add(root, "diagnostics/seconds", np.array([0.1, 0.2]))


def _add(root: zarr.Group, path: str, values: np.ndarray) -> None:
    root.create_array(path, shape=values.shape, dtype=values.dtype)[...] = values


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _replace(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def _compare(records, capsys, *words: str) -> tuple[int, list[str]]:
    """The exit code, and the lines of the table of what differs."""
    code = main(["compare", *map(str, records), *words])
    table = capsys.readouterr().out.splitlines()[:-1]
    return code, [line for line in table if not line.endswith("  equal")]


def test_two_copies_of_a_record_are_equal_part_by_part(records, capsys):
    assert main(["compare", *map(str, records)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == len(PARTS) + 1
    assert all(sum(part in line for line in table) == 1 for part in PARTS)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_one_flipped_bit_of_an_array_is_seen(records, capsys, place):
    """The lowest bit, of a zero and of a NaN, too."""
    array = zarr.open_array(records[1] / RUN / "archive.zarr", path="mean/state")
    values = array[...]
    values.view(np.uint64)[place] ^= 1
    array[...] = values
    code, lines = _compare(records, capsys)
    assert code == 1
    assert len(lines) == 1
    assert "fa_apf: arrays" in lines[0]
    assert f"mean/state: 1 of 4 values, first {list(place)}" in lines[0]


def test_another_sign_of_zero_is_seen(records, capsys):
    zarr.open_array(records[1] / RUN / "archive.zarr", path="mean/state")[0, 0] = -0.0
    assert "-0.0" in _compare(records, capsys)[1][0]


def test_another_text_in_an_array_is_seen(records, capsys):
    zarr.open_array(records[1] / RUN / "archive.zarr", path="observations/group")[1] = "mass"
    assert "observations/group: 1 of 2 values, first [1]" in _compare(records, capsys)[1][0]


def test_an_array_of_another_type_or_that_is_gone_is_seen(records, capsys):
    root = zarr.open_group(records[1] / RUN / "archive.zarr")
    values = root["mean/state"][...].astype(np.float32)
    del root["mean/state"]
    assert "mean/state: only in the first record" in _compare(records, capsys)[1][0]
    _add(root, "mean/state", values)
    assert "float64 (2, 2) | float32 (2, 2)" in _compare(records, capsys)[1][0]


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        (RUN / "archive.zarr" / "zarr.json", '"seed": 0', '"seed": 1', "fa_apf: attributes"),
        (RUN / "scores.json", "0.25", "0.25000000000000006", "fa_apf: scores"),
        (RUN / "scores.json", "[0]", "[1]", "fa_apf: scores"),
        (RESULT, "0.25", "0.250001", "fa_apf: result file"),
        (PAGE, "0.25", "0.26", "lines of pages"),
        (PAGE, "version 3", "version 4", "lines of pages"),
        (PAGE.with_name("rmse.svg"), "<svg/>", "<svg />", "lines of figures"),
    ],
)
def test_one_change_of_a_file_is_seen_and_told(records, capsys, file, old, new, part):
    _replace(records[1] / file, old, new)
    code, lines = _compare(records, capsys)
    assert code == 1
    assert len(lines) == 1
    assert part in lines[0]


def test_costs_versions_and_provenance_are_left_aside(records, capsys):
    new = records[1]
    _replace(new / RUN / "archive.zarr" / "zarr.json", '"commit": "a"', '"commit": "b"')
    _replace(new / RUN / "scores.json", '"seconds": 1.5', '"seconds": 1.6, "evaluations": 12')
    _replace(new / RESULT, '"sha256": "1f"', '"sha256": "2f", "commands": []')
    _replace(new / PAGE, "dabench 0.1.0", "dabench 0.2.0")
    root = zarr.open_group(new / RUN / "archive.zarr")
    root["diagnostics/seconds"][0] = 7.0
    _add(root, "diagnostics/evaluations", np.array([12, 12]))
    assert _compare(records, capsys) == (0, [])


def test_a_run_a_site_or_an_experiment_that_is_gone_is_seen(records, capsys):
    new = records[1]
    shutil.rmtree(new / PAGE.parent)
    pages, figures = _compare(records, capsys)[1]
    assert "index.html:1: only in the first record" in pages
    assert "rmse.svg:1: only in the first record" in figures
    shutil.rmtree(new / RUN)
    assert len(_compare(records, capsys)[1]) == len(PARTS) - 1
    shutil.rmtree(new / "small")
    assert "second record has no such experiment" in _compare(records, capsys)[1][0]


def test_parts_that_both_records_lack_are_no_agreement(records, capsys):
    for record in records:
        shutil.rmtree(record / PAGE.parent)
    assert _compare(records, capsys)[0] == 1
    assert _compare(records, capsys, "--only", "lorenz63-sakov2012")[0] == 1


def test_a_record_is_never_written_over(tmp_path):
    (tmp_path / "temp_16deg").mkdir()
    with pytest.raises(SystemExit, match="temp_16deg: is there already"):
        main(["record", "checkout", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["temp_16deg"]


def test_an_unknown_experiment_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="there are linear_gaussian"):
        main(["record", "checkout", str(tmp_path), "--only", "temp"])

"""Warnings of libraries are a line of the command that met them."""

import sys
import warnings

import pytest

from dabench import cli
from dabench.leaderboard import figures, results
from dabench.runs.archive import read
from dabench.runs.exchange import import_

LIBRARY = "/lib/python3/site-packages/zarr/core/group.py"
COMMANDS = {
    "plot runs/a/b/c/seed0 --out figures": (figures, "draw", []),
    "import theirs.zarr --scenario temp_4deg --name them": (import_, "import_store", "runs/them"),
    "leaderboard add runs": (results, "add", ["results/a.json"]),
}


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("line", COMMANDS)
def test_a_warning_of_a_library_is_one_line(line, monkeypatch, capsys, tmp_path):
    module, name, result = COMMANDS[line]

    def warn(*args, **options):
        warnings.warn_explicit("old\nuse new", UserWarning, LIBRARY, 3)
        return result

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, warn)
    monkeypatch.setattr(read, "find_runs", lambda root: [root])
    monkeypatch.setattr(sys, "argv", ["dabench", *line.split()])
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert not e.value.code
    assert capsys.readouterr().err.splitlines() == ["dabench: warning: old (zarr)"]

"""What is shown while a method runs."""

import io
import threading
from datetime import datetime

from patience import PATIENCE
from rich.console import Console

from dabench.core import waits
from dabench.runs import progress
from dabench.runs.progress import watch


def shown(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with watch("fa_apf", 20, console) as report:
        report(1, 3.5, 3.0)
        report(2, 4.0, 4.0)
    return console.file.getvalue()


def test_without_a_terminal_short_runs_are_silent():
    assert shown(False) == ""


def test_without_a_terminal_a_block_of_cycles_is_a_line_with_time_and_time_left(monkeypatch):
    clock = iter([0.0, 30.0, 42.0, 45.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress, "BLOCK_SECONDS", 40.0)
    lines = shown(False).splitlines()
    stamp, text = lines[0][:19], lines[0][20:]
    assert datetime.fromisoformat(stamp)
    # 12 s a cycle, 18 cycles to come; the roots of the means over both cycles
    assert text == "fa_apf       cycles 1-2 of 20, 4 min left: RMSE 3.54, N_eff 3.8"
    assert len(lines) == 1


def test_a_wait_is_announced_once_it_is_long(monkeypatch):
    monkeypatch.setattr(waits, "PATIENCE", 0.0)
    said = threading.Event()
    with waits.announced(lambda text: said.set(), "drawing"):
        assert said.wait(PATIENCE)
    monkeypatch.setattr(waits, "PATIENCE", 1e5)
    quick = []
    with waits.announced(quick.append, "drawing"):
        pass
    assert not quick


def test_a_terminal_shows_cycle_n_eff_and_the_rmse_so_far():
    text = shown(True)
    assert "2/20" in text
    assert "N_eff 4.0" in text
    assert "RMSE 3.54" in text  # the root of the mean of 9 and 16

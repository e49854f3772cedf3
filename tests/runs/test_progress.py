"""What is shown while a method runs."""

import io

from rich.console import Console

from dabench.runs.progress import watch


def shown(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with watch("fa_apf", 20, console) as report:
        report(1, 3.5, 3.0)
        report(2, 4.0, 4.0)
    return console.file.getvalue()


def test_without_a_terminal_nothing_is_shown():
    assert shown(False) == ""


def test_a_terminal_shows_cycle_n_eff_and_the_rmse_so_far():
    text = shown(True)
    assert "2/20" in text
    assert "N_eff 4.0" in text
    assert "RMSE 3.54" in text  # the root of the mean of 9 and 16

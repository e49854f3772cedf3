"""Where a row's settings come from, and that a file is not quoted for others than its own."""

import mock_run
from markupsafe import Markup

from dabench.leaderboard import site
from dabench.leaderboard.stale import origin

FILE = """\
members: 4
filter: {name: oi, gain: {scale: 2.0}}
reference: As in `oi.md`
tuned:
  metric: crps
  period: {seed: 1000, period.cycles: 10}
  scenario: abc
  commit: def
  best: 0.222571
  trials: [{objective: 0.222571, status: complete, settings: {}}]
"""


def made(**other):
    settings = {"gain": {"scale": 2.0, "taper": 1.0}, "more": None}
    scenario = mock_run.IDENTITY["scenario"] | {"name": "mine"}
    about = {"scenario": scenario, "method": "oi", "filter": "oi", "settings": settings}
    return mock_run.scores(**about | other)


def test_the_scenarios_own_file_comes_before_the_general_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baselines/mine").mkdir(parents=True)
    (tmp_path / "baselines/oi.yaml").write_text("members: 4\nfilter: {name: oi}\n")
    assert origin(made()) == []
    (tmp_path / "baselines/mine/oi.yaml").write_text(FILE)
    reference, search = origin(made())
    assert reference == "As in `oi.md`"
    assert search == (
        "Tuned on another period (seed: 1000, cycles: 10): crps; 1 trials, best 0.2226."
    )
    (other,) = origin(made(members=5))
    assert other == "These are not the settings that `baselines/mine/oi.yaml` has now."
    assert origin(made(method="nobodys")) == []


def test_names_in_backticks_are_code_and_nothing_else_is_markup():
    assert site._code("See `a<b` & c") == Markup("See <code>a&lt;b</code> &amp; c")
    assert site._code("plain") == "plain"

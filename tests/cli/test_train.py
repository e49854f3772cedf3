"""dabench train: what is said of systems that are not trained, and the maps of its report."""

import logging
import re

import numpy as np
import pytest

from dabench.cli import notes, train
from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.leaderboard.figures.style import save


class Planet:
    """A system of two fields, whose truth is one state."""

    name = "planet"
    layout = Layout(
        (Channel("mean_sea_level_pressure", "Pa"), Channel("temperature", "K", 850.0)),
        {"latitude": np.linspace(-80, 80, 9), "longitude": np.arange(0.0, 360, 20)},
        land=np.arange(9 * 18) % 5 == 0,
    )

    def truth(self, seed: int, cycles: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.normal(size=(cycles + 1, self.layout.size))


def test_a_system_without_a_recipe_is_refused(tmp_path):
    with pytest.raises(UserError, match="lorenz63 is not trained; held_suarez"):
        train.train("lorenz63", tmp_path)


def test_what_training_logs_is_printed_with_its_time(capsys):
    log = logging.getLogger("dabench.systems.atmosphere.training.nature")
    logging.getLogger("dabench").setLevel(logging.INFO)
    with notes.narrated("training a planet"):
        log.info("spin-up: day %d", 3)
    log.info("afterwards")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"[\d-]{10} [\d:]{8} spin-up: day 3\n", err)


def test_a_training_tells_the_time_left(caplog, monkeypatch):
    pytest.importorskip("optax")
    from dabench.systems.atmosphere.training import learning

    clock = iter([0.0, 10.0, 40.0, 50.0, 80.0])
    monkeypatch.setattr(learning.time, "perf_counter", lambda: next(clock))
    with caplog.at_level(logging.INFO, "dabench"):
        beat = learning._Beat(100, 1100)
        for done in (110, 300, 301, 600):
            beat(done)
    first, *others = [record.getMessage() for record in caplog.records]
    assert first == "training: step 100 of 1100, compiling"
    # 200 steps in 40 s: 800 take 160 s more; 500 in 80 s: 500 take 80 s more.
    assert others == [
        "training: step 300 of 1100, 3 min left",
        "training: step 600 of 1100, 1 min left",
    ]


def test_a_map_for_every_field_that_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "free_forecast", lambda system, x, days: x + days)
    figure = train.maps(Planet(), 20)
    titles = [text for axes in figure.axes if (text := axes.get_title(loc="left"))]
    assert titles == [
        "sea-level pressure, Pa, truth",
        "sea-level pressure, Pa, forecast of 20 days",
        "temperature at 850 hPa, K, truth",
        "temperature at 850 hPa, K, forecast of 20 days",
    ]
    assert save(tmp_path / "report.png", figure).read_bytes()[:4] == b"\x89PNG"

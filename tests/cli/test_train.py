"""dabench train: what is said of systems that are not trained, and the maps of its report."""

import numpy as np
import pytest

from dabench.cli import train
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

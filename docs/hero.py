"""The picture at the head of the README: `python -m docs.hero`.

The truth, and what the FA-APF and the free ensemble make of it after six days, with the network of
real radiosondes on `speedy`. Takes some minutes of two cores; runs that are in `runs` are used.
"""

from pathlib import Path

import numpy as np

import dabench
from dabench.leaderboard.figures.weather import Map, weather

FILE = Path(__file__).parent / "images" / "hero.png"
CYCLE = 12
ROWS = {"geopotential": (500.0, 1 / 9.80665 / 10, "Height of 500 hPa, dam"),
        "u_component_of_wind": (200.0, 1.0, "Westerly wind at 200 hPa, m/s")}  # fmt: skip
"""Variable -> its level in hPa, the factor to the units of its title, and the title."""


def main() -> None:
    """Run both methods and write the picture."""
    fa_apf, free = dabench.run("radiosondes", methods=["fa_apf", "ensemble"], cycles=CYCLE)
    trees = [fa_apf.archive["truth"], fa_apf.archive["mean"], free.archive["mean"]]
    maps = [
        Map(name, title, np.stack([factor * _field(tree, name, level) for tree in trees]))
        for name, (level, factor, title) in ROWS.items()
    ]
    place = trees[0]["geopotential"]
    figure = weather(
        place["latitude"].values,
        place["longitude"].values,
        ["truth", "FA-APF", "free ensemble"],
        maps,
        coasts=True,
    )
    figure.savefig(FILE, dpi=120)


def _field(tree, name: str, level: float) -> np.ndarray:
    return tree[name].isel(cycle=-1).sel(level=level).values


if __name__ == "__main__":
    main()

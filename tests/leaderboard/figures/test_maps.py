"""Maps, network and density: what they show, and of which runs."""

from itertools import combinations

import numpy as np
from figure_runs import run, with_pictures
from matplotlib.patches import PathPatch

from dabench.leaderboard.figures.coastlines import ON_EARTH
from dabench.leaderboard.figures.globe import RATIO, Lines
from dabench.leaderboard.figures.maps import maps
from dabench.leaderboard.figures.network import network
from dabench.leaderboard.figures.panels import SMALL
from dabench.leaderboard.figures.style import LIGHT, look
from dabench.runs.archive.read import open_run

CELL = ("2m_temperature", None)


def test_maps_leave_out_runs_that_have_not_come_so_far(folders, tmp_path):
    short = run(tmp_path / "short", "letkf", cycles=7)
    first = {"b": with_pictures(short), "a": with_pictures(folders[0])}
    figure = maps(first, CELL, 9, LIGHT)
    names, bars = figure.axes[0].texts, [axes.get_title("left") for axes in figure.axes[1:]]
    assert figure.texts[0].get_text() == "2m temperature, day 4.5"
    titles = [text.get_text() for text in names if not is_aside(text)]
    assert titles == ["Truth", "a", "error of the mean"]
    assert bars == ["truth and means, K", "errors of the means, K"]


def test_a_map_shows_the_truth_north_up_with_greenwich_in_the_middle(folders):
    figure = maps({"a": with_pictures(folders[0])}, CELL, 6, LIGHT)
    truth = open_run(folders[0])["truth"]["2m_temperature"].isel(cycle=6)
    image = figure.axes[0].images[0]
    pixels = image.get_array()
    high, wide = pixels.shape
    half = np.ptp(truth.values) / 254
    places = {(90, 0): (0, wide // 2), (-90, 0): (-1, wide // 2), (0, 0): (high // 2, wide // 2),
              (0, 90): (high // 2, 3 * wide // 4), (0, 270): (high // 2, wide // 4)}  # fmt: skip
    for (lat, lon), pixel in places.items():
        there = float(truth.sel(latitude=lat, longitude=lon))
        assert abs(pixels[pixel] - there) <= half, (lat, lon)
    (low, high), ends = image.get_clim(), np.quantile(truth, [0.005, 0.995])
    assert low <= ends[0] < ends[1] <= high
    assert [float(f"{end:.3g}") for end in (low, high)] == [low, high]  # round numbers
    assert image.origin == "upper"


def test_each_method_has_its_numbers_and_small_errors_their_own_colours(folders, tmp_path):
    precise = with_pictures(run(tmp_path / "precise", "fa_apf", error=0.01))
    rough = with_pictures(folders[0])
    figure = maps({"a": precise, "b": rough}, CELL, 6, LIGHT)
    texts = figure.axes[0].texts
    asides = [text for text in texts if is_aside(text)]
    rmse = precise.series(CELL, "rmse")[6]
    assert [text.get_text()[:4] for text in asides] == ["RMSE", "own ", "RMSE"]
    assert asides[0].get_text().startswith(f"RMSE {rmse:.2g}, spread ")
    errors = [text for text in texts if text.get_text() == "error of the mean"]
    assert asides[1].get_position()[0] == errors[0].get_position()[0]
    small, large = (image.get_clim()[1] for image in figure.axes[0].images[2::2])
    assert small < large / 3


def test_every_map_lies_in_its_tile_below_its_title(folders):
    runs = {name: with_pictures(folders[0]) for name in "abc"}
    figure = maps(runs, CELL, 6, LIGHT)
    axes = figure.axes[0]
    boxes = [outline.get_window_extent() for outline in axes.findobj(PathPatch)]
    titles = [text.get_window_extent() for text in axes.texts if not is_aside(text)]
    assert len(boxes) == len(axes.images) == len(titles) == 7
    for box, title in zip(boxes, titles, strict=True):
        assert abs(box.width / box.height * RATIO - 1) < 1e-6
        assert abs(title.x0 - box.x0) < 1e-6
        assert 0 <= title.y0 - box.y1 < 0.25 * figure.dpi
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(figure.bbox.containsx(box.x1) and figure.bbox.containsy(box.y0) for box in boxes)


def is_aside(text) -> bool:
    """Whether a text is the small print below a map's title."""
    return text.get_fontsize() < SMALL


def line_sets(axes) -> int:
    """Number of sets of lines on a map: the meridians and parallels, and the coasts."""
    return len(axes.findobj(Lines))


def test_coasts_are_drawn_where_the_places_are_on_the_earth(folders):
    run = with_pictures(folders[0])
    on = {name: run.replace(system={"name": name, "digest": ""}) for name in (*ON_EARTH, "dry")}
    drawn = {name: line_sets(maps({"a": run}, CELL, 6, LIGHT).axes[0]) for name, run in on.items()}
    networks = {
        name: network(run.pictures["network"], name, LIGHT).axes[0] for name, run in on.items()
    }
    assert drawn == dict.fromkeys(ON_EARTH, 3 * 2) | {"dry": 3}  # three maps
    assert {name for name, axes in networks.items() if axes.images} == {"speedy"}
    assert {name: 3 * line_sets(axes) for name, axes in networks.items()} == drawn


def test_a_long_legend_of_the_network_is_wrapped_and_inside():
    names = ("10m_u_component_of_wind", "u_component_of_wind", *(f"tracer_{i}" for i in range(9)))
    group = {"group": "wind", "variables": names, "places": 3, "values": 9, "grid": False}
    where = {"latitude": [0, 1, 2], "longitude": [0, 1, 2]}
    with look(LIGHT):
        groups = [group | where | {"withheld": withheld} for withheld in (False, True)]
        figure = network(groups, "dry", LIGHT)
        figure.draw_without_rendering()
        inside = figure.legends[0].get_window_extent()
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert inside.x0 >= 0
    assert inside.x1 <= figure.bbox.x1
    assert figure.axes[0].get_window_extent().y1 <= inside.y0
    assert texts[0].startswith("wind: 10u, u, tracer_0")
    assert texts[1].startswith("withheld for verification, wind")

"""Figures: what is drawn, that it is the numbers, and that files are whole and repeatable."""

import itertools
import xml.etree.ElementTree as ET

import matplotlib as mpl
import mock_run
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from dabench.leaderboard import figures, thumbnails
from dabench.leaderboard.figures import consistency, curves, places, sheet, style
from dabench.leaderboard.figures.labels import Labels, width_of
from dabench.leaderboard.figures.pareto import costs_and_skill, pareto
from dabench.leaderboard.format import squared
from dabench.runs.archive.read import open_run
from dabench.scores.files import current_scores, score_run


def run(folder, method, layout=mock_run.SPHERE, **options):
    attrs = {k: options.pop(k) for k in ("status", "completed", "seed") if k in options}
    mock_run.write(folder, layout, mock_run.record(layout, **options), method=method, **attrs)
    return folder


def parts(figure, kind):
    return [a for a in figure.findobj(kind) if type(a) is kind]


def labels(figure):
    (found,) = parts(figure, Labels)
    return found.all


def read(figure, points):
    """Data at points (point, 2) of a figure of one panel, by its ticks, as a reader finds them."""
    data = []
    for axis, side in enumerate(("center", "right")):
        ticks = [(x[axis], number(x.text)) for x in labels(figure) if x.side == side]
        place, value = np.array([t for t in ticks if t[1] is not None], float).T
        fits = [np.polyfit(place, v, 1, full=True) for v in (value, np.log(value + (value == 0)))]
        straight = fits[0][1].sum() < 1e-9 or len(place) < 3
        told = np.polyval(fits[0 if straight else 1][0], points[:, axis] - (axis and 0.04))
        data.append(told if straight else np.exp(told))
    return np.stack(data, -1)


def number(text):
    try:
        return float(text.replace("−", "-"))
    except ValueError:
        return None


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    home = tmp_path_factory.mktemp("drawn")
    runs = [run(home / "free", "ensemble", error=2.0), run(home / "guess", "guess")]
    return runs, {file.name: file for file in figures.draw(runs, home / "figures")}


def test_every_kind_of_figure_is_drawn_light_dark_and_as_pixels(drawn):
    names = {n.removesuffix(".png") for n in drawn[1] if n.endswith(".png")}
    wanted = {"rmse", "spread", "crps", "weights", "ranks", "spectra", "network", "density"}
    wanted |= {"rmse-levels", "spread-levels", "pareto"}
    assert wanted | {"map-2m_temperature-cycle6", "map-2m_temperature-cycle9"} == names
    assert {f"{n}{end}" for n in names for end in (".svg", "-dark.svg", ".png")} == set(drawn[1])


def test_figures_are_well_formed_name_the_methods_and_ask_for_nothing_from_outside(drawn):
    for name, file in drawn[1].items():
        if name.endswith(".svg"):
            root = ET.parse(file).getroot()
            links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
            assert all(v.startswith(("#", "data:")) for v in links)
    assert "guess" in drawn[1]["rmse.svg"].read_text()


def test_the_dark_figure_is_the_light_one_in_other_colours(drawn):
    light, dark = (drawn[1][f"rmse{end}.svg"].read_text() for end in ("", "-dark"))
    assert style.INK in light
    assert style.INK not in dark
    assert len(light) == len(dark)


def test_drawing_twice_gives_the_same_bytes(drawn, tmp_path):
    scores = [current_scores(folder) for folder in drawn[0]]
    for name in ("one", "two"):
        with style.theme():
            style.save(curves.metric(scores, "rmse", [("temperature", 500.0)]), tmp_path, name)
    for end in (".svg", ".png"):
        assert (tmp_path / f"one{end}").read_bytes() == (tmp_path / f"two{end}").read_bytes()


def test_curves_are_the_series_of_the_scores(drawn):
    scores = current_scores(drawn[0][1])
    figure = curves.metric([scores], "rmse", [("temperature", 500.0)])
    (line,) = [x for c in parts(figure, LineCollection) for x in c.get_segments() if len(x) == 10]
    row = scores.series(("temperature", 500.0), "rmse")
    np.testing.assert_allclose(read(figure, line)[:, 1], row, rtol=1e-6)
    np.testing.assert_allclose(read(figure, line)[:, 0], np.arange(10) / 2, atol=1e-6)


def test_seeds_of_a_method_become_a_band(tmp_path):
    runs = [run(tmp_path / str(s), "guess", seed=s) for s in (0, 1)]
    scores = [score_run(folder) for folder in runs]
    figure = curves.metric(scores, "rmse", [("temperature", 500.0)])
    (areas,) = parts(figure, PolyCollection)
    assert sum(face[3] == 0.2 for face in areas.get_facecolor()) == 1


def test_figures_of_the_site_are_the_same_ones_and_one_file_serves_both_themes(tmp_path):
    folders = [run(tmp_path / str(s), "guess", seed=s) for s in (0, 1)]
    scores = [score_run(folder) for folder in folders]
    scores[0] = with_pictures(scores[0], folders[0])
    files = {
        f.stem: f for f in figures.draw_scores(scores, tmp_path / "out", tmp_path / "none", "")
    }
    wanted = {"rmse", "spread", "crps", "weights", "ranks", "spectra", "pareto", "network"}
    assert wanted | {"density", "map-2m_temperature-cycle9"} <= set(files)
    for file in files.values():
        ET.parse(file)
        text = file.read_text()
        assert f"--{style.INK[1:]}:{style.INK};" in text
        dark = f"--{style.INK[1:]}:{style.PAGE_COLOURS['ink'].dark};"
        assert dark in text.split("prefers-color-scheme")[1]
        assert f"var(--{style.INK[1:]})" in text


@pytest.mark.parametrize(("root", "mean"), [(True, np.sqrt(12.5)), (False, 3.5)])
def test_long_series_are_averaged_over_blocks(root, mean):
    scores = mock_run.scores(seconds=np.arange(5001.0))
    given = np.array([np.nan, 4.0, *[3.0, 4.0] * 2499])  # one that is missing voids no block
    time, values = curves._thinned(scores, given, root=root)
    assert len(time) == len(values) <= curves.POINTS
    np.testing.assert_allclose(values, mean, rtol=0.02)


def test_a_line_ends_where_half_of_the_seeds_have_and_is_the_median_before():
    class Recorded:
        def line(self, points, *_, **__):
            self.points = points

        def band(self, panel, x, low, high, colour):
            self.low, self.high = low, high

    nan, drawn = np.nan, Recorded()
    values = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, nan], [6.0, nan, nan]])
    curves._lines(
        drawn, sheet.Panel(0, 0, 10, 10, y=sheet.Scale(0.0, 10.0)),
        {"m": (np.linspace(0, 1, 3), values)}, style.styles_of(["m"]),
    )  # fmt: skip
    np.testing.assert_allclose(drawn.points[:, 1], [2.0, 2.0, nan])
    np.testing.assert_array_equal(drawn.high, [6.0, nan, nan])


def test_a_legend_names_the_methods_that_have_a_line(drawn):
    scores = current_scores(drawn[0][1])
    series = {key: v for key, v in scores.every_cycle.items() if key.metric != "crps"}
    bare = scores.replace(method="bare", every_cycle=series)
    cells = [("temperature", 500.0)]
    for name, told in (("rmse", {"guess", "bare"}), ("crps", {"guess"})):
        shown = {x.text for x in labels(curves.metric([scores, bare], name, cells))}
        assert shown & {"guess", "bare"} == told


def test_spectra_name_the_truth_and_have_units_of_a_variance(drawn):
    scores = current_scores(drawn[0][0])
    figure = consistency.spectra([scores], [("u_component_of_wind", 500.0)])
    assert {"ensemble", "truth", "m² s⁻²"} <= {x.text for x in labels(figure)}
    assert squared("K") == "K²"
    assert squared("m**2 s**-2") == "m⁴ s⁻⁴"
    assert squared("1") == squared("") == ""
    assert squared("m**half") == "(m**half)²"


def test_texts_of_a_result_are_no_formulas_and_pictures_of_no_cycle_are_left_out(drawn, tmp_path):
    run = current_scores(drawn[0][0])
    shown = thumbnails.of_run(drawn[0][0], run.variables)
    evil = {name: v._replace(units="$\\frac$") for name, v in run.variables.items()}
    run = run.replace(variables=evil, pictures=shown)
    names = {f.stem for f in figures.draw_scores([run], tmp_path / "a", tmp_path / "no", "")}
    assert {"density", "network", "map-2m_temperature-cycle9"} <= names
    late = {"point": shown["point"] | {"cycle": 99}}
    maps = [m | {"cycle": 99} for m in shown["fields"]["maps"]]
    run = run.replace(pictures=shown | late | {"fields": shown["fields"] | {"maps": maps}})
    names = {f.stem for f in figures.draw_scores([run], tmp_path / "b", tmp_path / "no", "")}
    assert "rmse" in names
    assert not any(name.startswith(("density", "map")) for name in names)


def test_a_long_legend_of_the_network_is_wrapped_and_inside():
    with style.theme():
        names = (
            "10m_u_component_of_wind",
            "u_component_of_wind",
            *(f"tracer_{i}" for i in range(9)),
        )
        group = {"group": "wind", "variables": names, "places": 3, "values": 9, "grid": False}
        where = {"latitude": [0, 1, 2], "longitude": [0, 1, 2]}
        groups = [group | where | {"withheld": withheld} for withheld in (False, True)]
        figure = places.network(groups)
        figure.canvas.draw()
        inside = figure.legends[0].get_window_extent()
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        below = figure.axes[0].get_window_extent().y1
    assert inside.x0 >= 0
    assert inside.x1 <= figure.bbox.x1
    assert below <= inside.y0
    assert texts[0].startswith("wind: 10u, u, tracer_0")
    assert texts[1].startswith("withheld for verification, wind")


def test_toy_systems_and_diverged_runs_are_drawn_too(tmp_path):
    rec = mock_run.record(mock_run.SITES)
    for field in (rec.members, rec.mean, rec.spread):
        field[5:] = np.nan
    mock_run.write(tmp_path / "bad", mock_run.SITES, rec, status="diverged at cycle 5", completed=5)
    run(tmp_path / "good", "ensemble", mock_run.SITES)
    files = figures.draw([tmp_path / "bad", tmp_path / "good"], tmp_path / "out")
    assert {"rmse.svg", "network.svg"} <= {f.name for f in files}


def with_pictures(scores, folder):
    return scores.replace(pictures=thumbnails.of_run(folder, scores.variables))


def test_maps_leave_out_runs_that_have_not_come_so_far(drawn, tmp_path):
    short = run(tmp_path / "short", "letkf", cycles=7)
    kept = {}
    for name, folder in zip("ba", [short, drawn[0][0]], strict=True):
        scores = score_run(folder)
        kept[name] = with_pictures(scores, folder)
    with style.theme():
        figure = places.maps(kept, ("2m_temperature", None), 9)
    told = {label.text for label in labels(figure)}
    assert {"2m temperature, day 4.5", "truth", "a", "its error"} <= told
    assert "b" not in told


def test_a_map_shows_the_truth_north_up(drawn):
    scores = score_run(drawn[0][0])
    kept = {"a": with_pictures(scores, drawn[0][0])}
    with style.theme():
        figure = places.maps(kept, ("2m_temperature", None), 6)
    truth = open_run(drawn[0][0])["truth"]["2m_temperature"].isel(cycle=6).values[::-1]
    pixels = figure.axes[0].images[0].get_array()
    high, wide = truth.shape
    shown = pixels[high // 2 :, wide // 25 :][:high, :wide]
    low, most = np.quantile(truth, [0.005, 0.995])
    expected = mpl.colormaps["inferno"](np.clip((truth - low) / (most - low), 0, 1), bytes=True)
    assert np.abs(shown.astype(int) - expected.astype(int)).max() <= 12  # of 254 steps


def test_known_methods_keep_their_colour_whoever_else_is_there():
    one, two = style.colours(["fa_apf", "mine"]), style.colours(["letkf", "fa_apf-paper"])
    assert one["fa_apf"] == two["fa_apf-paper"]
    assert len({*one.values(), *two.values()}) == 3


def one(method, seconds, crps, seed=0):
    """A run of one cell with this CRPS and these seconds a cycle."""
    cost = {"wall_seconds_a_cycle": seconds}
    return mock_run.scores({(("x", None), "crps"): crps}, method=method, seed=seed, cost=cost)


def test_the_front_is_of_methods_that_none_beats_in_skill_and_cost():
    runs = [one("ensemble", 1, 4.0), one("good", 3, 1.0), one("dear", 9, 1.5), one("mean", 2, 2.0)]
    figure = pareto(runs, ("x", None))
    (front,) = [x for c in parts(figure, LineCollection) for x in c.get_segments() if len(x) == 6]
    np.testing.assert_allclose(read(figure, front)[::2], [(1, 1.0), (2, 0.5), (3, 0.25)], rtol=1e-6)


def test_skill_is_of_the_seeds_in_common():
    free = [one("ensemble", 1.0, 1.0 + seed, seed) for seed in range(5)]
    others = [one("good", 1.0, 0.5, 0), one("alone", 1.0, 0.5, 7)]
    points = costs_and_skill([*free, *others], ("x", None))[0]
    (found,) = points.values()
    assert found == {"ensemble": (1.0, 1.0), "good": (1.0, 0.5)}


def test_no_text_lies_on_another(drawn):
    """As wide as DejaVu Sans, which few fonts exceed, and as high as its digits."""
    scores = [current_scores(folder) for folder in drawn[0]]
    for name, figure in figures.figures(scores):
        for one, other in itertools.combinations(map(box, labels(figure)), 2):
            assert not meet(one, other), f"{name}: {one} {other}"


def test_names_of_points_that_lie_close_are_set_apart():
    runs = [one("a_long_name", 1.0, 1.0), one("another_name", 1.02, 1.01), one("far", 9.0, 3.0)]
    names = [x for x in labels(pareto(runs, ("x", None))) if "_name" in x.text]
    assert not meet(*map(box, names))


def box(label):
    """Left, low, right, high in inches."""
    wide = width_of(label.text, label.size, label.bold)
    left = label.x - {"left": 0, "center": 0.5, "right": 1}[label.side] * wide
    return left, label.y, left + wide, label.y + 0.72 * label.size / 72


def meet(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([0.0, 10.0], False, ["0", "5", "10"]),
        ([1.0, 1.0], False, ["0", "0.5", "1", "1.5", "2"]),
        ([0.05, 5.0], True, ["0.1", "0.3", "1", "3"]),
        ([3e-6, 1.7e-5], True, ["5·10⁻⁶", "10⁻⁵", "1.5·10⁻⁵"]),
        ([1e-3, 1e6], True, ["0.01", "1", "100", "10000", "10⁶"]),
        ([np.nan, np.nan], True, ["0.1", "0.2", "0.5", "1"]),
    ],
)
def test_ticks_are_few_round_and_short(values, log, ticks):
    found = sheet.scale_of(np.array(values), log=log).ticks(5)
    assert [sheet.told(value) for value in found] == ticks


def test_what_lies_outside_of_a_panel_is_not_drawn():
    scale = sheet.Scale(1.0, 100.0, log=True)
    np.testing.assert_allclose(
        scale.share([0.0, 0.5, 1.0, 10.0, 100.0, np.inf]), [np.nan, np.nan, 0.0, 0.5, 1.0, np.nan]
    )


def test_a_histogram_shows_shares_and_is_cut_at_three():
    bins = [0.5, 0.25, 0.125, 0.125]
    run = mock_run.scores(method="mine", histograms={("x", None): np.array(bins)})
    figure = consistency.ranks([run], [("x", None)])
    (areas,), lines = parts(figure, PolyCollection), parts(figure, LineCollection)
    (path,) = areas.get_paths()
    (one,), (base,) = (
        [s for c in lines if c.zorder == z for s in c.get_segments()] for z in (3, 2)
    )
    heights = (path.vertices[:, 1] - base[0, 1]) / (one[0, 1] - base[0, 1])
    np.testing.assert_allclose(heights[1:9:2], [2.0, 1.0, 0.5, 0.5])

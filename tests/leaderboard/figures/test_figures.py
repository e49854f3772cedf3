"""Figures as a whole: which are drawn, and that their files are whole and repeatable."""

import itertools
import xml.etree.ElementTree as ET

import mock_run
import numpy as np
import pytest
from figure_runs import run, with_pictures
from matplotlib.text import Text

from dabench.leaderboard import figures
from dabench.leaderboard.figures import curves, style
from dabench.leaderboard.figures.panels import NARROW, WIDE, of_width
from dabench.scores.files import score_run

CELLS = [("temperature", 500.0)]


def test_every_kind_of_figure_is_drawn_light_dark_and_as_pixels(files):
    names = {n.removesuffix(".png") for n in files if n.endswith(".png")}
    wanted = {"rmse", "spread", "crps", "weights", "ranks", "spectra", "network", "density"}
    wanted |= {"rmse-levels", "spread-levels", "pareto", "observed-cycles"}
    assert wanted | {"map-2m_temperature-cycle6", "map-2m_temperature-cycle9"} == names
    assert {f"{n}{end}" for n in names for end in (".svg", "-dark.svg", ".png")} == set(files)


def test_figures_are_well_formed_name_the_methods_and_ask_for_nothing_from_outside(files):
    for name, file in files.items():
        if name.endswith(".svg"):
            root = ET.parse(file).getroot()
            links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
            assert all(v.startswith(("#", "data:")) for v in links)
    for name in ("guess", "Free ensemble"):
        assert name in files["rmse.svg"].read_text()


def test_the_dark_figure_is_the_light_one_in_other_colours(files):
    for name in ("rmse", "density", "ranks"):
        light, dark = (files[f"{name}{end}.svg"].read_text() for end in ("", "-dark"))
        assert style.LIGHT.ink in light
        assert style.LIGHT.ink not in dark
        assert style.DARK.ink in dark
        assert len(light) == len(dark)


def test_drawing_twice_gives_the_same_bytes(scores, tmp_path):
    for name in ("one", "two"):
        with style.look(style.LIGHT):
            figure = curves.metric(scores, "rmse", CELLS, style.LIGHT)
            for end in (".svg", ".png"):
                style.save(tmp_path / f"{name}{end}", figure)
    for end in (".svg", ".png"):
        assert (tmp_path / f"one{end}").read_bytes() == (tmp_path / f"two{end}").read_bytes()


def test_one_file_of_the_site_serves_light_and_dark_pages(tmp_path):
    folders = [run(tmp_path / str(seed), "guess", seed=seed) for seed in (0, 1)]
    scores = [with_pictures(folders[0]), score_run(folders[1])]
    drawn = figures.draw_scores(scores, tmp_path / "out", tmp_path / "none", "")
    wanted = {"rmse", "spread", "crps", "weights", "ranks", "spectra", "pareto", "network"}
    wanted |= {"density", "map-2m_temperature-cycle9"}
    names = {file.stem for file in drawn}
    assert wanted <= names
    assert {name for name in names if name.endswith(figures.NARROW_NAME)} == {
        f"{name}{figures.NARROW_NAME}" for name in names if not name.endswith(figures.NARROW_NAME)
    }
    for file in drawn:
        ET.parse(file)
        text = file.read_text()
        light, dark = text.split("prefers-color-scheme")
        assert f"--ink:{style.LIGHT.ink};" in light
        assert f"--ink:{style.DARK.ink};" in dark
        assert "var(--ink)" in text
        assert not any(key in text for key in style.KEY_OF_ROLE.values())
    assert "var(--m-other0)" in (tmp_path / "out/rmse.svg").read_text()


def test_figures_of_the_same_scores_are_copied_and_not_drawn(scores, tmp_path, monkeypatch):
    drawn = figures.draw_scores(scores, tmp_path / "a", tmp_path / "none", "digest")
    monkeypatch.setattr(figures, "figures", lambda *_: 1 / 0)
    copied = figures.draw_scores(scores, tmp_path / "b", tmp_path / "a", "digest")
    assert {f.name for f in copied} == {f.name for f in drawn} | {figures.MANIFEST}


def test_texts_of_a_result_are_no_formulas_and_pictures_of_no_cycle_are_left_out(folders, tmp_path):
    whole = with_pictures(folders[0])
    evil = {name: v._replace(units="$\\frac$") for name, v in whole.variables.items()}
    whole = whole.replace(variables=evil)
    names = {f.stem for f in figures.draw_scores([whole], tmp_path / "a", tmp_path / "no", "")}
    assert {"density", "network", "map-2m_temperature-cycle9"} <= names
    pictures = whole.pictures
    late = {
        "points": [point | {"cycle": 99} for point in pictures["points"]],
        "fields": pictures["fields"]
        | {"maps": [m | {"cycle": 99} for m in pictures["fields"]["maps"]]},
    }
    late_run = whole.replace(pictures=pictures | late)
    names = {f.stem for f in figures.draw_scores([late_run], tmp_path / "b", tmp_path / "no", "")}
    assert "rmse" in names
    assert not any(name.startswith(("density", "map")) for name in names)


def test_toy_systems_and_diverged_runs_are_drawn_too(tmp_path):
    rec = mock_run.record(mock_run.SITES)
    for field in (rec.members, rec.mean, rec.spread):
        field[5:] = np.nan
    mock_run.write(tmp_path / "bad", mock_run.SITES, rec, status="diverged at cycle 5", completed=5)
    run(tmp_path / "good", "ensemble", mock_run.SITES)
    drawn = figures.draw([tmp_path / "bad", tmp_path / "good"], tmp_path / "out")
    assert {"rmse.svg", "network.svg"} <= {file.name for file in drawn}


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_text_lies_on_another_and_none_is_cut(folders, width):
    """As wide as DejaVu Sans, which few fonts exceed."""
    runs = [with_pictures(folder) for folder in folders]
    long = [run.replace(method=name) for run in runs for name in ("ensemble", "oi", "kalman")]
    with style.look(style.LIGHT), of_width(width):
        for name, figure in figures.figures(long, style.LIGHT):
            figure.draw_without_rendering()
            texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
            boxes = {t: Text.get_window_extent(t).padded(-2) for t in texts}
            for one, other in itertools.combinations(texts, 2):
                assert not boxes[one].overlaps(boxes[other]), (name, one, other)
            for text, box in boxes.items():
                assert figure.bbox.padded(2).contains(box.x0, box.y0), (name, text)
                assert figure.bbox.padded(2).contains(box.x1, box.y1), (name, text)

"""The table of methods: complete, in one order, with colours that can be told apart."""

import itertools

import numpy as np
import pytest

from dabench.filters import FILTERS
from dabench.leaderboard import site
from dabench.leaderboard.figures.style import PAGE_COLOURS
from dabench.leaderboard.meanings import meanings
from dabench.leaderboard.methods import (
    COLOURS,
    METHODS,
    OTHER_COLOURS,
    colour_names,
    display_name,
    in_order,
    is_reference,
)

# Linear RGB as seen without red, green or blue cones: Machado, Oliveira & Fernandes (2009), IEEE
# Trans. Vis. Comput. Graph. 15, 1291-1298, table for full severity.
SIGHT = {
    "normal": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(1)


def linear(colour: str) -> np.ndarray:
    """Linear RGB, 0 to 1, of `#rrggbb` (IEC 61966-2-1)."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB (CIE 15:2004)."""
    t = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2."""
    light = sorted(TO_XYZ[1] @ linear(colour) + 0.05 for colour in (one, other))
    return light[1] / light[0]


def test_every_filter_has_a_row_with_a_name_and_a_sentence_of_its_own():
    assert {method.identifier for method in METHODS} == set(FILTERS)
    assert len({method.name for method in METHODS}) == len(METHODS)
    for method in METHODS:
        assert method.description.endswith(".")
        assert method.expected <= method.reference


def test_plug_ins_keep_their_names_and_come_last():
    names = ["another", "ensemble", "letkf", "fa_apf-paper", "fa_apf", "kalman"]
    ordered = ["fa_apf", "fa_apf-paper", "letkf", "ensemble", "kalman", "another"]
    assert in_order(names) == ordered
    assert display_name("fa_apf") == "FA-APF"
    assert display_name("fa_apf-paper") == "FA-APF (paper)"
    assert display_name("My-Filter") == "My-Filter"
    assert not is_reference("another")
    assert is_reference("ensemble-fast")


def test_a_method_has_one_colour_whoever_else_is_there_and_plug_ins_take_turns():
    one, two = colour_names(["fa_apf", "mine"]), colour_names(["letkf", "fa_apf-paper"])
    assert one == {"fa_apf": "fa_apf", "mine": "other0"}
    assert two["fa_apf-paper"] == "fa_apf"
    many = colour_names([f"plug_in_{i}" for i in range(5)] * 2)
    assert list(many.values()) == ["other0", "other1", "other2", "other0", "other1"]
    assert set(COLOURS) == set(FILTERS) | {f"other{i}" for i in range(len(OTHER_COLOURS))}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_page(theme):
    paper = getattr(PAGE_COLOURS["paper"], theme)
    for colour in COLOURS.values():
        assert contrast(getattr(colour, theme), paper) > 2.2  # as Okabe and Ito's palest on white
    for name in ("ink", "soft"):
        assert contrast(getattr(PAGE_COLOURS[name], theme), paper) > 4.5  # text: WCAG 2.2, 1.4.3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHT)
def test_colour_blind_readers_tell_all_methods_apart(sight, theme):
    """By five times what is just noticeable, 2.3 in CIELAB (Mahy et al., 1994)."""
    seen = [
        lab(np.array(SIGHT[sight]) @ linear(getattr(method.colour, theme))) for method in METHODS
    ]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 5 * 2.3


def test_every_setting_of_every_filter_is_explained():
    for name in FILTERS:
        assert all(meanings(name).values()), name
    assert meanings("a_plug_in") == {}
    assert "guidance.iterations" in meanings("fa_apf")


def test_every_method_has_an_equation_and_commits_are_links():
    assert all(method.equation for method in METHODS)
    html = str(site._formula("w^α x_{k+1} < y"))
    assert html == "w<sup>α</sup> x<sub>k+1</sub> &lt; y"
    assert str(site._linked("a" * 40)).startswith(f'<a href="{site.REPOSITORY}/commit/aaaa')
    assert str(site._linked("<b>")) == "&lt;b&gt;"

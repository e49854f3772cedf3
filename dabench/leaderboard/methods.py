"""One table of the methods: how tables, figures and pages name, order, colour and explain them.

A method that is not in the table (a plug-in) is shown under the name that it was given, after all
others, in one of the `OTHER_COLOURS`. A profile of a method, such as `letkf-fast`, has the colour
of the method.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from dabench.leaderboard.labels import parsed
from dabench.scores.record import Scores


class Colour(NamedTuple):
    """One colour on light pages and one on dark pages, as `#rrggbb`."""

    light: str
    dark: str


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Arguments:
        identifier: What a person types, and what files say.
        name: What tables, figures and pages show.
        colour: Colour of lines and dots.
        description: One sentence for the pages.
        citation: Where it is from; empty where there is nothing to cite.
        equation: What it does in one cycle, in letters: x a member, x′ its next state, y the
            observation of x′, h the operator, R the covariance of its error.
        reference: Whether it is there to set the scale; references are drawn dashed.
        expected: Whether every board has a row for it, if only to say that it was not run.
        exact: Whether it is the exact posterior, which no method can beat but by luck.
    """

    identifier: str
    name: str
    colour: Colour
    description: str
    citation: str = ""
    equation: str = ""
    reference: bool = False
    expected: bool = False
    exact: bool = False


# Okabe and Ito's colours and greys, lighter on dark pages; a test measures that colour-blind
# readers can tell every pair apart.
METHODS = (
    Method(
        "fa_apf",
        "FA-APF",
        Colour("#0072b2", "#4aa8e0"),
        "Fully adapted auxiliary particle filter: members are weighted by how well their forecasts "
        "fit the observations and resampled; then the diffusion model draws each next state given "
        "the observations.",
        "Savary, Rozet & Louppe (2025), arXiv:2509.18811; "
        "Pitt & Shephard (1999), J. Am. Stat. Assoc. 94, 590-599",
        equation="w ∝ p(y | x)^α,  a ~ w,  x′ ~ p(x′ | x_a, y)",
    ),
    Method(
        "guided",
        "Guided",
        Colour("#56b4e9", "#9bd3f5"),
        "Guided sampling without weights: the diffusion model draws the next state of every member "
        "given the observations, and no member is ever dropped.",
        "Rozet, Andry, Lanusse & Louppe (2024), arXiv:2405.13712",
        equation="x′ ~ p(x′ | x, y)",
    ),
    Method(
        "guided_window",
        "Guided window",
        Colour("#b266ff", "#654784"),
        "Guided sampling over two cycles: every last state is drawn anew once the next "
        "observations are there, guided by them through the mean of a forecast.",
        "Rozet, Andry, Lanusse & Louppe (2024), arXiv:2405.13712",
        equation="x ~ p(x | x₋, y, y′),  then x′ ~ p(x′ | x, y′)",
    ),
    Method(
        "fa_enkf",
        "FA-EnKF",
        Colour("#690000", "#a32841"),
        "Fully adapted ensemble Kalman filter: the current states are moved by what the next "
        "observations say of them, as in the LETKF; then the diffusion model draws each next state "
        "given the observations.",
        "Raboudi, Ait-El-Fquih & Hoteit (2018), Mon. Weather Rev. 146; "
        "Savary, Rozet & Louppe (2025), arXiv:2509.18811",
        equation="x ← x + K (y − h(μ(x))),  K from the covariance of x and h(μ(x)),  "
        "x′ ~ p(x′ | x, y)",
    ),
    Method(
        "letkf",
        "LETKF",
        Colour("#d55e00", "#f08a3c"),
        "Local ensemble transform Kalman filter: at every point, forecast members are combined "
        "linearly so that their mean and covariance fit the observations nearby.",
        "Hunt, Kostelich & Szunyogh (2007), Physica D 230, 112-126",
        equation="x′ ← x̄ + X (w̄ + W),  w̄ = P Yᵀ R⁻¹ (y − ȳ),  P = ((N − 1) I + Yᵀ R⁻¹ Y)⁻¹,  "
        "W = ((N − 1) P)^½",
    ),
    Method(
        "hybrid_3dvar",
        "Hybrid 3D-Var",
        Colour("#1c1cff", "#6400fc"),
        "Hybrid gain: the LETKF, whose mean is then corrected by a 3D-Var step with the covariance "
        "of forecasts from states of the climate.",
        "Penny (2014), Mon. Weather Rev. 142, 3139-3149",
        equation="x̄ ← LETKF,  then x̄ ← x̄ + β B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x̄),  "
        "B from forecasts of the climate",
    ),
    Method(
        "4dvar",
        "4D-Var",
        Colour("#00197f", "#8d8dff"),
        "Ensemble of weak-constraint 4D-Vars: for every member the trajectory through the last "
        "cycles that fits its background and their observations best, by the denoiser's gradient.",
        "Trémolet (2006), Q. J. R. Meteorol. Soc. 132, 2483-2504",
        equation="min over x₀ … x_L of ½ ‖x₀ − x_b‖²_B + ½ Σ ‖y_k − h(x_k)‖²_R + ½ Σ ‖x_k − "
        "μ(x_{k−1})‖²_Q",
    ),
    Method(
        "enkf",
        "EnKF",
        Colour("#e69f00", "#f5bd45"),
        "Stochastic ensemble Kalman filter: every forecast member is corrected towards its own "
        "perturbed copy of the observations nearby.",
        "Burgers, van Leeuwen & Evensen (1998), Mon. Weather Rev. 126, 1719-1724",
        equation="x′ ← x′ + ρ∘C Hᵀ (H ρ∘C Hᵀ + R)⁻¹ (y + ε − h(x′)),  ε ~ N(0, R)",
    ),
    Method(
        "lpf",
        "Local PF",
        Colour("#6a1fd0", "#8a45f5"),
        "Local particle filter: at every point, forecast members are combined linearly to have the "
        "mean and covariance of members weighted by the likelihood of the observations nearby.",
        "Tödter & Ahrens (2015), Mon. Weather Rev. 143, 1347-1367",
        equation="w ∝ p(y nearby | x′) at every point,  "
        "x′ ← x̄_w + X T with the mean and covariance of the weighted members",
    ),
    Method(
        "ensf",
        "EnSF",
        Colour("#30003d", "#7f2db6"),
        "Ensemble score filter: a diffusion from noise to the analysis, whose score is that of the "
        "forecast members and of damped observations, without any training.",
        "Bao, Zhang & Zhang (2024), Comput. Methods Appl. Mech. Eng. 432, 117447",
        equation="dz = score dt backwards from N(0, I),  "
        "score = that of the members + h(t) ∇ log p(y | z)",
    ),
    Method(
        "oi",
        "Optimal interpolation",
        Colour("#009e73", "#35c9a0"),
        "Optimal interpolation: every member is corrected as in the EnKF, but with fixed "
        "covariances, of forecast errors or of the climate.",
        "Gandin (1963), Objective Analysis of Meteorological Fields",
        equation="x′ ← x′ + B Hᵀ (H B Hᵀ + R)⁻¹ (y − h(x′)),  B fixed",
    ),
    Method(
        "insertion",
        "Insertion",
        Colour("#2c5343", "#2dffab"),
        "Direct insertion: observed fields are replaced by a smooth fit of the observations alone, "
        "which tells how much of a score is interpolation.",
        equation="x′ ← smooth fit of y where it is observed",
        reference=True,
    ),
    Method(
        "bootstrap",
        "Bootstrap PF",
        Colour("#7b2a80", "#b04fb4"),
        "Bootstrap particle filter: forecast members are weighted by the likelihood of the "
        "observations and resampled.",
        "Gordon, Salmond & Smith (1993), IEE Proc. F 140, 107-113",
        equation="x′ ~ p(x′ | x),  w ∝ N(y; h(x′), R),  resample",
    ),
    Method(
        "ensemble",
        "Free ensemble",
        Colour("#767b83", "#9aa1ab"),
        "Ensemble forecast that never sees an observation: the scale that every ratio refers to.",
        equation="x′ ~ p(x′ | x)",
        reference=True,
        expected=True,
    ),
    Method(
        "persistence",
        "Persistence",
        Colour("#8a6232", "#b07c48"),
        "The initial members, unchanged in every cycle.",
        equation="x′ = x₀",
        reference=True,
        expected=True,
    ),
    Method(
        "climatology",
        "Climatology",
        Colour("#a9adb3", "#6b727c"),
        "Other random states of the climate in every cycle, whatever was observed.",
        equation="x′ ~ states of the climate",
        reference=True,
        expected=True,
    ),
    Method(
        "kalman",
        "Kalman filter",
        Colour("#1b1f25", "#e6e8ec"),
        "Kalman filter: the exact posterior of a linear system with Gaussian noise.",
        "Kalman (1960), J. Basic Eng. 82, 35-45",
        equation="m ← A m,  P ← A P Aᵀ + Q,  K = P Hᵀ (H P Hᵀ + R)⁻¹,  m ← m + K (y − H m),  "
        "P ← (I − K H) P",
        reference=True,
        exact=True,
    ),
)

OTHER_COLOURS = (
    Colour("#5b4b9a", "#a093dc"),
    Colour("#7f9a1f", "#b3cf52"),
    Colour("#a03030", "#e07070"),
)

_BY_IDENTIFIER = {method.identifier: method for method in METHODS}
_PLACES = {method.identifier: place for place, method in enumerate(METHODS)}


def without_profile(identifier: str) -> str:
    """`fa_apf` for `fa_apf-paper`."""
    return identifier.partition("-")[0]


def method_of(identifier: str) -> Method | None:
    """The row of the table for a method or for a profile of it; None for a plug-in."""
    return _BY_IDENTIFIER.get(without_profile(identifier))


def display_name(identifier: str) -> str:
    """`FA-APF` for `fa_apf`, `FA-APF (paper)` for `fa_apf-paper`; a plug-in's own name.

    `LETKF, 40 members` and `LETKF, smoothed over 4 cycles` for rows beside a method's own.
    """
    label = parsed(identifier)
    method, profile = method_of(label.own), label.own.partition("-")[2]
    own = method.name if method else label.own
    if method and profile:
        own = f"{own} ({profile})"
    return ", ".join([own, *label.words])


def is_reference(identifier: str) -> bool:
    """Whether a method is there to set the scale."""
    method = method_of(identifier)
    return method is not None and method.reference


def in_order(identifiers: Iterable[str]) -> list[str]:
    """Methods as tables list them: in the order of the table, then plug-ins by name."""

    def place(identifier: str) -> tuple[int, str]:
        return _PLACES.get(without_profile(identifier), len(METHODS)), identifier

    return sorted(identifiers, key=place)


def first_of_each(runs: Iterable[Scores]) -> dict[str, Scores]:
    """The first run of every method, in the order of tables."""
    first: dict[str, Scores] = {}
    for run in runs:
        first.setdefault(run.method, run)
    return {method: first[method] for method in in_order(first)}


def colour_names(identifiers: Iterable[str]) -> dict[str, str]:
    """The name of each method's colour in `COLOURS`: its own, or the next one for plug-ins.

    Arguments:
        identifiers: All methods of a board, so that a plug-in has one colour on all its figures.
    """
    names, others = {}, 0
    for identifier in in_order(set(identifiers)):
        name = without_profile(identifier)
        if name not in _BY_IDENTIFIER:
            name = f"other{others % len(OTHER_COLOURS)}"
            others += 1
        names[identifier] = name
    return names


COLOURS = {method.identifier: method.colour for method in METHODS} | {
    f"other{i}": colour for i, colour in enumerate(OTHER_COLOURS)
}
"""Colours by the names that `colour_names` gives."""

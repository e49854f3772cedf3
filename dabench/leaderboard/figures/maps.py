"""Maps of the truth, and of the mean of each method and its error, from the pictures of results."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

from dabench.leaderboard.figures import globe
from dabench.leaderboard.figures.coastlines import ON_EARTH
from dabench.leaderboard.figures.globe import Field, Grid
from dabench.leaderboard.figures.panels import (
    LARGE,
    SMALL,
    is_narrow,
    new_figure,
    place,
    width,
    write,
)
from dabench.leaderboard.figures.style import Palette
from dabench.leaderboard.format import day, number, title, units
from dabench.leaderboard.methods import display_name
from dabench.leaderboard.thumbnails import unpacked
from dabench.scores.record import Cell, Scores

ABOUT_ZERO = ("wind", "vorticity", "divergence", "velocity")
"""Parts of names of variables whose colours are symmetric about zero."""

COLUMNS, FEW_COLUMNS = 4, 2
"""Maps in a row of wide and of narrow figures."""
FAINT = 1 / 3
"""Errors below this share of the scale of all errors would be blank: they have their own."""
HEAD, ABOVE, GAP = 0.35, 0.35, 0.12
"""Room above all maps and above each one, and between two maps, inches."""
POINTS = 72
"""Points in an inch."""


class Shades(NamedTuple):
    """Colours of a map and the values at their ends."""

    colours: Colormap
    low: float
    high: float

    @property
    def scale(self) -> Normalize:
        return Normalize(self.low, self.high)


def shown_maps(first: Mapping[str, Scores]) -> list[tuple[Cell, int]]:
    """Cells and cycles of all maps, in the order in which the first method has them."""
    rows = (row for run in first.values() for row in _maps(run))
    return list({((row["variable"], row["level"]), row["cycle"]): None for row in rows})


def has_reached(run: Scores, picture: Mapping[str, Any] | None) -> bool:
    """Whether there is a picture, and it is of one of the run's cycles."""
    return picture is not None and 0 <= picture["cycle"] < len(run.seconds)


def maps(first: Mapping[str, Scores], cell: Cell, cycle: int, palette: Palette) -> Figure:
    """Truth, and for each method the ensemble mean and its error, after one cycle.

    Arguments:
        first: Runs whose pictures hold maps, by method.
    """
    fields = {method: list(_fields(run, cell, cycle)) for method, run in first.items()}
    fields = {method: both for method, both in fields.items() if both}
    run, (truth, _) = first[next(iter(fields))], next(iter(fields.values()))
    values = map_shades(cell[0], truth)
    errors = _error_shades([error for _, error in fields.values()])
    tile = Tiles(2 + 2 * len(fields), _grid(run), run.system["name"] in ON_EARTH)
    write(tile.figure, 0.08, 0.2, f"{title(*cell)}, day {day(run, cycle)}", fontsize=LARGE,
          fontweight="bold")  # fmt: skip
    unit = units(run.units(cell[0]))
    tile.map(0, truth, values, "Truth", palette)
    tile.bar(1, 0.25, values, _with_unit("truth and means", unit))
    tile.bar(1, 0.8, errors, _with_unit("errors of the means", unit))
    for i, (method, (true, error)) in enumerate(fields.items()):
        at, own = 2 + 2 * i, _error_shades([error])
        tile.map(at, true + error, values, display_name(method), palette,
                 aside=_size_of_error(first[method], cell, cycle))  # fmt: skip
        faint = own.high < FAINT * errors.high
        scale = f"own colours, ±{_with_unit(_short(own.high), unit).replace(',', '')}"
        tile.map(at + 1, error, own if faint else errors, "error of the mean", palette,
                 bold=False, aside=scale if faint else "")  # fmt: skip
    return tile.figure


def _size_of_error(run: Scores, cell: Cell, cycle: int) -> str:
    """RMSE and spread in one cycle, as far as the results have them."""
    texts = []
    for metric, name in (("rmse", "RMSE"), ("spread", "spread")):
        series = run.series(cell, metric)
        if (
            len(series) > cycle
            and np.isfinite(series[cycle])
            and (name == "RMSE" or run.members > 1)
        ):
            texts.append(f"{name} {number(float(series[cycle]), 2)}")
    return ", ".join(texts)


class Tiles:
    """A figure of maps of one grid in rows, all in the same axes, since axes take long to make.

    Arguments:
        count: Number of maps.
        grid: Places of the points of all fields.
        coasts: Whether the coasts of the Earth are drawn.
    """

    def __init__(self, count: int, grid: Grid, coasts: bool):
        self.grid, self.coasts = grid, coasts
        self.columns = FEW_COLUMNS if is_narrow() else COLUMNS
        self.wide, rows = width() / self.columns - GAP, -(-count // self.columns)
        self.high = self.wide * globe.RATIO
        height = HEAD + rows * (ABOVE + self.high) + 0.05
        self.figure = new_figure(height)
        self.all = place(self.figure, 0, 0, width(), height)
        self.all.set(xlim=(0, width()), ylim=(0, height))
        self.all.set_axis_off()

    def _corner(self, at: int) -> tuple[float, float]:
        """Left and top of tile number `at`, inches from the lower left."""
        row, column = divmod(at, self.columns)
        top = float(self.figure.get_size_inches()[1]) - HEAD - row * (ABOVE + self.high) - ABOVE
        return column * (self.wide + GAP) + GAP / 2, top

    def map(
        self,
        at: int,
        values: Field,
        shades: Shades,
        name: str,
        palette: Palette,
        *,
        bold: bool = True,
        aside: str = "",
    ) -> None:
        """A field with its coasts; grey where it is missing.

        Arguments:
            aside: Small print in a line below its title.
        """
        left, top = self._corner(at)
        size = self.wide / (2 * globe.HALF_WIDTH)
        middle = left + self.wide / 2, top - self.high / 2
        projected = Affine2D().scale(size).translate(*middle) + self.all.transData
        map = globe.part(self.all, projected, palette.ink)
        map.image(values, self.grid, cmap=shades.colours, norm=shades.scale)
        if self.coasts:
            map.coasts()
        weight, above = "bold" if bold else "normal", (11 if aside else 3) / POINTS
        self.all.text(left, top + above, name, fontsize=SMALL, fontweight=weight)
        if aside:
            look = {"fontsize": SMALL - 1.5, "color": palette.soft}
            self.all.text(left, top + 2.5 / POINTS, aside, va="bottom", **look)

    def bar(self, at: int, down: float, shades: Shades, name: str) -> None:
        """What the colours mean.

        Arguments:
            down: Place in the tile as a share of its height.
        """
        left, top = self._corner(at)
        axes = place(self.figure, left, top - down * self.high, self.wide, 0.1 * self.high)
        mappable = ScalarMappable(shades.scale, shades.colours)
        middle = (shades.low + shades.high) / 2
        ticks = [shades.low, middle, shades.high]
        bar = self.figure.colorbar(mappable, cax=axes, orientation="horizontal", ticks=ticks)
        bar.set_ticks(ticks, labels=[_short(value) for value in ticks])
        bar.outline.set_visible(False)  # type: ignore[operator]
        axes.tick_params(length=0)
        left, _, right = axes.get_xticklabels()
        left.set_horizontalalignment("left")
        right.set_horizontalalignment("right")
        axes.set_title(name, fontsize=SMALL, fontweight="normal", loc="left")


def _short(value: float) -> str:
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _with_unit(text: str, unit: str) -> str:
    return f"{text}, {unit}" if unit else text


def _maps(run: Scores) -> list[Mapping[str, Any]]:
    """The maps that a run has, of cycles that it has reached."""
    pictures = run.pictures or {}
    fields = pictures.get("fields") or {"maps": []}
    return [row for row in fields["maps"] if has_reached(run, row)]


def maps_of(run: Scores) -> dict[tuple[Cell, int], tuple[Field, Field]]:
    """Truth and error of the mean by cell and cycle, of all maps that a run has."""
    keys = [((row["variable"], row["level"]), row["cycle"]) for row in _maps(run)]
    return {key: tuple(_fields(run, *key)) for key in keys}  # type: ignore[misc]


def _fields(run: Scores, cell: Cell, cycle: int) -> Iterator[Field]:
    """Truth and error of the mean; nothing where the run has no such map."""
    grid = _grid(run)
    for row in _maps(run):
        if ((row["variable"], row["level"]), row["cycle"]) == (cell, cycle):
            for kind in ("truth", "error"):
                yield unpacked(row[kind], (len(grid.latitude), len(grid.longitude)))


def _grid(run: Scores) -> Grid:
    axes = run.pictures["fields"]  # type: ignore[index]
    return Grid(tuple(axes["latitude"]), tuple(axes["longitude"]))


def map_shades(variable: str, values: Field) -> Shades:
    """Colours for a variable, between round numbers about all but its most extreme values."""
    low, high = (float(q) for q in np.nanquantile(values, [0.005, 0.995]))
    if any(part in variable for part in ABOUT_ZERO):
        bound = max(-low, high)
        return _shades_between("RdBu_r", -bound, bound)
    return _shades_between("inferno" if "temperature" in variable else "viridis", low, high)


def _error_shades(errors: list[Field]) -> Shades:
    """About zero; the largest hundredth of all errors has the last colour."""
    sizes = np.concatenate([np.abs(error[np.isfinite(error)]) for error in errors])
    bound = float(np.quantile(sizes, 0.99)) if sizes.size else 0.0
    return _shades_between("PuOr_r", -(bound or 1.0), bound or 1.0)


def _shades_between(name: str, low: float, high: float) -> Shades:
    """Colours between round numbers about the ends."""
    round_numbers = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    low, high = float(round_numbers[0]), float(round_numbers[-1])
    return Shades(mpl.colormaps[name].with_extremes(bad="0.6"), low, high)

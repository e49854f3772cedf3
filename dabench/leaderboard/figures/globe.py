"""Maps of the whole globe, areas true: the Equal Earth projection, fields, coasts and lines on it.

Source: Šavrič, Patterson & Jenny (2018), Int. J. Geogr. Inf. Sci. 33, 454-465.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform, Transform

from dabench.leaderboard.figures.coastlines import coastlines

Field = Float[np.ndarray, "latitude longitude"]

COEFFICIENTS, POWERS = (1.340264, -0.081106, 0.000893, 0.003796), (0, 2, 6, 8)
"""The polynomial of the projection: Σ a θ^(p + 1) up from the equator."""
HALF_WIDTH, HALF_HEIGHT = 2.7066299837, 1.3173627592
"""Half of the map of a globe of radius 1."""
RATIO = HALF_HEIGHT / HALF_WIDTH
"""Height of a map over its width."""
PIXELS = 240
"""Pixels across an image."""
GREY = "#4a4f55"
"""Colour of lines on fields, which look the same on light and on dark pages."""
SIMPLER = 0.3
"""Points by which a line may be moved to have fewer corners."""
MERIDIANS, PARALLELS = range(-120, 180, 60), range(-60, 90, 30)
"""Degrees of the lines of a map."""


class Grid(NamedTuple):
    """Latitudes and longitudes of a field in degrees, in any order."""

    latitude: tuple[float, ...]
    longitude: tuple[float, ...]


def project(longitude: Any, latitude: Any) -> Float[np.ndarray, "2 ..."]:
    """Across and up on a globe of radius 1; longitudes between -180 and 180."""
    theta = np.arcsin(np.sqrt(0.75) * np.sin(np.deg2rad(latitude)))
    up = sum(a * theta ** (p + 1) for a, p in zip(COEFFICIENTS, POWERS, strict=True))
    slope = sum((p + 1) * a * theta**p for a, p in zip(COEFFICIENTS, POWERS, strict=True))
    across = np.deg2rad(longitude) * np.cos(theta) / (np.sqrt(0.75) * slope)
    return np.stack(np.broadcast_arrays(across, up))


@cache
def _nearest(grid: Grid) -> Int[np.ndarray, "2 row column"]:
    """The row and column of a field at the middle of every pixel, from the north-west."""
    rows = round(PIXELS * RATIO)
    x = HALF_WIDTH * ((2 * np.arange(PIXELS) + 1) / PIXELS - 1)
    y = HALF_HEIGHT * (1 - (2 * np.arange(rows) + 1) / rows)
    table = np.linspace(-90, 90, 4001)
    latitude = np.interp(y, project(0.0, table)[1], table)
    longitude = np.clip(x / project(1.0, latitude)[0][:, None], -180, 180)
    row = np.abs(latitude[:, None] - np.array(grid.latitude)).argmin(1)
    turn = (longitude[..., None] - np.array(grid.longitude) + 180) % 360 - 180
    return np.stack(np.broadcast_arrays(row[:, None], np.abs(turn).argmin(-1)))


class Map(NamedTuple):
    """A map in axes, which it may share with others.

    Arguments:
        axes: Where it is drawn.
        place: From the projection of a globe of radius 1 to the axes' figure.
        outline: Outline of the map.
    """

    axes: Axes
    place: Transform
    outline: PathPatch

    def image(self, field: Field, grid: Grid, **look: Any) -> AxesImage:
        """Draw a field, each pixel in the colour of the nearest point of its grid.

        Arguments:
            look: Arguments of `imshow`.
        """
        row, column = _nearest(grid)
        extent = (-HALF_WIDTH, HALF_WIDTH, -HALF_HEIGHT, HALF_HEIGHT)
        look |= {"extent": extent, "aspect": "auto", "interpolation": "none"}
        drawn = self.axes.imshow(field[row, column], transform=self.place, **look)
        drawn.set_clip_path(self.outline)
        return drawn

    def coasts(self, colour: str = GREY) -> None:
        """Draw the coasts of the Earth."""
        self.axes.add_artist(Lines(_coasts(), colour, self.place, width=0.5))


def whole(axes: Axes, edge: str, lines: str = GREY) -> Map:
    """A map that fills its axes; colours as in `part`."""
    axes.set(xlim=(-HALF_WIDTH, HALF_WIDTH), ylim=(-HALF_HEIGHT, HALF_HEIGHT))
    axes.set_axis_off()
    return part(axes, axes.transData, edge, lines)


def part(axes: Axes, place: Transform, edge: str, lines: str = GREY) -> Map:
    """A map at a place in axes, with its outline and a few lines.

    Arguments:
        place: As in `Map`.
        edge, lines: Colours of the outline and of the lines inside.
    """
    outline = PathPatch(_border(), fill=False, edgecolor=edge, lw=0.5, transform=place)
    outline.set(alpha=0.5, clip_on=False, zorder=2.5)
    axes.add_artist(outline)
    axes.add_artist(Lines(_lines_inside(), lines, place, width=0.4, opacity=0.25))
    return Map(axes, place, outline)


@cache
def _border() -> Path:
    """The outline of the globe."""
    around = np.linspace(-90, 90, 91)
    border = np.concatenate([_line(180.0, around), _line(-180.0, around[::-1])])
    return Path(border, closed=True)


@cache
def _lines_inside() -> Path:
    """Meridians and parallels on the map."""
    around = np.linspace(-90, 90, 91)
    meridians = [_line(float(lon), around) for lon in MERIDIANS]
    parallels = [_line(np.array([-180.0, 180.0]), float(lat)) for lat in PARALLELS]
    return Path.make_compound_path(*map(Path, (*meridians, *parallels)))


@cache
def _coasts() -> Path:
    """All coasts on the map."""
    return Path.make_compound_path(*(Path(_line(*place.T)) for place in coastlines()))


def _line(longitude: Any, latitude: Any) -> Float[np.ndarray, "place 2"]:
    return project(longitude, latitude).T


class Lines(Artist):
    """Lines on a map, which an SVG with many maps of one size holds once.

    They are drawn as a marker in the middle of the map: files have a marker once and refer to it.

    Arguments:
        path: The lines, on a globe of radius 1.
        colour: Colour of the lines.
        place: As in `Map`.
        width: Width of the lines in points.
        opacity: Between 0 and 1.
    """

    zorder = 2.2

    def __init__(
        self, path: Path, colour: str, place: Transform, *, width: float, opacity: float = 1.0
    ):
        super().__init__()
        self.set_transform(place)
        self.path, self.colour, self.width, self.opacity = path, colour, width, opacity

    def draw(self, renderer: RendererBase) -> None:
        """Draw the lines at the size that the map has now."""
        place = self.get_transform()
        across, up = place.transform((1.0, 1.0)) - place.transform((0.0, 0.0))
        lines = _simplified(self.path, round(float(across), 3), round(float(up), 3))
        context = renderer.new_gc()
        context.set_foreground(self.colour)
        context.set_alpha(self.opacity)
        context.set_linewidth(renderer.points_to_pixels(self.width))  # type: ignore[arg-type]
        middle = Path(np.zeros((1, 2)))
        renderer.draw_markers(context, lines, IdentityTransform(), middle, place)
        context.restore()


@cache
def _simplified(path: Path, across: float, up: float) -> Path:
    """A path at the size of a map, without corners that nobody sees.

    Arguments:
        across, up: Pixels of a unit of the path.
    """
    scaled = Path(path.vertices * np.array([across, up]), path.codes)
    scaled.simplify_threshold = SIMPLER
    return scaled.cleaned(simplify=True)

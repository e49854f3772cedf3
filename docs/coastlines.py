"""The coasts and the land that maps show: `python -m docs.coastlines ne_110m_coastline.geojson`.

The coasts are Natural Earth's, 1:110 million, version 2.0.0, in the public domain
(https://www.naturalearthdata.com). The land is that of the mask among SPEEDY's static fields.
"""

import json
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float

from dabench.leaderboard.figures.coastlines import FILE, STEP, Line, Mask

TOLERANCE = 0.4
"""Largest distance in degrees between a place of a coast and the line that is kept."""
SMALLEST = 1.0
"""Coasts that extend over fewer degrees are left out."""
GRID_DEGREES = 1.0
"""Spacing of the grid of the land."""


def main(source: Path) -> None:
    """Write the file that the package has, from Natural Earth's coastline as GeoJSON."""
    lines = [simplified(line, TOLERANCE) for line in read(source)]
    mask = land()
    np.savez_compressed(
        FILE,
        places=np.rint(np.concatenate(lines) / STEP).astype(np.int16),
        lengths=np.array([len(line) for line in lines], np.int16),
        land=np.packbits(mask),
        land_shape=np.array(mask.shape, np.int16),
    )
    print(
        f"{FILE}: {len(lines)} coasts, {sum(map(len, lines))} places, {FILE.stat().st_size} bytes"
    )


def read(source: Path) -> list[Line]:
    """Every coast that is large enough."""
    features = json.loads(source.read_text(encoding="utf-8"))["features"]
    lines = []
    for geometry in (feature["geometry"] for feature in features):
        single = geometry["type"] == "LineString"
        lines += [geometry["coordinates"]] if single else geometry["coordinates"]
    coasts = [np.array(line, float) for line in lines]
    return [coast for coast in coasts if np.ptp(coast, axis=0).max() >= SMALLEST]


def simplified(line: Line, tolerance: float) -> Line:
    """Places of a line, chosen such that the line through them passes near all others.

    Arguments:
        tolerance: Largest distance of a place that is left out, in units of the line.
    Source: Douglas & Peucker (1973), Cartographica 10, 112-122.
    """
    distance = _distances(line[1:-1], line[0], line[-1])
    if not distance.size or distance.max() <= tolerance:
        return line[[0, -1]]
    farthest = 1 + int(distance.argmax())
    first, second = line[: farthest + 1], line[farthest:]
    return np.concatenate([simplified(first, tolerance)[:-1], simplified(second, tolerance)])


def _distances(places: Line, start: np.ndarray, end: np.ndarray) -> Float[np.ndarray, "place"]:
    """Distances of places from the segment between two ends, which may be one place."""
    along = end - start
    length = float(along @ along)
    share = np.clip((places - start) @ along / length, 0, 1) if length else np.zeros(len(places))
    return np.linalg.norm(places - start - share[:, None] * along, axis=1)


def land() -> Mask:
    """Where more than half of SPEEDY's mask is land, on the grid of the file."""
    from dabench.systems.atmosphere.atmosphere import LMAX
    from dabench.systems.atmosphere.grid import grid
    from dabench.systems.speedy.channels import FILES, ground
    from dabench.systems.sphere.harmonics import Harmonics

    latitude, longitude = grid(GRID_DEGREES)
    share = Harmonics(latitude, longitude, LMAX).synthesise(ground(FILES)["land_sea_mask"])
    return np.asarray(share).reshape(len(latitude), len(longitude)) > 0.5


if __name__ == "__main__":
    main(Path(sys.argv[1]))

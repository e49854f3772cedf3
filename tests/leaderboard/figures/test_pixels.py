"""Images inside SVGs: the same pixels in fewer bytes."""

import io
from base64 import b64decode, b64encode

import numpy as np
import pytest
from PIL import Image

from dabench.leaderboard.figures.pixels import EMBEDDED, indexed


def embedded(pixels):
    """An SVG's reference to an image of these pixels (row, column, rgba)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return b'<image href="data:image/png;base64,' + b64encode(file.getvalue()) + b'"/>'


@pytest.mark.parametrize(("colours", "smaller"), [(200, True), (2000, False)])
def test_every_pixel_keeps_its_colour_and_opacity(colours, smaller):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (colours, 4), dtype=np.uint8)
    pixels = table[rng.integers(0, colours, (60, 120))]
    before = embedded(pixels)
    after = indexed(before)
    assert (len(after) < 0.5 * len(before)) == smaller
    image = Image.open(io.BytesIO(b64decode(EMBEDDED.search(after)[2])))
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), pixels)

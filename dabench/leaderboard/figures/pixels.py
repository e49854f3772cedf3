"""Images inside SVGs, with a table of colours in place of four bytes for every pixel."""

import io
import re
from base64 import b64decode, b64encode

import numpy as np
from PIL import Image

EMBEDDED = re.compile(rb"(data:image/png;base64,)([A-Za-z0-9+/=\s]+)")
COLOURS = 256
"""Largest table of colours that PNG has."""


def indexed(svg: bytes) -> bytes:
    """An SVG whose images of few colours hold the place of each pixel's colour in a table."""
    return EMBEDDED.sub(lambda match: match[1] + b64encode(_smaller(b64decode(match[2]))), svg)


def _smaller(png: bytes) -> bytes:
    """The same pixels with a table of colours; as they are where there are too many colours."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    colours, places = np.unique(pixels.view(np.uint32).ravel(), return_inverse=True)
    if len(colours) > COLOURS:
        return png
    table = colours.view(np.uint8).reshape(-1, 4)
    image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
    image.putpalette(table[:, :3].tobytes(), "RGB")
    file = io.BytesIO()
    image.save(file, "png", transparency=table[:, 3].tobytes())
    return file.getvalue() if file.tell() < len(png) else png

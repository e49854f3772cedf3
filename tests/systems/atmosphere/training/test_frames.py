"""Statistics of frames, from coefficients and from fields."""

import numpy as np

from dabench.systems.atmosphere.training.frames import statistics
from dabench.systems.sphere import gaussian


def test_statistics_are_those_of_the_area_weighted_fields():
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((6, 24, 1024)) * 0.1 + np.eye(1, 1024)[None] * 5
    grid = gaussian.gaussian_grid()
    fields = frames @ gaussian.basis(grid.lat, grid.lon, 31)
    weight = grid.weight.repeat(len(grid.lon)) / 2 / len(grid.lon)
    mean = (fields @ weight).mean(0)
    found = statistics([frames.astype(np.float32)])
    np.testing.assert_allclose(found.mean, mean, rtol=1e-5)
    variance = (((fields - mean[:, None]) ** 2) @ weight).mean(0)
    np.testing.assert_allclose(found.std, np.sqrt(variance), rtol=1e-5)
    steps = ((np.diff(fields, axis=0) ** 2) @ weight).mean(0)
    np.testing.assert_allclose(found.diff_std, np.sqrt(steps), rtol=1e-5)

"""Harmonics at any points, and their gradients."""

import numpy as np

from dabench.systems.sphere import gaussian


def test_gradient_is_the_derivative_of_the_basis():
    lat, lon, h = np.array([-50.0, 12.0, 71.0]), np.array([3.0, 200.0]), 1e-3
    slope = gaussian.gradient(lat, lon, 31)
    up, down = (gaussian.basis(lat + s * h, lon, 31) for s in (1, -1))
    cos = np.cos(np.radians(lat)).repeat(2)
    np.testing.assert_allclose(slope.north, cos * (up - down) / np.radians(2 * h), atol=1e-5)
    up, down = (gaussian.basis(lat, lon + s * h, 31) for s in (1, -1))
    np.testing.assert_allclose(slope.east, (up - down) / np.radians(2 * h), atol=1e-5)

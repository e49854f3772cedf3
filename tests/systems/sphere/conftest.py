"""Fixtures of all tests of the sphere."""

import pytest
from small_sphere import LATITUDE, LMAX, LONGITUDE

from dabench.systems.sphere.noise import SphereNoise


@pytest.fixture(scope="session")
def noise() -> SphereNoise:
    """Noise of ten degrees on the small grid."""
    return SphereNoise(LATITUDE, LONGITUDE, LMAX)

"""The localisation taper: places, distances, and how influence falls with distance to zero."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.layout import Layout

EARTH_RADIUS_KM = 6371.0
SURFACE_HPA = (
    1000.0  # level of variables without one: 2 m temperature, 10 m wind, sea level pressure
)

SCALES = {
    "length_scale_km": "200..2000 log",
    "length_scale_sites": "1..16 log",
    "vertical_scale": "0.2..2 log",
}
"""Where `dabench tune` searches for the length scales of methods that localise."""


def half_width(length_scale: float) -> float:
    """Half-width c of the Gaspari-Cohn function nearest to exp(-d² / 2 length_scale²)."""
    return np.sqrt(10 / 3) * length_scale


def cutoff(length_scale: float) -> float:
    """Distance at which the taper of a length scale ends: 3.65 length scales."""
    return 2 * half_width(length_scale)


def gaspari_cohn(distance: Float[Array, "*shape"], half_width: float) -> Float[Array, "*shape"]:
    """Compactly supported correlation: 1 at distance 0, 0 beyond two half-widths.

    Source: Gaspari & Cohn (1999), QJRMS 125, equation 4.10.
    """
    z = distance / half_width
    near = 1 + z**2 * (-5 / 3 + z * (5 / 8 + z * (1 / 2 - z / 4)))
    far = 4 + z * (-5 + z * (5 / 3 + z * (5 / 8 + z * (-1 / 2 + z / 12))))
    far = far - 2 / (3 * jnp.maximum(z, 1))
    return jnp.where(z <= 1, near, jnp.where(z < 2, jnp.maximum(far, 0), 0))


@dataclass(frozen=True)
class Localisation:
    """The taper between two places, the product of a horizontal and a vertical one.

    Arguments:
        length_scale: Horizontal scale, in km along the sphere or in sites; None: no taper.
        vertical_scale: Vertical scale in ln p; None: no taper.
        sphere: Whether places are unit vectors rather than sites.
        ring: Number of sites if they form a ring, else 0.
        truncation: Horizontal tapers below it count as zero.
    """

    length_scale: float | None
    vertical_scale: float | None
    sphere: bool = False
    ring: int = 0
    truncation: float = 0.0

    def distance(
        self, a: Float[Array, "*a axis"], b: Float[Array, "b axis"]
    ) -> Float[Array, "*a b"]:
        """Great-circle distance in km, or distance in sites (the shorter way round a ring).

        The angle is that of the chord, whose differences are exact for close places. The cosine of
        a small angle is one in float32: places up to 2 km apart would be at one distance.
        """
        if self.sphere:
            b = b.reshape((1,) * (a.ndim - 1) + b.shape)
            chord2 = sum((a[..., i, None] - b[..., i]) ** 2 for i in range(3))
            half = jnp.arctan2(jnp.sqrt(chord2), jnp.sqrt(jnp.maximum(4 - chord2, 0)))
            return EARTH_RADIUS_KM * 2 * half
        apart = jnp.abs(a - b[:, 0].reshape((1,) * (a.ndim - 1) + (-1,)))
        return jnp.minimum(apart, self.ring - apart) if self.ring else apart

    def horizontal(
        self, units: Float[Array, "unit point axis"], places: Float[Array, "place axis"]
    ) -> Float[Array, "unit place"]:
        """Taper at the mean distance of a place from the points of a unit."""
        if self.length_scale is None:
            return jnp.ones((len(units), len(places)), units.dtype)
        distance = self.distance(units, places).mean(1)
        rho = gaspari_cohn(distance, half_width(self.length_scale))
        return jnp.where(rho < self.truncation, 0, rho) if self.truncation else rho

    def vertical(self, a: Float[Array, "a"], b: Float[Array, "b"]) -> Float[Array, "a b"]:
        """Taper between levels given as ln p."""
        if self.vertical_scale is None:
            return jnp.ones((len(a), len(b)), a.dtype)
        return gaspari_cohn(jnp.abs(a[:, None] - b[None]), half_width(self.vertical_scale))


def localisation(
    layout: Layout,
    length_scale_km: float | None,
    length_scale_sites: float | None,
    vertical_scale: float | None,
    truncation: float = 0.0,
) -> Localisation:
    """The taper for a layout, which has its scale in km on the sphere and in sites elsewhere."""
    scale = length_scale_km if layout.on_sphere else length_scale_sites
    ring = layout.points if layout.periodic and not layout.on_sphere else 0
    return Localisation(scale, vertical_scale, layout.on_sphere, ring, truncation)


def places(coords: Mapping[str, np.ndarray]) -> Float[np.ndarray, "place axis"]:
    """Unit vectors for latitudes and longitudes in degrees, or the numbers of sites."""
    if "latitude" not in coords:
        return np.asarray(coords["site"], float)[:, None]
    lat, lon = (np.radians(np.asarray(coords[c], float)) for c in ("latitude", "longitude"))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def log_pressure(levels: object) -> Float[np.ndarray, "level"]:
    """ln p for levels in hPa; None and NaN stand for the surface."""
    hpa = np.asarray(levels, float)
    return np.log(np.where(np.isnan(hpa), SURFACE_HPA, hpa))

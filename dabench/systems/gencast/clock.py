"""Time of year and time of day as GenCast sees them (GenCast specification, section 1.2)."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

DAY = 86400
TROPICAL_YEAR = 365.24219 * DAY


def features(
    seconds: Num[Array, ""], longitude: Float[np.ndarray, "lon"]
) -> dict[str, Float[Array, "lon"]]:
    """The four clock variables along the longitudes (degrees), float32.

    Arguments:
        seconds: Since 1970-01-01 UTC. The year is the mean tropical one counted from there, so it
            drifts against the calendar's. Exact only where JAX has float64.
    """
    seconds = jnp.asarray(seconds, float)
    east = np.deg2rad(longitude, dtype=np.float32) / np.float32(2 * np.pi)
    year = _fraction(seconds / TROPICAL_YEAR)[None]
    day = _fraction(_fraction(seconds / DAY)[None] + east.astype(seconds.dtype))
    waves = {}
    for name, progress in (("year", year), ("day", day)):
        phase = (2 * np.pi) * progress.astype(jnp.float32)
        waves[f"{name}_progress_sin"] = jnp.broadcast_to(jnp.sin(phase), longitude.shape)
        waves[f"{name}_progress_cos"] = jnp.broadcast_to(jnp.cos(phase), longitude.shape)
    return waves


def _fraction(x: Array) -> Array:
    return x - jnp.floor(x)

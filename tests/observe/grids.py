"""Small layouts to observe, and fields on them."""

import numpy as np

from dabench.core.layout import Channel, Layout

WINDS = ("u_component_of_wind", "v_component_of_wind")


def sphere(step: float = 10.0, poles: bool = True, frames: int = 2) -> Layout:
    """Surface and upper-air temperature and wind on a regular grid."""
    channels = [Channel("2m_temperature", "K"), *(Channel(f"10m_{w}", "m/s") for w in WINDS)]
    channels += [Channel("mean_sea_level_pressure", "Pa")]
    for name, units in (("temperature", "K"), (WINDS[0], "m/s"), (WINDS[1], "m/s")):
        channels += [Channel(name, units, level) for level in (250.0, 500.0, 850.0)]
    lat = np.arange(-90, 90.1, step) if poles else np.arange(-90 + step / 2, 90, step)
    coords = {"latitude": lat, "longitude": np.arange(0, 360, step)}
    return Layout(tuple(channels), coords, frames=frames, dtype="float64")


def ring(size: int = 12) -> Layout:
    return Layout((Channel("x"),), {"site": np.arange(size)}, periodic=True, dtype="float64")


def state(layout: Layout, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(layout.size)


def filled(layout: Layout, **fields: np.ndarray) -> np.ndarray:
    """A state whose last frame has these fields (latitude, longitude) at every level."""
    x = np.zeros(layout.shape)
    for i, channel in enumerate(layout.channels):
        if channel.name in fields:
            x[-1, i] = fields[channel.name].ravel()
    return x.ravel()


def earth(step: float = 30.0) -> Layout:
    """Pressure, temperature, wind and humidity over mountains."""
    channels = [Channel("2m_temperature", "K"), *(Channel(f"10m_{w}", "m/s") for w in WINDS)]
    channels += [Channel("mean_sea_level_pressure", "Pa")]
    for name, units in (("specific_humidity", "kg/kg"), *((w, "m/s") for w in WINDS)):
        channels += [Channel(name, units, level) for level in (200.0, 500.0, 850.0)]
    coords = {"latitude": np.arange(-90, 90.1, step), "longitude": np.arange(0, 360, step)}
    points = len(coords["latitude"]) * len(coords["longitude"])
    height = np.random.default_rng(3).uniform(0, 3000, points)
    return Layout(tuple(channels), coords, dtype="float64", height=height)


def weather(layout: Layout, seed: int = 0) -> np.ndarray:
    """A state of plausible size."""
    size = {"2m_temperature": (280, 10), "mean_sea_level_pressure": (1e5, 1e3)}
    size |= {"specific_humidity": (3e-3, 1e-3)}
    mean, std = np.array([size.get(c.name, (4.0, 5.0)) for c in layout.channels]).T[..., None]
    noise = np.random.default_rng(seed).standard_normal((len(mean), layout.points))
    return (mean + std * noise).ravel()

"""Small problems and twin experiments, for tests of the ensemble Kalman filters."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Ensemble, Filter, Problem, split_key
from dabench.observe.network import Network, Observation

SPHERE = Layout(
    (
        Channel("2m_temperature", "K"),
        Channel("temperature", "K", 250.0),
        Channel("temperature", "K", 850.0),
        Channel("u_component_of_wind", "m s-1", 250.0),
    ),
    {"latitude": np.linspace(-90, 90, 7), "longitude": np.arange(0, 360, 30.0)},
    frames=2,
    dtype="float64",
)


class Still:
    """The forecast model x' = x."""

    def __init__(self, layout):
        self.layout = layout

    def forecast(self, keys, x, time):
        return x


def sites(n, every=1, std=1.0):
    """Network of every `every`-th of n sites of a toy system with one channel."""
    index = np.arange(0, n, every)
    row = {"group": "x", "variable": "x", "level": np.nan, "site": index, "error_std": std}
    table = pd.DataFrame(row)
    return Network(lambda x: x[index], table["error_std"].to_numpy(float), table, True)


def channels(layout, std=1.0):
    """Network of all channels of a toy system at its only site."""
    n = len(layout.channels)
    names = [c.name for c in layout.channels]
    table = pd.DataFrame({"variable": names, "level": np.nan, "site": 0, "error_std": std})
    return Network(lambda x: x, np.full(n, std), table, True)


def stations(layout, count, rng, std=0.5):
    """Random channels of the last frame at random points, in random order."""
    pairs = rng.integers([len(layout.channels), layout.points], size=(count, 2))
    channel, point = pairs.T
    table = pd.DataFrame(
        {
            "variable": [layout.channels[c].name for c in channel],
            "level": [layout.channels[c].level or np.nan for c in channel],
            **{name: values[point] for name, values in layout.positions.items()},
            "error_std": std * rng.uniform(0.5, 2, count),
        }
    )
    error_std = table["error_std"].to_numpy(float)
    return Network(lambda x: layout.now(x)[channel, point], error_std, table, True)


def sphere(members=6, count=60, dtype="float64", std=0.5):
    """A problem on the sphere, its members and an observation."""
    rng = np.random.default_rng(5)
    layout = replace(SPHERE, dtype=dtype)
    x = jnp.asarray(rng.normal(size=(members, layout.size)) + 3, dtype)
    network = stations(layout, count, rng, std)
    y = jnp.asarray(3 + rng.normal(size=count), dtype)
    climate = jnp.asarray(3 + rng.normal(size=(20, layout.size)), dtype)
    return Problem(Still(layout), network, climate), x, Observation(jnp.asarray(0.0), y)


def distances(layout, table):
    """Great-circle distances (point, obs) by the haversine formula, and (channel, obs) in ln p."""
    lat, lon = (np.radians(layout.positions[c])[:, None] for c in ("latitude", "longitude"))
    lat_o, lon_o = (np.radians(table[c].to_numpy())[None] for c in ("latitude", "longitude"))
    a = np.sin((lat - lat_o) / 2) ** 2
    a = a + np.cos(lat) * np.cos(lat_o) * np.sin((lon - lon_o) / 2) ** 2
    state = np.log([c.level or 1000.0 for c in layout.channels])[:, None]
    observed = np.log(table["level"].fillna(1000.0).to_numpy())[None]
    return 2 * 6371.0 * np.arcsin(np.sqrt(np.clip(a, 0, 1))), abs(state - observed)


def free(problem):
    """The unconditional ensemble."""

    def step(key, ens, obs):
        keys, _ = split_key(key, len(ens.x))
        return Ensemble(problem.model.forecast(keys, ens.x, obs.time)), {}

    return Filter(Ensemble, step)


def twin(system, network, method, members, cycles, burn_in, seeds):
    """Time means of RMSE and spread after the burn-in, for each seed."""
    problem = Problem(system.model, network, system.climate)
    filter = method(problem)
    error_std = jnp.asarray(network.error_std)

    def run(seed):
        truth_key, obs_key, start, run_key = jax.random.split(jax.random.key(seed), 4)
        carry = filter.init(jax.vmap(system.prior)(jax.random.split(start, members)))
        truth = system.prior(truth_key)

        def cycle(state, k):
            truth, carry = state
            keys = jax.random.fold_in(truth_key, k)[None]
            truth = system.model.forecast(keys, truth[None], jnp.asarray(0.0))[0]
            noise = error_std * jax.random.normal(jax.random.fold_in(obs_key, k), error_std.shape)
            obs = Observation(jnp.asarray(0.0), network.h(truth) + noise)
            carry, _ = filter.step(jax.random.fold_in(run_key, k), carry, obs)
            spread = jnp.sqrt(jnp.var(carry.x, 0, ddof=1).mean())
            return (truth, carry), (jnp.sqrt(((carry.x.mean(0) - truth) ** 2).mean()), spread)

        return jax.lax.scan(cycle, (truth, carry), jnp.arange(cycles))[1]

    scores = jax.jit(lambda seeds: jax.lax.map(run, seeds))(jnp.asarray(seeds))
    return tuple(np.asarray(s)[:, burn_in:].mean(1) for s in scores)

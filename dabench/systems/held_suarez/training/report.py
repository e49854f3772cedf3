"""What the shipped network can do: skill after 12 hours, drift in a free run, symmetry of J C."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.base import System
from dabench.systems.held_suarez.harmonics import area_weights
from dabench.systems.held_suarez.system import held_suarez

SIGMAS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)
PROBES = 8
Rows = list[dict[str, Any]]


def write(folder: Path, cases: int = 12, members: int = 8, days: int = 20) -> dict[str, Rows]:
    """Measure and write report.json and report.md into `folder`, next to the weights."""
    system = held_suarez(files=str(folder))
    tables = {
        "skill": one_step(system, cases, members),
        "drift": free_run(system, 4, days),
        "symmetry": symmetry(system),
    }
    (folder / "report.json").write_text(json.dumps(tables, indent=1) + "\n")
    (folder / "report.md").write_text(_HEAD + "\n".join(map(_section, tables.items())))
    return tables


def one_step(system: System, cases: int, members: int) -> Rows:
    """Per channel, over `cases` spread over the verification: scores of the 12-hour forecast.

    rmse is of the ensemble mean; crps is fair; spread_skill has the factor (n + 1) / n; all
    area-weighted. `persistence` and `climatology` (its mean, its draws) are the references.
    """
    layout, mean = system.layout, _area_mean(system)
    states = system.truth(0, 144)
    draw = jax.jit(system.model.forecast)
    climate = layout.now(np.asarray(system.climate))
    sums: dict[str, Any] = {}
    for case, k in enumerate(np.linspace(0, 143, cases).astype(int)):
        keys = jax.random.split(jax.random.key(case), members)
        x = jnp.repeat(jnp.asarray(states[k])[None], members, 0)
        ensemble = layout.now(np.asarray(draw(keys, x, 0.0)))
        before, after = layout.now(states[k]), layout.now(states[k + 1])
        parts = {
            "square": mean((ensemble.mean(0) - after) ** 2),
            "variance": mean(ensemble.var(0, ddof=1)),
            "crps": mean(fair_crps(ensemble, after)),
            "persistence": mean((before - after) ** 2),
            "crps_persistence": mean(np.abs(before - after)),
            "climatology": mean((climate.mean(0) - after) ** 2),
            "crps_climatology": mean(fair_crps(climate, after)),
        }
        sums = {name: sums.get(name, 0) + value / cases for name, value in parts.items()}
    root = {name: np.sqrt(sums[name]) for name in ("square", "persistence", "climatology")}
    table = {
        "rmse": root["square"],
        "rmse_persistence": root["persistence"],
        "rmse_climatology": root["climatology"],
        "crps": sums["crps"],
        "crps_persistence": sums["crps_persistence"],
        "crps_climatology": sums["crps_climatology"],
        "spread_skill": np.sqrt(sums["variance"] * (members + 1) / members) / root["square"],
    }
    return [
        {"variable": c.name, "level": c.level} | {n: float(v[i]) for n, v in table.items()}
        for i, c in enumerate(layout.channels)
    ]


def free_run(system: System, members: int, days: int) -> Rows:
    """A forecast without observations: departures from the climate, by day.

    bias and sd are of all members' fields against the climate's mean and standard deviation,
    increments of 12-hour differences against the truth's; means over the channels of ratios.
    """
    layout, mean = system.layout, _area_mean(system)
    states, climate = system.truth(0, 144), layout.now(np.asarray(system.climate))
    center, spread = climate.mean(0), mean(climate.var(0, ddof=1))
    step = np.diff(layout.now(states), axis=0)
    usual = mean((step**2).mean(0))
    x = jnp.asarray(states[np.linspace(0, 140, members).astype(int)])
    draw = jax.jit(system.model.forecast)
    rows: Rows = []
    for cycle in range(2 * days):
        keys = jax.random.split(jax.random.key(1000 + cycle), members)
        x = draw(keys, x, 0.0)
        fields = layout.unflatten(np.asarray(x))
        if cycle % 4 == 3:
            away = fields[:, 1] - center
            change = mean(((fields[:, 1] - fields[:, 0]) ** 2).mean(0))
            rows.append(
                {
                    "day": (cycle + 1) / 2,
                    "bias": float(np.sqrt(np.mean(mean(away).mean(0) ** 2 / spread))),
                    "sd": float(np.mean(np.sqrt(mean((away**2).mean(0)) / spread))),
                    "increments": float(np.mean(np.sqrt(change / usual))),
                }
            )
    return rows


def symmetry(system: System) -> Rows:
    """Of M = H J C Hᵀ at noise level sigma, H temperature at its five levels every 8 degrees.

    For an exact denoiser sigma² M is a covariance. asymmetry = |M - Mᵀ| / |M + Mᵀ| (Frobenius,
    from random probes); negative is the share of probes u with uᵀ M u < 0, white ones and smooth
    ones (u = H C Hᵀ white); smallest is the least of their quotients over the mean one.
    """
    h, observed = _temperature(system)
    model: Any = system.model
    state = jnp.asarray(system.truth(0, 60)[[20, 21]])
    condition = model.condition(state[:1], 0.0)
    now, new = (system.layout.now(s) for s in state)
    target = ((new - now) / model.diff_std[0]).reshape(1, -1)
    lift = jax.linear_transpose(h, target)

    @jax.jit
    def products(sigma: Array, u: Float[Array, "1 obs"], key: Array) -> tuple[Array, Array]:
        denoise = model.denoiser(sigma)
        z = target + sigma * model.noise(key)[None]
        tangent = model.noise_cov(lift(u)[0])
        forward = h(jax.jvp(lambda z: denoise(z, condition), (z,), (tangent,))[1])
        _, pull = jax.vjp(lambda z: denoise(z, condition), z)
        return forward, h(model.noise_cov(pull(lift(u)[0])[0]))

    smooth = jax.jit(lambda u: h(model.noise_cov(lift(u)[0])))
    rows = []
    for i, sigma in enumerate(SIGMAS):
        differences, sums, quotients = [], [], {"white": [], "smooth": []}
        for probe in range(PROBES):
            key = jax.random.fold_in(jax.random.key(i), probe)
            white = jax.random.normal(key, (1, observed), jnp.float32)
            for kind, u in (("white", white), ("smooth", smooth(white))):
                ahead, back = products(jnp.float32(sigma), u, key)
                quotients[kind].append(float(jnp.vdot(u, ahead) / jnp.vdot(u, u)))
                if kind == "white":
                    differences.append(float(jnp.sum((ahead - back) ** 2)))
                    sums.append(float(jnp.sum((ahead + back) ** 2)))
        row = {"sigma": sigma, "asymmetry": float(np.sqrt(np.sum(differences) / np.sum(sums)))}
        for kind, values in quotients.items():
            row[f"negative_{kind}"] = float(np.mean(np.array(values) < 0))
            row[f"smallest_{kind}"] = float(np.min(values) / np.abs(np.mean(values)))
        rows.append(row)
    return rows


def fair_crps(
    ensemble: Float[np.ndarray, "member *field"], truth: Float[np.ndarray, "*field"]
) -> Float[np.ndarray, "*field"]:
    """E|X - y| - E|X - X'| / 2 over distinct pairs."""
    n = len(ensemble)
    factor = (2 * np.arange(1, n + 1) - n - 1).reshape(-1, *[1] * truth.ndim)
    pairs = (factor * np.sort(ensemble, axis=0)).sum(0) / (n * (n - 1))
    return np.abs(ensemble - truth[None]).mean(0) - pairs


def _area_mean(system: System):
    lat, lon = system.layout.coords.values()
    weight = np.repeat(area_weights(lat) / 2 / len(lon), len(lon))
    return lambda x: np.asarray(x, np.float64) @ weight


def _temperature(system: System):
    layout = system.layout
    rows = [i for i, c in enumerate(layout.channels) if c.name == "temperature"]
    lat, lon = layout.coords.values()
    stride = round(8 / (lon[1] - lon[0]))
    nodes = np.arange(layout.points).reshape(len(lat), len(lon))[stride:-stride:stride, ::stride]
    index = (np.array(rows)[:, None] * layout.points + nodes.ravel()[None]).ravel()
    return (lambda z: z[:, index]), len(index)


_HEAD = """# Validation of the embedded GenCast

Written by `dabench train held_suarez`; definitions: `dabench.systems.held_suarez.training.report`.
"""


def _section(table: tuple[str, Rows]) -> str:
    name, rows = table
    lines = [f"\n## {name}\n", "| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    for row in rows:
        cells = ["" if v is None else v if isinstance(v, str) else f"{v:.3g}" for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"

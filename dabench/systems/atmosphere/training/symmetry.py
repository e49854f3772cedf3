"""How far J C of a network is from the covariance that it would be for an exact denoiser."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.atmosphere.training.skill import Rows
from dabench.systems.base import System

SIGMAS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)


def symmetry(system: System, pair: Float[np.ndarray, "2 state"], probes: int) -> Rows:
    """Symmetry and sign of M = H J C Hᵀ by noise level sigma, H temperature every 8 degrees.

    For an exact denoiser sigma² M is a covariance. asymmetry = |M - Mᵀ| / |M + Mᵀ| (Frobenius,
    from random probes); negative is the share of probes u with uᵀ M u < 0, white ones and smooth
    ones (u = H C Hᵀ white); smallest is the least of their quotients over the mean one.
    """
    h, observed = _temperature(system)
    model: Any = system.model
    state = jnp.asarray(pair)
    condition = model.condition(state[:1], 0.0)
    target = _target(system, state[0], state[1])
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
        for probe in range(probes):
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


def _target(
    system: System, x: Float[Array, "state"], x_next: Float[Array, "state"]
) -> Float[Array, "1 target"]:
    """The target that leads from x to x_next, which `next_state` is affine in."""
    model: Any = system.model
    now = system.layout.now
    ones = jnp.ones((1, model.target_size), x.dtype)
    zero, one = (now(model.next_state(z, x[None])) for z in (0 * ones, ones))
    return ((now(x_next)[None] - zero) / (one - zero)).reshape(1, -1)


def _temperature(system: System):
    layout = system.layout
    rows = [i for i, c in enumerate(layout.channels) if c.name == "temperature"]
    lat, lon = layout.coords.values()
    stride = round(8 / (lon[1] - lon[0]))
    nodes = np.arange(layout.points).reshape(len(lat), len(lon))[stride:-stride:stride, ::stride]
    index = (np.array(rows)[:, None] * layout.points + nodes.ravel()[None]).ravel()
    return (lambda z: z[:, index]), len(index)

"""The pieces GenCast's graph networks and transformer are made of.

Arrays are (node, member, feature); what depends on the noise level alone has the member axis too,
of length one where all members share the level. GenCast specification, section 5.4.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.systems.gencast.checkpoint import Params

EPSILON = 1e-5  # added to variances


class Affine(NamedTuple):
    """What the noise level makes of a normalised feature: x · scale + offset."""

    scale: Float[Array, "1 level feature"]
    offset: Float[Array, "1 level feature"]

    def __call__(self, x: Float[Array, "node member feature"]) -> Array:
        return x * self.scale + self.offset


def conditioning(params: Params, path: str, encoding: Float[Array, "level code"]) -> Affine:
    """The affine map of one conditional layer norm."""
    scale, offset = jnp.split(linear(params[f"{path}/linear"], encoding)[None], 2, axis=-1)
    return Affine(1 + scale, offset)


def mlp(params: Params, path: str) -> list[dict[str, Array]]:
    """The linear layers of one multi-layer perceptron, first to last."""
    prefix = f"{path}_mlp/~/linear_"
    count = sum(key.startswith(prefix) for key in params)
    return [params[f"{prefix}{i}"] for i in range(count)]


def bias(layer: dict[str, Array]) -> Float[Array, "1 1 feature"]:
    """The bias of a linear layer, ready to be added to (node, member, feature)."""
    return layer["b"][None, None]


def linear(layer: dict[str, Array], x: Float[Array, "*axes feature"]) -> Float[Array, "*axes out"]:
    """x · w + b."""
    return x @ layer["w"] + layer["b"].reshape((1,) * (x.ndim - 1) + (-1,))


@jax.custom_jvp
def silu(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """x · sigmoid(x), of which a derivative keeps one array."""
    return x * jax.nn.sigmoid(x)


@jax.custom_jvp
def gelu(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """The tanh form of GELU, of which a derivative keeps one array."""
    return jax.nn.gelu(x, approximate=True)


def _silu_slope(x: Array) -> Array:
    s = jax.nn.sigmoid(x)
    return s * (1 + x * (1 - s))


def _gelu_slope(x: Array) -> Array:
    a, b = (2 / jnp.pi) ** 0.5, 0.044715
    t = jnp.tanh(a * (x + b * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (a * (1 + 3 * b * x * x))


silu.defjvps(lambda dx, _, x: dx * _silu_slope(x))
gelu.defjvps(lambda dx, _, x: dx * _gelu_slope(x))


def silu_linears(
    layers: list[dict[str, Array]], x: Float[Array, "node member feature"]
) -> Float[Array, "node member out"]:
    """A perceptron after its first linear layer, whose result is x."""
    for layer in layers:
        x = linear(layer, silu(x))
    return x


def normalised_mlp(
    layers: list[dict[str, Array]], x: Float[Array, "node member feature"]
) -> Float[Array, "node member feature"]:
    """LN of a perceptron after its first linear layer, whose result is x.

    The mean over features is taken out of the last layer's weights rather than of its result.
    """
    if not layers:
        return layer_norm(x)
    *hidden, last = layers
    y = silu_linears([*hidden, _centred(last)], x)
    return y * jax.lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + EPSILON)


def _centred(layer: dict[str, Array]) -> dict[str, Array]:
    """The linear layer with results of zero mean over features."""
    w, b = layer["w"], layer["b"]
    return {"w": w - w.mean(axis=1, keepdims=True), "b": b - b.mean()[None]}


def layer_norm(x: Float[Array, "*axes feature"]) -> Float[Array, "*axes feature"]:
    """Zero mean and unit variance over features; no learned scale."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + EPSILON)

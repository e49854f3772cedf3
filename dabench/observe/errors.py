"""Errors of observations: those that are correlated, and those that are not as methods assume."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, Key

from dabench.core.layout import Layout
from dabench.observe.swaths import EARTH_RADIUS_KM, unit_vectors
from dabench.scenario.derived import AT_SURFACE, DIRECTIONS
from dabench.scenario.errors import Correlation, Drawn
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group

LARGEST = 2000  # observations whose errors are correlated with each other, at most
SHARED = 64  # size from which blocks with one matrix keep it once
HIGHEST = jax.lax.Precision.HIGHEST


class Blocks(NamedTuple):
    """Observations whose errors are correlated within a block, all blocks of one size.

    Arguments:
        index: Numbers of the observations of each block.
        factor: Lower Cholesky factors L of the correlations, C = L Lᵀ; one for all blocks, or one
            for each.
    """

    index: Int[np.ndarray, "block n"]
    factor: Float[np.ndarray, "factor n n"]

    def apply(
        self, matrix: Float[np.ndarray, "factor n n"], v: Float[Array, "*row obs"]
    ) -> Float[Array, "*row obs"]:
        """v with the rows of each block multiplied by its matrix."""
        matrix = np.broadcast_to(matrix, (len(self.index), *matrix.shape[1:]))
        part = v[..., self.index]
        if len(self.factor) == 1:
            product = jnp.einsum(
                "...bn,mn->...bm", part, jnp.asarray(matrix[0], v.dtype), precision=HIGHEST
            )
        else:
            product = jnp.einsum(
                "...bn,bmn->...bm", part, jnp.asarray(matrix, v.dtype), precision=HIGHEST
            )
        return v.at[..., self.index].set(product, unique_indices=True)


def correlate(blocks: Sequence[Blocks], v: Float[Array, "*row obs"]) -> Float[Array, "*row obs"]:
    """L v: independent errors become correlated ones."""
    for block in blocks:
        v = block.apply(block.factor, v)
    return v


def decorrelate(blocks: Sequence[Blocks], v: Float[Array, "*row obs"]) -> Float[Array, "*row obs"]:
    """L⁻¹ v."""
    for block in blocks:
        v = block.apply(np.linalg.inv(block.factor), v)
    return v


def correlated(groups: Sequence[Group], table: pd.DataFrame, layout: Layout) -> list[Blocks]:
    """The blocks of correlated errors in a network; Misfit where a block is too large.

    Arguments:
        groups: Groups of the network.
        table: Table of the network, one row an observation.
        layout: Layout of the states.
    """
    by_size: dict[tuple[int, bytes], list[tuple[np.ndarray, np.ndarray]]] = {}
    for i, group in enumerate(groups):
        if group.correlation is None:
            continue
        try:
            _check(group, group.correlation, layout)
            for index in _members(group, group.correlation, table, layout):
                C = _correlation(group.correlation, table.iloc[index], layout)
                L = np.linalg.cholesky(C)
                key = len(L), L.tobytes() if len(L) >= SHARED else b""
                by_size.setdefault(key, []).append((index, L))
        except Misfit as e:
            raise Misfit(("observations", i, *e.path), e.problem) from None
    return [
        Blocks(
            np.stack([index for index, _ in parts]),
            np.stack([L for _, L in (parts[:1] if shared else parts)]),
        )
        for (_, shared), parts in by_size.items()
    ]


def as_assumed(groups: Sequence[Group]) -> list[Group]:
    """The groups without the correlations that methods are not told of."""
    return [
        g
        if g.correlation is None or g.correlation.assumed
        else g.model_copy(update={"correlation": None})
        for g in groups
    ]


def _check(group: Group, rule: Correlation, layout: Layout) -> None:
    """Misfit where a correlation has no meaning on this system, or gaps would break its blocks."""
    if any(AT_SURFACE.get(name, name) in DIRECTIONS for name in group.variables):
        raise Misfit(("correlation",), "is not for directions, which methods see as vectors")
    other = "length_sites" if layout.on_sphere else "length_km"
    if getattr(rule, other) is not None:
        length = "length_km" if layout.on_sphere else "length_sites"
        raise Misfit(("correlation", other), f"is of another kind of system; use {length}")
    moves = getattr(group.locations, "cycles", None) not in (None, 1)
    chance = group.availability is not None and group.availability.share < 1
    if rule.of_stations and (moves or chance):
        raise Misfit(
            ("correlation",),
            "is between stations, which must then report together: without availability.share and "
            "places that move; `vertical` alone takes both",
        )


def _members(
    group: Group, rule: Correlation, table: pd.DataFrame, layout: Layout
) -> list[Int[np.ndarray, "n"]]:
    """Numbers of the observations of each block of a group, of two at least."""
    place = ["latitude", "longitude"] if layout.on_sphere else ["site"]
    columns = ["variable"]
    columns += [] if rule.vertical is not None else ["level"]
    columns += [] if rule.of_stations else place
    rows = table[table["group"] == group.name]
    parts = [part.index.to_numpy() for _, part in rows.groupby(columns, dropna=False, sort=False)]
    if max(map(len, parts), default=0) > LARGEST:
        raise Misfit(
            ("correlation",),
            f"couples {max(map(len, parts))} observations, and {LARGEST} are the most; use fewer "
            "stations, or a correlation between levels alone",
        )
    return [part for part in parts if len(part) > 1]


def _correlation(rule: Correlation, rows: pd.DataFrame, layout: Layout) -> Float[np.ndarray, "n n"]:
    exponent = np.zeros((len(rows), len(rows)))
    length = rule.length_km or rule.length_sites
    if length is not None:
        exponent += _squares(places(rows, layout)) / length**2
    if rule.vertical is not None:
        ln_p = np.log(rows["level"].fillna(1000.0).to_numpy(float))
        exponent += _squares(ln_p[:, None]) / rule.vertical**2
    return rule.share * np.exp(-exponent / 2) + (1 - rule.share) * np.eye(len(rows))


def _squares(place: Float[np.ndarray, "n axis"]) -> Float[np.ndarray, "n n"]:
    """Squares of the distances between places."""
    return ((place[:, None] - place[None]) ** 2).sum(-1)


def places(rows: pd.DataFrame, layout: Layout) -> Float[np.ndarray, "n axis"]:
    """Places in km, or in sites along a line or around a ring."""
    if layout.on_sphere:
        latitude, longitude = (rows[c].to_numpy(float) for c in ("latitude", "longitude"))
        return EARTH_RADIUS_KM * unit_vectors(latitude, longitude)
    site = rows["site"].to_numpy(float)
    if not layout.periodic:
        return site[:, None]
    turn = 2 * np.pi / layout.points
    return np.stack([np.cos(turn * site), np.sin(turn * site)], -1) / turn


class Drawing(NamedTuple):
    """How the errors of each observation are drawn, in units of `error_std`; see `Drawn`.

    Arguments:
        std_factor, bias, gross_share, gross_factor: One number an observation.
        freedom: Degrees of freedom; infinite for Gaussian errors.
    """

    std_factor: Float[np.ndarray, "obs"]
    bias: Float[np.ndarray, "obs"]
    freedom: Float[np.ndarray, "obs"]
    gross_share: Float[np.ndarray, "obs"]
    gross_factor: Float[np.ndarray, "obs"]

    def tailed(self, keys: Key[Array, "obs"], white: Float[Array, "obs"]) -> Float[Array, "obs"]:
        """Standard normal draws with heavy tails and gross errors, each from a key of its own."""
        heavy = np.isfinite(self.freedom)
        freedom = jnp.asarray(np.where(heavy, self.freedom, 4.0), white.dtype)
        gamma = jax.vmap(lambda k, a: jax.random.gamma(jax.random.fold_in(k, 1), a, dtype=a.dtype))
        tails = white * jnp.sqrt((freedom - 2) / (2 * gamma(keys, freedom / 2)))
        noise = jnp.where(heavy, tails, white)
        uniform = jax.vmap(lambda k: jax.random.uniform(jax.random.fold_in(k, 2)))(keys)
        gross = uniform < jnp.asarray(self.gross_share)
        return jnp.where(gross, noise * jnp.asarray(self.gross_factor, white.dtype), noise)

    def shifted(self, noise: Float[Array, "obs"]) -> Float[Array, "obs"]:
        """Noise with its own standard deviation and mean."""
        factor, bias = (jnp.asarray(v, noise.dtype) for v in (self.std_factor, self.bias))
        return factor * noise + bias


def drawing(groups: Sequence[Group], table: pd.DataFrame) -> Drawing | None:
    """How errors are drawn; None where all are as methods assume."""
    if all(group.drawn is None for group in groups):
        return None
    rules = {group.name: group.drawn or Drawn() for group in groups}
    rows = [_plain(rules[name]) for name in table["group"]]
    return Drawing(*np.array(rows, float).T)


def _plain(rule: Drawn) -> tuple[float, ...]:
    freedom = np.inf if rule.freedom is None else rule.freedom
    return rule.std_factor, rule.bias, freedom, rule.gross_share, rule.gross_factor

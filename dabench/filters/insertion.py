"""Direct insertion: observed fields become a smooth fit of the observations alone."""

from typing import NamedTuple, cast

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, Key

from dabench.core.bounds import TimesOrNever
from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Limits, Problem, split_key
from dabench.filters.climate import states
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.moments import perturbations
from dabench.filters.waves import functions
from dabench.observe.network import Network, Observation

CONDITION = 10.0  # limit of the condition number of the functions at the places observed
SEARCH_SPACE = {
    "degree": "4..42 whole",
}
"""Settings that `dabench tune` searches."""


class Fit(NamedTuple):
    """The least-squares fit of channels that are observed at the same places, equally well.

    Arguments:
        channels: Channels that are fitted.
        observations: Numbers of the observations of each channel.
        weights: Coefficients from the observations of a channel.
        functions: Smooth functions at the points of the grid.
    """

    channels: Int[np.ndarray, "channel"]
    observations: Int[np.ndarray, "channel place"]
    weights: Float[Array, "coefficient place"]
    functions: Float[Array, "point coefficient"]

    def __call__(self, y: Float[Array, "member obs"]) -> Float[Array, "member channel point"]:
        """The fitted fields."""
        return y[:, self.observations] @ self.weights.T @ self.functions.T


def insertion(
    problem: Problem,
    *,
    degree: TimesOrNever | None = None,
    sampler: Sampler | None = None,
) -> Filter:
    """Forecast members, whose observed channels are replaced by a fit of perturbed observations.

    The fit is that of departures from the climate's mean by spherical harmonics (on a ring or line:
    waves), weighted least squares, without any background. What such a row scores on observed
    fields is interpolation; what another method adds to it is assimilation. A fit needs all of its
    observations: where one is missing in a cycle, the forecast stays as it is.

    Arguments:
        degree: Largest degree of the functions. Null, or where the places observed do not determine
            so many (a condition number above 10): the largest that they determine.
        sampler: Sampler of the forecast; null is the model's own.
    """
    layout, network = problem.model.layout, problem.network
    centre = states(problem).mean(0)
    centre_y, centre_x = network.h(centre), layout.now(centre)
    fits = make_fits(layout, network, degree)

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)
        e = perturbations(key, len(prior), network.size) * jnp.asarray(network.error_std)[None]
        y = ((obs.y - centre_y)[None] + e).astype(prior.dtype)
        fields = layout.unflatten(prior)
        for fit in fits:
            after = centre_x[fit.channels][None] + fit(y)
            if obs.present is not None:
                complete = obs.present[fit.observations].all()
                after = jnp.where(complete, after, fields[:, -1, fit.channels])
            fields = fields.at[:, -1, fit.channels].set(after)
        return Ensemble(fields.reshape(prior.shape)), info | background(
            observed(network, prior), prior
        )

    # An error of 1 observes the state of that system with twice the error of the Kalman filter.
    return Filter(Ensemble, step, limits=Limits(2.5, uninformed=False, correlated=False))


def make_fits(layout: Layout, network: Network, degree: int | None) -> list[Fit]:
    """The fits of all channels that are observed as they are; UserError if there are none."""
    if network.combined:
        raise UserError("insertion fits observations one by one and needs independent errors")
    table = network.table.reset_index(drop=True)
    columns = ["latitude", "longitude"] if layout.on_sphere else ["site"]
    cells = {(c.name, c.level): i for i, c in enumerate(layout.channels)}
    groups: dict[bytes, list[tuple[int, np.ndarray]]] = {}
    for key, rows in table.groupby(["variable", "level"], dropna=False):
        name, level = cast("tuple[str, float]", key)
        channel = cells.get((name, None if pd.isna(level) else level))
        if channel is not None:
            alike = rows[[*columns, "error_std"]].to_numpy(float).tobytes()
            groups.setdefault(alike, []).append((channel, rows.index.to_numpy()))
    if not groups:
        raise UserError("insertion needs observations of variables of the state itself")
    return [_fit(layout, network, degree, group) for group in groups.values()]


def _fit(
    layout: Layout, network: Network, degree: int | None, group: list[tuple[int, np.ndarray]]
) -> Fit:
    """The fit of some channels, with the numbers of their observations."""
    channels, observations = (np.array(values) for values in zip(*group, strict=True))
    table = network.table.iloc[observations[0]]
    places = {name: table[name].to_numpy(float) for name in layout.positions}
    at_grid, at_places = (functions(layout, p, degree) for p in (layout.positions, places))
    count = determined(at_places)
    precision = 1 / network.error_std[observations[0]]
    Q, R = np.linalg.qr(np.concatenate(at_places[:count], 1) * precision[:, None])
    return Fit(
        channels,
        observations,
        jnp.asarray(np.linalg.solve(R, Q.T) * precision[None], layout.dtype),
        jnp.asarray(np.concatenate(at_grid[:count], 1), layout.dtype),
    )


def determined(by_degree: list[Float[np.ndarray, "place order"]]) -> int:
    """How many degrees, from 0 on, the places determine; at least one."""
    ends = np.cumsum([f.shape[1] for f in by_degree])
    R = np.asarray(np.linalg.qr(np.concatenate(by_degree, 1), mode="r"))
    for count in range(len(ends), 1, -1):
        end = ends[count - 1]
        if end <= len(R):
            s = np.linalg.svd(R[:end, :end], compute_uv=False)
            if s[-1] > 0 and s[0] <= CONDITION * s[-1]:
                return count
    return 1

"""The observations of a scenario: where, the operator h, the noise, and y made from the truth."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Num

from dabench.core.layout import Layout
from dabench.core.random import stream
from dabench.observe.operators import Rows, defined, operator, resolve
from dabench.observe.stations import place, withheld
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group, Scenario
from dabench.scenario.validate import InputProblem, report


class Observation(NamedTuple):
    """What arrives in one cycle.

    Arguments:
        time: Valid time in seconds, as in `ForecastModel`.
        y: One value an observation, in the units of its variable, in the layout's dtype.
    """

    time: Num[Array, ""]
    y: Float[Array, "obs"]


@dataclass(frozen=True, eq=False)
class Network:
    """All that is known of the observations before they arrive; the same in every cycle.

    Arguments:
        h: (state,) -> (obs,) for one member, in the units of the observations; differentiable, and
            a function of the last frame alone.
        error_std: (obs,) standard deviations; R = diag(error_std^2).
        table: One row an observation: group, variable, level (hPa; NaN at the surface and where
            there are none), latitude and longitude in degrees or site, units, error_std.
        linear: Whether h is linear.
    """

    h: Callable[[Float[Array, "state"]], Float[Array, "obs"]]
    error_std: np.ndarray
    table: pd.DataFrame
    linear: bool

    @property
    def size(self) -> int:
        return len(self.error_std)

    @property
    def var(self) -> np.ndarray:
        """(obs,) the diagonal of R."""
        return self.error_std**2

    @cached_property
    def ids(self) -> np.ndarray:
        """(obs, 2) uint32: a name of each observation that no other observation has a part in.

        It is made of its group's name, variable, level and place (and a count, where a group
        looks at one thing twice), so the same observation in a thinner network, or after the
        groups were put in another order, has the same noise.
        """
        columns = [c for c in ID_COLUMNS if c in self.table]
        text = self.table[columns].map(lambda v: f"{v + 0.0:.6f}" if isinstance(v, float) else v)
        count = text.groupby(columns, dropna=False).cumcount()
        rows = zip(*(text[c] for c in columns), count, strict=True)
        names = ("|".join(map(str, row)).encode() for row in rows)
        digests = b"".join(hashlib.blake2b(name, digest_size=8).digest() for name in names)
        return np.frombuffer(digests, "<u4").reshape(-1, 2).astype(np.uint32)


ID_COLUMNS = ("group", "variable", "level", "latitude", "longitude", "site")


class Networks(NamedTuple):
    """The observations that methods are given, and those that verify them (None if none do)."""

    assimilated: Network
    withheld: Network | None


def networks(scenario: Scenario, layout: Layout) -> Networks:
    """Both networks of a scenario on a system's grid.

    Raises: UserError, with the line of the file, where the observations do not fit the grid.
    """
    groups = scenario.observations
    try:
        return Networks(build(groups, layout), build_withheld(groups, layout))
    except Misfit as e:
        raise report(scenario.document, [InputProblem(e.path, e.problem)]) from None


def build(groups: Sequence[Group], layout: Layout) -> Network:
    """What methods are given of a scenario's groups; UserError where these do not fit a grid."""
    network = _network(groups, layout, False)
    if network is None:
        raise Misfit(("observations",), "all are withheld; something must be left to assimilate")
    return network


def build_withheld(groups: Sequence[Group], layout: Layout) -> Network | None:
    """What the groups withhold from methods; None if nothing."""
    return _network(groups, layout, True)


def _network(groups: Sequence[Group], layout: Layout, kept_back: bool) -> Network | None:
    """What is kept back from methods, or what is not; None if that is nothing."""
    parts = [
        (g.name, rows) for i, g in enumerate(groups) for rows in _rows(i, g, layout, kept_back)
    ]
    if not parts:
        return None
    table = pd.concat([_table(*part) for part in parts]).reset_index(drop=True)
    h, linear = operator([rows for _, rows in parts], layout)
    return Network(h, table["error_std"].to_numpy(float), table, linear)


def observe(
    seed: int, cycle: int | Num[Array, ""], time: Any, network: Network, x: Float[Array, "state"]
) -> Observation:
    """y = h(x) + e, e ~ N(0, R), where e depends on (seed, cycle, observation) alone.

    Arguments:
        x: The true state at `time`.
    """
    y = network.h(x)
    key = jax.random.fold_in(stream(seed, "observation"), cycle)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(key, i[0]), i[1]))(network.ids)
    noise = jax.vmap(lambda k: jax.random.normal(k, dtype=y.dtype))(keys)
    return Observation(jnp.asarray(time), y + jnp.asarray(network.error_std, y.dtype) * noise)


def _rows(i: int, group: Group, layout: Layout, kept_back: bool) -> list[Rows]:
    """Targets that the same stations see are together; those that none sees are left out."""
    try:
        stations, targets = place(group, layout), resolve(group, layout)
        chosen = withheld(group, stations) == kept_back
        seen = [chosen & defined(t, stations, layout) for t in targets]
    except Misfit as e:
        raise Misfit(("observations", i, *e.path), e.problem) from None
    together = itertools.groupby(zip(targets, seen, strict=True), lambda pair: pair[1].tolist())
    return [
        Rows(stations.where(np.array(mask)), [target for target, _ in pairs])
        for mask, pairs in together
        if any(mask)
    ]


def _table(group: str, rows: Rows) -> pd.DataFrame:
    """One row an observation, station after station within each target."""
    stations, targets = rows
    n = len(stations.index)

    def each(values: list) -> np.ndarray:
        return np.repeat(np.array(values), n)

    return pd.DataFrame(
        {
            "group": group,
            "variable": each([t.variable for t in targets]),
            "level": each([np.nan if t.level is None else t.level for t in targets]),
            **{name: np.tile(c, len(targets)) for name, c in stations.coords.items()},
            "units": each([t.units for t in targets]),
            "error_std": each([t.error_std for t in targets]),
        }
    )

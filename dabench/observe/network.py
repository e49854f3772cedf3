"""The observations of a scenario: their table, the operator h, R, and y made from the truth."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float, Num

from dabench.core.layout import Layout
from dabench.core.random import stream
from dabench.observe.availability import Present, presence
from dabench.observe.buddies import Neighbours, neighbours
from dabench.observe.errors import Blocks, Drawing, as_assumed, correlate, correlated, drawing
from dabench.observe.measured import Calendar, Part, parts
from dabench.observe.operators import Rows, calm, defined, operator, resolve
from dabench.observe.reports import reported_fields
from dabench.observe.stations import place, withheld
from dabench.scenario.derived import DIRECTIONS
from dabench.scenario.locations import Measured, Misfit
from dabench.scenario.scenario import Group, Scenario
from dabench.scenario.validate import InputProblem, report


class Observation(NamedTuple):
    """The observations of one cycle.

    Arguments:
        time: Valid time in seconds, as in `ForecastModel`.
        y: One value an observation, in the units of its variable, in the layout's dtype; NaN where
            it is missing. A method that perturbs them has a row a member.
        present: Whether each observation is there; None: all are. A network has either in all
            cycles.
    """

    time: Num[Array, ""]
    y: Float[Array, "*row obs"]
    present: Bool[Array, "obs"] | None = None

    def masked(self, values: Float[Array, "*row obs"]) -> Float[Array, "*row obs"]:
        """Values of observations, with zero for those that are missing.

        An observation whose departure and whose row of H are zero says nothing, exactly, whatever
        its error is.
        """
        if self.present is None:
            return values
        return jnp.where(jnp.broadcast_to(self.present, values.shape), values, 0)


@dataclass(frozen=True, eq=False)
class Network:
    """The observations of every cycle without their values.

    Arguments:
        h: (state,) -> (obs,) for one member, in the units of the observations; differentiable, and
            a function of the last frame alone.
        error_std: (obs,) standard deviations; R = diag(error_std^2).
        table: One row an observation: group, variable, level (hPa; NaN for variables without one),
            latitude and longitude in degrees or site, units, error_std.
        linear: Whether h is linear.
        present: Number of a cycle -> whether each observation is there; None: all are, always.
        correlated: Blocks of observations whose errors are correlated; R is then error_std times
            their correlations times error_std. Methods are given `combined` observations in place
            of such, see `filters.whitened`.
        combined: Whether observations are combinations of those in the table.
        drawing: How errors are drawn; None: as methods assume, from N(0, R).
        drawn_correlated: Blocks of `correlated` and those that methods are not told of.
        measured: (cycle, obs) real values of the cycles from 1 on, NaN where one is missing; None:
            values are simulated.
        limit: (obs,) normalised departures from a forecast above which a value is rejected; None:
            there is no check.
        neighbours: Neighbours that may keep such a value, or reject another; None: there is no
            buddy check.
        calm: (state,) -> whether each observation is one of a direction, and the wind too weak to
            have one, so that it is missing; None: nothing observes a direction.
    """

    h: Callable[[Float[Array, "state"]], Float[Array, "obs"]]
    error_std: np.ndarray
    table: pd.DataFrame
    linear: bool
    present: Present | None = None
    correlated: Sequence[Blocks] = ()
    combined: bool = False
    drawing: Drawing | None = None
    drawn_correlated: Sequence[Blocks] = ()
    limit: np.ndarray | None = None
    measured: np.ndarray | None = None
    neighbours: Neighbours | None = None
    calm: Callable[[Float[Array, "state"]], Bool[Array, "obs"]] | None = None

    @property
    def size(self) -> int:
        """Number of observations."""
        return len(self.error_std)

    @property
    def gaps(self) -> bool:
        """Whether some observations may be missing in some cycles."""
        return any(part is not None for part in (self.present, self.limit, self.calm))

    @cached_property
    def circular(self) -> Bool[np.ndarray, "obs"]:
        """Whether each observation is an angle in degrees, of which 360 and 0 are the same."""
        return self.table["variable"].isin(DIRECTIONS).to_numpy(bool)

    def departure(self, y: Array, hx: Array) -> Array:
        """y - h(x), of angles the shorter way round, from -180 to 180 degrees."""
        d = y - hx
        return jnp.where(self.circular, (d + 180) % 360 - 180, d) if self.circular.any() else d

    @property
    def var(self) -> np.ndarray:
        """The diagonal of R, (obs,), in squared units of y."""
        return self.error_std**2

    @cached_property
    def ids(self) -> np.ndarray:
        """Hash of each observation, (obs, 2) uint32, that its noise is drawn by.

        It is made of the name of the group, variable, level and place (and a count, where a group
        observes one thing twice). So an observation has the same noise in a thinner network, and
        in another order of groups.
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
    """Observations for methods to assimilate, and those withheld for verification, if any."""

    assimilated: Network
    withheld: Network | None


def networks(scenario: Scenario, layout: Layout, cycle_seconds: float = 0.0) -> Networks:
    """Both networks of a scenario on a system's grid.

    Arguments:
        scenario: The scenario.
        layout: Layout of the system's states.
        cycle_seconds: Seconds from a cycle to the next, which real values are shared out by.
    Raises: UserError, with the line of the file, where the observations do not fit the grid.
    """
    groups, calendar = scenario.observations, Calendar.of(scenario, cycle_seconds)
    try:
        assimilated = build(groups, layout, calendar)
        return Networks(assimilated, build_withheld(groups, layout, calendar))
    except Misfit as e:
        raise report(scenario.document, [InputProblem(e.path, e.problem)]) from None


def build(groups: Sequence[Group], layout: Layout, calendar: Calendar | None = None) -> Network:
    """The network for methods to assimilate; Misfit where a group does not fit the grid."""
    network = _network(groups, layout, calendar, is_withheld=False)
    if network is None:
        raise Misfit(("observations",), "all are withheld; leave some to assimilate")
    return network


def build_withheld(
    groups: Sequence[Group], layout: Layout, calendar: Calendar | None = None
) -> Network | None:
    """The network that is withheld from methods; None if nothing is."""
    return _network(groups, layout, calendar, is_withheld=True)


def _network(
    groups: Sequence[Group], layout: Layout, calendar: Calendar | None, is_withheld: bool
) -> Network | None:
    """The withheld observations, or the others; None if there are none."""
    pairs: list[tuple[Group, Rows]] = []
    values: list[np.ndarray] = []
    for i, group in enumerate(groups):
        if isinstance(group.locations, Measured):
            real = _measured(i, group, layout, calendar, is_withheld)
            pairs += [(group, part.rows) for part in real]
            values += [part.y for part in real]
        else:
            pairs += [(group, rows) for rows in _rows(i, group, layout, is_withheld)]
    if not pairs:
        return None
    measured = np.concatenate(values, 1) if values else None
    table = pd.concat([_table(g.name, rows) for g, rows in pairs]).reset_index(drop=True)
    h, linear = operator([rows for _, rows in pairs], layout)
    return Network(
        h,
        table["error_std"].to_numpy(float),
        table,
        linear,
        presence(pairs) if measured is None else partial(_reported, measured),
        correlated(as_assumed(groups), table, layout),
        drawing=None if is_withheld else drawing(groups, table),
        drawn_correlated=correlated(groups, table, layout),
        limit=None if is_withheld else limits(groups, table),
        measured=measured,
        neighbours=None if is_withheld else neighbours(groups, table, layout),
        calm=calm([rows for _, rows in pairs], layout),
    )


def _measured(
    i: int, group: Group, layout: Layout, calendar: Calendar | None, is_withheld: bool
) -> list[Part]:
    """Observations of a group of real values, field by field."""
    try:
        return list(parts(group, layout, calendar, is_withheld))
    except Misfit as e:
        raise Misfit(("observations", i, *e.path), e.problem) from None


def _reported(measured: np.ndarray, cycle: int) -> Bool[np.ndarray, "obs"]:
    """Whether there is a value in a cycle."""
    return ~np.isnan(measured[cycle - 1])


def limits(groups: Sequence[Group], table: pd.DataFrame) -> np.ndarray | None:
    """The limit of the background check for each observation, infinite where there is none."""
    of_group = {g.name: g.reject_above or np.inf for g in groups}
    limit = np.array([of_group[name] for name in table["group"]])
    return limit if np.isfinite(limit).any() else None


def measure(cycle: int, time: Any, network: Network, dtype: str) -> Observation:
    """The real values of a cycle, from 1 on, with NaN for those that are missing."""
    assert network.measured is not None
    y = jnp.asarray(network.measured[cycle - 1], dtype)
    return Observation(jnp.asarray(time), y, ~jnp.isnan(y))


def observe(
    seed: int, cycle: int | Num[Array, ""], time: Any, network: Network, x: Float[Array, "state"]
) -> Observation:
    """y = h(x) + e, e ~ N(0, R), where e depends on (seed, cycle, observation) alone.

    Correlated errors depend on those of the other observations in their block, too. The direction
    of a wind below 1 m/s is missing.

    Arguments:
        x: The true state at `time`.
    """
    y = network.h(x)
    key = jax.random.fold_in(stream(seed, "observation"), cycle)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.fold_in(key, i[0]), i[1]))(network.ids)
    noise = jax.vmap(lambda k: jax.random.normal(k, dtype=y.dtype))(keys)
    if network.drawing is not None:
        noise = network.drawing.tailed(keys, noise)
    noise = correlate(network.drawn_correlated, noise)
    if network.drawing is not None:
        noise = network.drawing.shifted(noise)
    y = y + jnp.asarray(network.error_std, y.dtype) * noise
    if network.calm is None:
        return Observation(jnp.asarray(time), y)
    present = ~network.calm(x)
    y = jnp.where(jnp.asarray(network.circular), y % 360, y)
    return Observation(jnp.asarray(time), jnp.where(present, y, jnp.nan), present)


def reported(obs: Observation, network: Network, cycle: int) -> Observation:
    """The observations that a network has in a cycle, the others missing."""
    if network.present is None:
        return obs
    present = jnp.asarray(network.present(cycle))
    present = present if obs.present is None else present & obs.present
    return obs._replace(y=jnp.where(present, obs.y, jnp.nan), present=present)


def _rows(i: int, group: Group, layout: Layout, is_withheld: bool) -> list[Rows]:
    """Observations of a group: consecutive targets with the same stations are together.

    Targets that no station observes are left out.
    """
    try:
        stations, targets = place(group, layout), resolve(group, layout)
        in_network = withheld(group, stations) == is_withheld
        fields = [(t.variable, t.level) for t in targets]
        present = reported_fields(group.locations, fields, len(in_network))
        masks = [
            in_network & is_there & defined(t, stations, layout)
            for t, is_there in zip(targets, present, strict=True)
        ]
    except Misfit as e:
        raise Misfit(("observations", i, *e.path), e.problem) from None
    together = itertools.groupby(zip(targets, masks, strict=True), lambda pair: pair[1].tolist())
    return [
        Rows(stations.where(np.array(mask)), [target for target, _ in pairs])
        for mask, pairs in together
        if any(mask)
    ]


def _table(group: str, rows: Rows) -> pd.DataFrame:
    """One row an observation, station after station within each target."""
    stations, targets = rows
    n = len(stations.index)
    factor = 1.0 if stations.factor is None else np.tile(stations.factor, len(targets))

    def each(values: list) -> np.ndarray:
        return np.repeat(np.array(values), n)

    return pd.DataFrame(
        {
            "group": group,
            "variable": each([t.variable for t in targets]),
            "level": each([np.nan if t.level is None else t.level for t in targets]),
            **{name: np.tile(c, len(targets)) for name, c in stations.coords.items()},
            "units": each([t.units for t in targets]),
            "error_std": each([t.error_std for t in targets]) * factor,
        }
    )

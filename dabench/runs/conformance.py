"""The contract of a filter as checks, for methods of one's own.

The system is linear and Gaussian, with four variables, so that every method can be held to the
exact Kalman filter, and every check takes seconds. A method may claim less, by its `Limits`.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dabench.core.errors import UserError, in_words
from dabench.core.random import stream
from dabench.filters.base import Filter, Limits, Problem
from dabench.filters.ensemble import ensemble
from dabench.filters.kalman import kalman
from dabench.filters.whitened import whitened
from dabench.observe.network import build
from dabench.runs import cycle
from dabench.runs.archive import read
from dabench.runs.step import compile_step
from dabench.runs.twin import Twin
from dabench.scenario import plugins, settings, yamlfile
from dabench.scenario.availability import Availability
from dabench.scenario.errors import Correlation
from dabench.scenario.scenario import Group
from dabench.scenario.validate import validate
from dabench.systems.toys.linear_gaussian import linear_gaussian

MEMBERS, CYCLES, SPINUP = 64, 60, 10

Factory = Callable[[Problem], Filter]
Waiting = Callable[[str], AbstractContextManager[Any]]


class Check(NamedTuple):
    """The outcome of one clause of the contract.

    Arguments:
        name: Name of the clause.
        holds: Whether the filter keeps it.
        finding: Numbers that say how well, or the error that the filter raised.
    """

    name: str
    holds: bool
    finding: str


def find_factory(spec: str, changes: Sequence[str] = ()) -> Factory:
    """A filter's factory with its settings.

    Arguments:
        spec: Name of a filter, or `module:name` of a factory that can be imported from here.
        changes: Settings as `key=value`.
    Raises: UserError where there is no such factory, or it does not take the settings.
    """
    make = plugins.factory("filters", spec)
    values: dict[str, Any] = {}
    for text in changes:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: is not of the form key=value")
        values[key.strip()] = yamlfile.parse(value or "''", f"--set {text}").data
    checked, problems = validate(settings.schema(make), values)
    if checked is None or problems:
        lines = "\n".join(f"  {yamlfile.dotted(p.path)}: {p.text}" for p in problems)
        raise UserError(f"{spec}: settings\n{lines}")
    return partial(make, **settings.arguments(checked))


def conformance(make: Factory, waiting: Waiting = nullcontext) -> Iterator[Check]:
    """Check all clauses, one after the other; a clause fails where the filter raises an error.

    Arguments:
        make: Factory of the filter.
        waiting: Context in which a clause is checked, made from what is done.
    """
    trial = FilterTrial(make, _twin())
    for name, clause in CLAUSES.items():
        with waiting(f"checking: {name}"):
            try:
                holds, finding = clause(trial)
            except Exception as e:
                holds, finding = False, in_words(e)
        yield Check(name, bool(holds), finding)


def _twin(
    error_std: float = 1.0,
    availability: Availability | None = None,
    correlation: Correlation | None = None,
    **settings: Any,
) -> Twin:
    system = linear_gaussian(size=4, noise_length=1.0, **settings)
    group = Group(error_std=error_std, availability=availability, correlation=correlation)
    network = build([group], system.layout)
    return Twin(system, network, jnp.asarray(system.truth(3, CYCLES)), 3)


def _problem(twin: Twin) -> Problem:
    return Problem(twin.system.model, twin.network, jnp.asarray(twin.system.climate))


class FilterTrial:
    """A filter on a twin, compiled once."""

    def __init__(self, make: Factory, twin: Twin):
        self.make, self.twin = make, twin

    @cached_property
    def method(self) -> Filter:
        """The filter."""
        return whitened(self.make, _problem(self.twin))

    @cached_property
    def parts(self) -> tuple[Callable[[Any], Any], Callable[..., Any]]:
        method, twin = self.method, self.twin
        init = jax.jit(method.init)
        key = stream(twin.seed, "filter")
        return init, compile_step(method, key, init(twin.initial(MEMBERS)), twin.observation(1))[0]

    def run(
        self, x: Any = None, key: Any = None, cycles: int = CYCLES
    ) -> Float[np.ndarray, "cycle member state"]:
        """Analyses from cycle 1 on.

        Arguments:
            x: Initial members; default those of the twin.
            key: Random key of all cycles; default that of the twin's seed.
            cycles: Number of cycles.
        """
        init, step = self.parts
        key = stream(self.twin.seed, "filter") if key is None else key
        carry, analyses = init(self.twin.initial(MEMBERS) if x is None else x), []
        for k in range(1, cycles + 1):
            key_of_cycle = jax.random.fold_in(key, np.uint32(k))
            carry, _ = step(key_of_cycle, carry, self.twin.observation(k))
            analyses.append(np.asarray(carry.x))
        return np.array(analyses)

    def on(self, twin: Twin) -> "FilterTrial":
        """The same filter on another twin."""
        return FilterTrial(self.make, twin)


def _keeps_shapes(trial: FilterTrial) -> tuple[bool, str]:
    x = trial.run(cycles=2)
    initial = trial.twin.initial(MEMBERS)
    same = x.shape[1:] == initial.shape and x.dtype == initial.dtype
    return same and bool(np.isfinite(x).all()), f"members {x.shape[1:]} of {x.dtype}, finite"


def _is_close_to_kalman(trial: FilterTrial) -> tuple[bool, str]:
    truth = np.asarray(trial.twin.truth)[1 + SPINUP :]
    errors = [
        np.sqrt(((t.run()[SPINUP:].mean(1) - truth) ** 2).mean())
        for t in (trial, FilterTrial(kalman, trial.twin), FilterTrial(ensemble, trial.twin))
    ]
    finding = "RMSE {:.3f}, of the exact filter {:.3f}, without observations {:.3f}"
    limit, text = trial.method.limits.kalman, finding.format(*errors)
    if limit is None:
        return bool(np.isfinite(errors[0])), f"{text}; claims nothing"
    usual = limit == Limits().kalman
    return errors[0] <= limit * errors[1], text if usual else f"{text}; claims {limit:g} of exact"


def _is_close_where_noise_is_correlated(trial: FilterTrial) -> tuple[bool, str]:
    """C is not the identity: a method that leaves it out is found here."""
    return _is_close_to_kalman(trial.on(_twin(noise_cov="correlated", noise_cov_scale=1.5)))


def _is_close_where_the_mean_is_not_zero(trial: FilterTrial) -> tuple[bool, str]:
    """The denoiser's target has a mean of two of its standard deviations."""
    return _is_close_to_kalman(trial.on(_twin(intercept=1.0)))


def _is_close_where_observations_are_missing(trial: FilterTrial) -> tuple[bool, str]:
    """Three of four observations are there, and y is NaN in place of the others."""
    return _is_close_to_kalman(trial.on(_twin(availability=Availability(share=0.75))))


def _is_close_where_errors_are_correlated(trial: FilterTrial) -> tuple[bool, str]:
    """R is a Gaussian of the distance; a method sees combinations of observations, with R = I."""
    if not trial.method.limits.correlated:
        return True, "claims nothing"
    return _is_close_to_kalman(trial.on(_twin(correlation=Correlation(length_sites=1.0))))


def _like_the_ensemble(trial: FilterTrial) -> tuple[bool, str]:
    """The same draws, or at least means and spreads within standard errors of them."""
    if not trial.method.limits.uninformed:
        return True, "claims nothing"
    a, b = trial.run(cycles=8), FilterTrial(ensemble, trial.twin).run(cycles=8)
    if np.allclose(a, b, rtol=1e-6, atol=1e-6):
        return True, "the same draws as the unconditional ensemble"
    error = np.sqrt((a.var(1) + b.var(1)) / MEMBERS)
    off = np.abs(a.mean(1) - b.mean(1)) / error
    ratio = a.std(1).mean() / b.std(1).mean()
    finding = f"means {off.max():.1f} standard errors off at most, spread {ratio:.2f} of it"
    return off.max() < 5 and abs(ratio - 1) < 4 / np.sqrt(2 * MEMBERS), finding


def _ignores_what_says_nothing(trial: FilterTrial) -> tuple[bool, str]:
    return _like_the_ensemble(trial.on(_twin(error_std=1e8)))


def _learns_nothing_from_blind_instruments(trial: FilterTrial) -> tuple[bool, str]:
    """Observations have values, but h(x) = 0 whatever x is."""
    network = trial.twin.network
    blind = replace(network, h=lambda x: 0 * network.h(x))
    return _like_the_ensemble(trial.on(replace(trial.twin, network=blind)))


def _does_not_care_for_the_order_of_members(trial: FilterTrial) -> tuple[bool, str]:
    """Analysis means of permuted members are those of the members, over many keys."""
    x = trial.twin.initial(MEMBERS)
    order = np.random.default_rng(0).permutation(MEMBERS)
    keys = jax.random.split(jax.random.key(1), 24)
    means = [[trial.run(y, k, 1)[0].mean(0) for k in keys] for y in (x, x[order])]
    d = np.asarray(means[0]) - np.asarray(means[1])
    error = d.std(0, ddof=1) / np.sqrt(len(d)) + 1e-9
    off = np.abs(d.mean(0)) / error
    return off.max() < 5, f"means differ by {off.max():.1f} standard errors at most"


def _depends_on_its_key_alone(trial: FilterTrial) -> tuple[bool, str]:
    one, two = (t.run(cycles=5) for t in (trial, trial.on(trial.twin)))
    other = trial.run(key=stream(4, "filter"), cycles=5)
    same = np.array_equal(one, two)
    draws = not np.array_equal(one, other)
    return (
        same and draws == trial.method.limits.random,
        f"same key: {'same' if same else 'OTHER'} bits",
    )


def _goes_on_where_it_was(trial: FilterTrial) -> tuple[bool, str]:
    """A run that is stopped after 7 of 20 cycles ends with the same bits."""
    short = replace(trial.twin, truth=trial.twin.truth[:21])
    attrs: Mapping[str, Any] = {"status": "running", "completed": -1}

    def stop(k: int, *_: object) -> None:
        if k == 7:
            raise KeyboardInterrupt

    def go(folder: Path, report: Callable[..., None]) -> None:
        folder.mkdir(exist_ok=True)
        method = trial.make(_problem(short))
        cycle.run(method, short, MEMBERS, folder, dict(attrs), store_members=True, report=report)

    with tempfile.TemporaryDirectory() as place:
        whole, parts = Path(place, "whole"), Path(place, "parts")
        go(whole, lambda *_: None)
        try:
            go(parts, stop)
        except KeyboardInterrupt:
            go(parts, lambda *_: None)
        a, b = (read.open_run(f)["members"].to_dataset().load() for f in (whole, parts))
    return a.identical(b), "the same bits" if a.identical(b) else "OTHER bits than in one go"


CLAUSES: dict[str, Callable[[FilterTrial], tuple[bool, str]]] = {
    "keeps shape and dtype, compiles": _keeps_shapes,
    "linear-Gaussian: close to the Kalman filter": _is_close_to_kalman,
    "the same, noise of the diffusion correlated": _is_close_where_noise_is_correlated,
    "the same, forecasts with a mean": _is_close_where_the_mean_is_not_zero,
    "the same, a quarter of the observations missing": _is_close_where_observations_are_missing,
    "the same, errors of observations correlated": _is_close_where_errors_are_correlated,
    "R to infinity: as the unconditional ensemble": _ignores_what_says_nothing,
    "no observations (h = 0): as the unconditional ensemble": (
        _learns_nothing_from_blind_instruments
    ),
    "order of members does not matter": _does_not_care_for_the_order_of_members,
    "seeds: the key decides, nothing else": _depends_on_its_key_alone,
    "resume: goes on where it was": _goes_on_where_it_was,
}


def report(
    spec: str,
    changes: Sequence[str],
    say: Callable[[str], None],
    waiting: Waiting = nullcontext,
) -> None:
    """Check a filter and print every clause; UserError if one does not hold.

    Arguments:
        spec: The filter, see `find_factory`.
        changes: Settings as `key=value`.
        say: Function that prints a line.
        waiting: Context in which a clause is checked, made from what is done.
    """
    make, failed = find_factory(spec, changes), 0
    for check in conformance(make, waiting):
        failed += not check.holds
        say(f"{'holds' if check.holds else 'FAILS':6} {check.name}: {check.finding}")
    if failed:
        raise UserError(f"{spec}: {failed} of {len(CLAUSES)} clauses do not hold")

"""A scenario with its system, observations and truth: what all methods on it share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dabench.core.digest import sha256
from dabench.core.errors import UserError
from dabench.core.jax_setup import set_up_jax
from dabench.runs.archive.status import RUNNING
from dabench.scenario.scenario import Differences, Perturbed, Scenario

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from dabench.filters.base import Problem
    from dabench.observe.network import Networks
    from dabench.runs.twin import Twin
    from dabench.systems.base import System


def attributes(
    scenario: Scenario,
    identity: dict[str, Any],
    label: str,
    graph: str = "",
    trajectory: str = "",
) -> dict[str, Any]:
    """Attributes of the root of a new run's archive, as plain data.

    Arguments:
        scenario: The scenario that is run.
        identity: All that determines the numbers, see `execute.Job.identity`.
        label: Name of the method in tables.
        graph: Digest of the graph of the model's network, if it has one.
        trajectory: Name of the truth, if seeds share some.
    """
    from dabench.core.provenance import provenance

    facts = {"graph": graph, "trajectory": trajectory}
    return identity | {
        "status": str(RUNNING),
        "completed": -1,
        "identity": identity,
        "digest": sha256(identity),
        "scenario": scenario.plain() | {"digest": scenario.digest},
        "method": label,
        "seed": scenario.seed,
        "cycles": scenario.period.cycles,
        "spinup": scenario.period.spinup,
        "provenance": provenance() | {name: fact for name, fact in facts.items() if fact},
    }


@dataclass(frozen=True, eq=False)
class Experiment:
    """A scenario with everything that its methods share, made when it is first needed."""

    scenario: Scenario

    @cached_property
    def system(self) -> "System":
        """The system that the scenario names; JAX is set up for it."""
        set_up_jax()
        from dabench.systems import make

        return make.system(self.scenario)

    @cached_property
    def networks(self) -> "Networks":
        """Networks of the observations: those that methods are given, and those withheld."""
        from dabench.observe.network import networks

        return networks(self.scenario, self.system.layout, self.system.cycle_seconds)

    @cached_property
    def problem(self) -> "Problem":
        """All that a method may know: model, network and climate, not the truth."""
        import jax.numpy as jnp

        from dabench.filters.base import Problem

        system = self.system
        network = self.networks.assimilated
        climate = jnp.asarray(system.climate, system.layout.dtype)
        return Problem(system.model, network, climate, system.batch)

    @cached_property
    def twin(self) -> "Twin":
        """Truth, observations and initial members, by the scenario's seed."""
        return self.twin_of_lag(0)

    def twin_of_lag(self, lag: int) -> "Twin":
        """The twin with some more cycles, for estimates that look ahead.

        What a smoother estimates is not compared with withheld observations. Where there is no
        truth after cycle 0, it is NaN.

        Raises: UserError for a smoother of real values.
        """
        import jax.numpy as jnp

        from dabench.runs.twin import Twin

        scenario, system, initial = self.scenario, self.system, self.scenario.initial
        if lag and scenario.is_real:
            raise UserError("--smooth: is of simulated observations; leave it out for real ones")
        truth = self._truth(scenario.period.cycles + lag)
        return Twin(
            system=system,
            network=self.problem.network,
            truth=jnp.asarray(truth, system.layout.dtype),
            seed=scenario.seed,
            start=seconds(system.start),
            initial_kind=initial.kind,
            amplitude=initial.amplitude if isinstance(initial, Perturbed) else 1.0,
            differences=initial if isinstance(initial, Differences) else None,
            withheld=None if lag else self.networks.withheld,
            lag=lag,
        )

    def _truth(self, cycles: int) -> "Float[np.ndarray, 'cycle state']":
        """The truth, or the initial state alone before cycles of NaN."""
        import numpy as np

        seed = self.scenario.seed
        if self.scenario.has_truth:
            return np.asarray(self.system.truth(seed, cycles))
        first = np.asarray(self.system.truth(seed, 0))
        return np.concatenate([first, np.full((cycles, first.shape[1]), np.nan, first.dtype)])


def seconds(start: str | None) -> float:
    """Seconds since 1970 of an ISO time, in UTC unless it says otherwise; 0 for None."""
    if start is None:
        return 0.0
    time = datetime.fromisoformat(start)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

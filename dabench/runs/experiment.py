"""A scenario with its system, observations and truth: what all methods on it share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dabench.core.digest import sha256
from dabench.core.jax_setup import set_up_jax
from dabench.runs.archive.status import RUNNING
from dabench.scenario.scenario import Scenario

if TYPE_CHECKING:
    from dabench.filters.base import Problem
    from dabench.observe.network import Networks
    from dabench.runs.twin import Twin
    from dabench.systems.base import System


def attributes(
    scenario: Scenario, identity: dict[str, Any], label: str, graph: str = ""
) -> dict[str, Any]:
    """What the root of a new run's archive says; `graph` is the digest of the model's graph."""
    from dabench.core.provenance import provenance

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
        "provenance": provenance() | ({"graph": graph} if graph else {}),
    }


@dataclass(frozen=True, eq=False)
class Experiment:
    """What all methods on a scenario share, made when it is first needed."""

    scenario: Scenario

    @cached_property
    def system(self) -> "System":
        set_up_jax()
        from dabench.systems import make

        return make.system(self.scenario)

    @cached_property
    def networks(self) -> "Networks":
        from dabench.observe.network import networks

        return networks(self.scenario, self.system.layout)

    @cached_property
    def problem(self) -> "Problem":
        import jax.numpy as jnp

        from dabench.filters.base import Problem

        system = self.system
        network = self.networks.assimilated
        climate = jnp.asarray(system.climate, system.layout.dtype)
        return Problem(system.model, network, climate, system.batch)

    @cached_property
    def twin(self) -> "Twin":
        import jax.numpy as jnp

        from dabench.runs.twin import Twin

        s, system = self.scenario, self.system
        truth = jnp.asarray(system.truth(s.seed, s.period.cycles), system.layout.dtype)
        return Twin(
            system,
            self.problem.network,
            truth,
            s.seed,
            seconds(system.start),
            **s.initial.model_dump(),
            withheld=self.networks.withheld,
        )


def seconds(start: str | None) -> float:
    """ISO time to seconds since 1970; 0 where there is no calendar."""
    if start is None:
        return 0.0
    time = datetime.fromisoformat(start)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()

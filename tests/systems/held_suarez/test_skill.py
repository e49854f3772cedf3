"""Two cycles of the embedded atmosphere: what guidance by temperature does to every variable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.random import stream
from dabench.diffusion.guidance import GuidanceSettings
from dabench.filters.base import Problem
from dabench.filters.ensemble import ensemble
from dabench.filters.guided import guided
from dabench.observe.network import networks, observe
from dabench.scenario.load import load_scenario
from dabench.systems.held_suarez.system import held_suarez

pytestmark = pytest.mark.slow
MEMBERS, CYCLES = 4, 2


@pytest.fixture(scope="module")
def errors():
    """method -> (channel,) RMSE of the mean after the last cycle, over the climate's deviation."""
    system = held_suarez()
    network = networks(load_scenario("dry_temp_4deg"), system.layout).assimilated
    problem = Problem(system.model, network, jnp.asarray(system.climate), batch=MEMBERS)
    guide = GuidanceSettings("cg", 2, sigma_guide=2.0, prior_variance=0.25)
    methods = {"guided": guided(problem, guidance=guide), "ensemble": ensemble(problem)}
    return {name: last_errors(system, network, method) for name, method in methods.items()}


def last_errors(system, network, method):
    truth = jnp.asarray(system.truth(0, CYCLES))
    keys = [jax.random.fold_in(stream(0, "initial"), i) for i in range(MEMBERS)]
    carry = method.init(jnp.stack([system.perturb(key, truth[0], 0.3) for key in keys]))
    step = jax.jit(method.step)
    for k in range(1, CYCLES + 1):
        obs = observe(0, k, jnp.asarray(k * system.cycle_seconds), network, truth[k])
        carry, _ = step(jax.random.fold_in(stream(0, "filter"), k), carry, obs)
    now = system.layout.now
    area = np.cos(np.radians(system.layout.positions["latitude"]))[None] + 1e-9
    error = (np.asarray(now(carry.x)).mean(0) - np.asarray(now(truth[CYCLES]))) ** 2
    climate = np.asarray(now(jnp.asarray(system.climate))).var(0)
    return np.sqrt((error * area).sum(-1) / (climate * area).sum(-1))


def test_temperature_is_known_to_the_error_of_its_observations(errors):
    observed = temperature()
    assert np.all(errors["guided"][observed] < 0.06)  # 0.1 K is 0.02 to 0.06 of the climate's
    assert np.all(errors["guided"][observed] < 0.2 * errors["ensemble"][observed])


def test_no_unobserved_variable_is_worse_for_it(errors):
    others = ~temperature()
    assert np.all(errors["guided"][others] < errors["ensemble"][others])


def temperature():
    return np.array(["temperature" in c.name for c in held_suarez().layout.channels])

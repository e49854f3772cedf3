"""What methods say that a forecast cost, against a denoiser that counts how often it is called."""

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from dabench.core.errors import UserError
from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import DiffusionModel, ForecastModel, Sampler
from dabench.diffusion.samplers import steps
from dabench.filters.base import Problem, split_key
from dabench.filters.bootstrap import bootstrap
from dabench.filters.climatology import climatology
from dabench.filters.enkf import enkf
from dabench.filters.ensemble import ensemble
from dabench.filters.fa_apf import fa_apf
from dabench.filters.forecast import forecast
from dabench.filters.guided import guided
from dabench.filters.letkf import letkf
from dabench.filters.oi import oi
from dabench.observe.network import Network, Observation
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, MEMBERS, LEVELS = 4, 6, 5
SITES = np.array([0, 2])
OWN = Sampler("dpmpp_2s", levels=LEVELS)
SOLVED = GuidanceSettings("cg", 3)


class Counting:
    """A diffusion model without a forecast of its own, which tallies its denoiser's calls.

    The denoiser of the linear-Gaussian system is linear, so its derivative is itself transposed.
    """

    def __init__(self):
        self.exact: Any = linear_gaussian(size=SIZE).model
        self.sampler, self.calls = OWN, Counter()

    def __getattr__(self, name):
        if name == "forecast":
            raise AttributeError(name)
        return getattr(self.exact, name)

    def tally(self, kind, rows):
        """Count the rows when the program runs: under vmap, those of every element."""
        jax.debug.callback(lambda rows: self.calls.update({kind: len(rows)}), rows)

    def denoiser(self, sigma):
        exact = self.exact.denoiser(sigma)

        @jax.custom_vjp
        def denoise(z):
            self.tally("evaluations", z)
            return exact(z, ())

        def forward(z):
            return denoise(z), z

        def backward(z, w):
            self.tally("products", w)
            return jax.vjp(lambda z: exact(z, ()), z)[1](w)

        denoise.defvjp(forward, backward)
        return lambda z, _: denoise(z)


def observed(model):
    """A problem with two sites observed, initial members, an observation."""
    table = pd.DataFrame(
        {"group": "state", "variable": "state", "level": np.nan, "site": SITES, "error_std": 0.5}
    )
    network = Network(lambda x: x[SITES], np.full(len(SITES), 0.5), table, True)
    climate = linear_gaussian(size=SIZE).climate
    obs = Observation(jnp.zeros(()), jnp.array([0.3, -0.2]))
    return Problem(model, network, climate, batch=4), climate[:MEMBERS], obs


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (ensemble, {}),
        (ensemble, {"sampler": Sampler("ab3", levels=3)}),
        (bootstrap, {}),
        (letkf, {"length_scale_sites": 2.0}),
        (enkf, {"length_scale_sites": 2.0}),
        (oi, {"length_scale_sites": 2.0}),
        (guided, {"guidance": SOLVED}),
        (fa_apf, {"guidance": SOLVED}),
        (fa_apf, {"guidance": GuidanceSettings("bicgstab", 2)}),
        (fa_apf, {"guidance": SOLVED, "weight": "gaussian"}),
    ],
)
def test_a_method_reports_the_calls_of_the_denoiser(make, settings, key):
    model = Counting()
    problem, x, obs = observed(model)
    problem = problem._replace(batch=MEMBERS)  # no member is repeated to fill a batch
    method = make(problem, **settings)
    _, info = jax.jit(method.step)(key, method.init(x), obs)
    jax.effects_barrier()
    calls = {kind: model.calls[kind] / MEMBERS for kind in ("evaluations", "products")}
    assert {kind: int(info[kind]) for kind in calls} == calls


@pytest.mark.parametrize(
    ("make", "settings"), [(climatology, {}), (oi, {"background": "climatology"})]
)
def test_a_method_without_forecasts_reports_no_cost(make, settings, key):
    model = Counting()
    problem, x, obs = observed(model)
    method = make(problem, **settings)
    _, info = jax.jit(method.step)(key, method.init(x), obs)
    jax.effects_barrier()
    assert not {"evaluations", "products"} & info.keys()
    assert not model.calls


def test_without_a_forecast_of_its_own_a_model_is_drawn_with_its_own_sampler(key):
    model = Counting()
    assert isinstance(model, DiffusionModel)
    assert not isinstance(model, ForecastModel)
    problem, x, obs = observed(model)
    keys, _ = split_key(key, MEMBERS)
    drawn, info = jax.jit(lambda keys, x: forecast(problem, keys, x, obs.time))(keys, x)
    draws = jax.jit(lambda keys, x: draw.members(keys, model, x, obs.time, OWN, 4))
    np.testing.assert_allclose(drawn, draws(keys, x)[0], rtol=1e-12)
    assert info["evaluations"] == len(steps(OWN).sigma)
    assert "guarded" not in info


def test_an_exact_forecast_is_preferred_and_calls_no_denoiser(key):
    model: Any = linear_gaussian(size=SIZE).model
    problem, x, obs = observed(model)
    keys, _ = split_key(key, MEMBERS)
    drawn, info = forecast(problem, keys, x, obs.time)
    np.testing.assert_array_equal(drawn, model.forecast(keys, x, obs.time))
    assert info == {}


def test_a_sampler_for_a_model_without_denoiser_is_refused(key):
    class Still:
        layout = None

        def forecast(self, keys, x, time):
            return x

    problem, x, obs = observed(Still())
    with pytest.raises(UserError, match="needs a diffusion model"):
        forecast(problem, split_key(key, MEMBERS)[0], x, obs.time, OWN)

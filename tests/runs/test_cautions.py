"""Cautions: noise levels beyond a network's training, and solves that leave much."""

from types import SimpleNamespace

import pytest

from dabench.core.errors import Caution
from dabench.diffusion.model import Sampler
from dabench.runs import execute as running
from dabench.runs.cautions import beyond_training, warn_of_samplers
from dabench.scores.diagnostics import unsolved
from dabench.scores.record import Diagnostic

OWN = Sampler("dpmpp_3m", levels=12, sigma_max=20.0, sigma_min=0.01)
MODEL = SimpleNamespace(trained_on=(0.02, 88.0), sampler=OWN)


def test_levels_below_and_above_those_of_the_training_are_counted():
    low = beyond_training(MODEL, Sampler(levels=40, sigma_max=80.0, sigma_min=0.002))
    # Karras et al.'s levels end with 0.0108, 0.0064, 0.0037, 0.002.
    assert low is not None
    assert "3 of 40 noise levels, from 80 to 0.002, lie outside of 0.01 to 88" in low
    high = beyond_training(MODEL, Sampler(levels=4, sigma_max=100.0, sigma_min=0.5))
    assert high is not None
    assert "1 of 4 noise levels, from 100 to 0.5" in high


@pytest.mark.parametrize("sampler", [OWN, Sampler(sigma_max=88.0, sigma_min=0.02)])
def test_levels_of_the_training_and_of_the_models_own_sampler_are_fine(sampler):
    assert beyond_training(MODEL, sampler) is None


def test_an_exact_denoiser_takes_any_level():
    assert beyond_training(SimpleNamespace(sampler=OWN), Sampler(sigma_min=1e-6)) is None


def test_a_run_warns_before_it_starts(monkeypatch):
    changes = ["sampler.sigma_max=88", "sampler.sigma_min=2e-5"]
    (job,) = running.plan("linear_gaussian", methods=["guided"], changes=changes)
    system = SimpleNamespace(model=MODEL)
    monkeypatch.setattr(type(job.experiment), "system", system)
    with pytest.warns(Caution, match="guided: filter.sampler: .* from 88 to 2e-05"):
        warn_of_samplers([job])


def test_a_run_says_so_where_solves_leave_most_of_the_innovations():
    def left(share):
        return {"residual": Diagnostic(share, share, [share])}

    assert unsolved(left(0.4)) is None
    assert unsolved({}) is None
    assert "left 80% of the innovations or more" in (unsolved(left(0.8)) or "")

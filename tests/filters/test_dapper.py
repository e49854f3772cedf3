"""Twin experiments on the Lorenz systems against those of DAPPER 1.7.1, by a Welch test on runs.

The numbers are means and standard errors over DAPPER's runs (float64; truth, observations and
ensemble start anew in each); time means are over cycles after the burn-in, roots before them.
"""

from functools import partial

import numpy as np
import pytest
from twins import channels, sites, twin

from dabench.filters.bootstrap import bootstrap
from dabench.filters.climatology import climatology
from dabench.filters.enkf import enkf
from dabench.filters.letkf import letkf
from dabench.filters.oi import oi
from dabench.systems.toys.lorenz63 import lorenz63
from dabench.systems.toys.lorenz96 import lorenz96


def cases(table, *few):
    """Names of cases; all but a few are left out of the usual run of tests."""
    return [pytest.param(n, marks=() if n in few else pytest.mark.slow) for n in table]


def dappers(radius, **settings):
    """Its LETKF: pairs of points, half-width 1.82 radii, tapers below 1e-3 left out."""
    scale = 1.82 * radius / np.sqrt(10 / 3)
    return partial(letkf, length_scale_sites=scale, truncation=1e-3, batch=2, rtps=0.0, **settings)


SQRT = partial(letkf, rtps=0.0, rotation=True)
PERT = partial(enkf, rtps=0.0)

LORENZ96 = {
    # name: method, members, seeds, (rmse, se), (spread, se)
    "Sqrt N=40 1.01 rot": (
        partial(SQRT, inflation=1.01),
        40,
        4,
        (0.1760, 0.0014),
        (0.1834, 0.0007),
    ),
    "Sqrt N=24 1.02 rot": (
        partial(SQRT, inflation=1.02),
        24,
        8,
        (0.1791, 0.0007),
        (0.2017, 0.0007),
    ),
    "PertObs N=40 1.06": (partial(PERT, inflation=1.06), 40, 4, (0.2188, 0.0012), (0.2427, 0.0005)),
    "LETKF N=10 1.04 r4": (dappers(4, inflation=1.04), 10, 8, (0.2134, 0.0006), (0.2586, 0.0006)),
    "LETKF N=20 1.02 r6": (dappers(6, inflation=1.02), 20, 2, (0.1898, 0.0007), (0.2180, 0.0008)),
}
LORENZ63 = {
    "Sqrt N=10 1.02 rot": (
        partial(SQRT, inflation=1.02),
        10,
        12,
        (0.5835, 0.0104),
        (0.6367, 0.0020),
    ),
    "PertObs N=100 1.01": (
        partial(PERT, inflation=1.01),
        100,
        12,
        (0.5696, 0.0062),
        (0.6717, 0.0024),
    ),
}


def assert_agree(runs, published):
    """Welch's rule: three standard errors of the difference, and 0.002 for what is not sampled."""
    (mean, se), own = published, np.std(runs, ddof=1) / np.sqrt(len(runs))
    assert abs(np.mean(runs) - mean) < 3 * np.sqrt(se**2 + own**2 + 0.002**2)


@pytest.mark.parametrize("name", cases(LORENZ96, "LETKF N=10 1.04 r4"))
def test_lorenz96_agrees(name):
    method, members, seeds, rmse, spread = LORENZ96[name]
    runs = twin(lorenz96(), sites(40), method, members, 2000, 400, np.arange(seeds))
    assert_agree(runs[0], rmse)
    assert_agree(runs[1], spread)


@pytest.mark.parametrize("name", LORENZ63)
def test_lorenz63_agrees(name):
    method, members, seeds, rmse, spread = LORENZ63[name]
    system = lorenz63()
    network = channels(system.layout, np.sqrt(2))
    runs = twin(system, network, method, members, 1000, 64, np.arange(seeds))
    assert_agree(runs[0], rmse)
    assert_agree(runs[1], spread)


PARTICLES = {
    "PartFilt L63 N=100 reg 2.4 NER .3": (lorenz63, 100, (0.3, 2.4), 6, 1000, (0.3778, 0.0051)),
    "PartFilt L63 N=4000 reg .7 NER .05": (lorenz63, 4000, (0.05, 0.7), 3, 1000, (0.2597, 0.0084)),
    "PartFilt L96 N=3000 reg .7 NER .5": (lorenz96, 3000, (0.5, 0.7), 2, 600, (0.2491, 0.0002)),
}


@pytest.mark.parametrize("name", cases(PARTICLES, "PartFilt L63 N=100 reg 2.4 NER .3"))
def test_particle_filter_agrees(name):
    make, members, (threshold, jitter), seeds, cycles, published = PARTICLES[name]
    system = make()
    small = make is lorenz63
    network = channels(system.layout, np.sqrt(2)) if small else sites(40)
    method = partial(bootstrap, threshold=threshold, jitter=jitter)
    rmse, _ = twin(system, network, method, members, cycles, 64 if small else 400, np.arange(seeds))
    assert_agree(rmse, published)


@pytest.mark.parametrize(
    ("settings", "published"),
    [
        pytest.param(
            {"background": "climatology", "variance_scale": 1.0},
            (0.9419, 0.0006),
            marks=pytest.mark.slow,
        ),
        ({"background": "forecast", "variance_scale": 0.02}, (0.4255, 0.0024)),
    ],
)
def test_interpolation_agrees_with_optinterp_and_var3d(settings, published):
    method = partial(oi, draws=1000, **settings)
    rmse, _ = twin(lorenz96(), sites(40), method, 1, 1000, 400, np.arange(4))
    assert_agree(rmse, published)


def test_climatology_agrees():
    method = climatology
    rmse, spread = twin(lorenz96(), sites(40), method, 500, 1000, 400, np.arange(4))
    assert_agree(rmse, (3.6384, 0.0115))
    assert_agree(spread, (3.6338, 0.0084))

"""Which fields and points are observed: held to the derivative of the observation operator."""

import jax
import mock_run
import numpy as np
import pytest
import xarray as xr

from dabench.core.layout import Channel, Layout
from dabench.observe.network import build
from dabench.runs.archive.layout import label
from dabench.scenario.scenario import Group
from dabench.scores.files import score_run
from dabench.scores.observed import kinds_of_fields, observed_cells, untouched
from dabench.scores.record import UNOBSERVED, Key, Variable

SPHERE = Layout(
    (
        Channel("10m_u_component_of_wind", "m s**-1"),
        Channel("10m_v_component_of_wind", "m s**-1"),
        Channel("2m_temperature", "K"),
        Channel("mean_sea_level_pressure", "Pa"),
        Channel("specific_humidity", "kg kg**-1", 250.0),
        Channel("specific_humidity", "kg kg**-1", 500.0),
        Channel("temperature", "K", 250.0),
        Channel("temperature", "K", 500.0),
    ),
    {"latitude": np.linspace(-90, 90, 10), "longitude": np.arange(0, 360, 20.0)},
    height=np.zeros(180),
)
TEMPERATURE = {"variables": ["temperature"], "levels": ["surface", 500], "error_std": 1}
NETWORKS = {
    "the grid itself": [{**TEMPERATURE, "locations": {"every": 2}}],
    "a grid of its own": [{**TEMPERATURE, "locations": {"grid": 30}}],
    "stations": [{**TEMPERATURE, "locations": {"random": 7, "seed": 1}}],
    "near the date line and the pole": [
        {**TEMPERATURE, "locations": {"points": [[3, 355], [-89, 10], [90, 40], [10, -0.001]]}}
    ],
    "some withheld": [
        {**TEMPERATURE, "locations": {"random": 9}, "withhold": {"share": 0.4, "seed": 2}}
    ],
    "blocks": [{**TEMPERATURE, "locations": {"blocks": 3}}],
    "speed, and a second group": [
        {"variables": ["wind_speed"], "levels": ["surface"], "error_std": 1,
         "locations": {"random": 5}},
        {"name": "more", **TEMPERATURE, "locations": {"points": [[10, 10]]}},
    ],
    "direction, and pressure": [
        {"variables": ["wind_direction"], "levels": ["surface"], "error_std": 9,
         "locations": {"random": 5}},
        {"name": "p", "variables": ["station_pressure"], "error_std": 100,
         "locations": {"points": [[10, 10]], "heights": [700.0]}},
    ],
    "an average, and a column": [
        {"variables": ["temperature"], "average": {250: 1, 500: 2}, "error_std": 1,
         "locations": {"random": 5}},
        {"name": "q", "variables": ["total_column_water_vapour"], "levels": ["surface"],
         "error_std": 1, "locations": {"points": [[10, 10]]}},
    ],
}  # fmt: skip


def tree_of(groups: list[Group], layout: Layout) -> xr.DataTree:
    """An archive's root with the network of groups."""
    network = build(groups, layout)
    shape = (2, len(layout.channels), layout.points)
    x, y = np.zeros(shape), np.zeros((2, network.size))
    rec = mock_run.record(layout, cycles=1)._replace(truth=x, y=y)
    info = {k: v for k, v in rec.info.items() if not k.startswith("background")}
    parts = label(layout, network.table, rec._replace(info=info))
    tree = xr.DataTree.from_dict({name: parts[name] for name in ("truth", "observations")})
    content = [group.model_dump(mode="json") for group in groups]
    tree.attrs = {"scenario": {"observations": content}}
    return tree


@pytest.mark.parametrize("name", NETWORKS)
def test_untouched_points_are_those_that_h_does_not_depend_on(name):
    groups = [Group.model_validate(group) for group in NETWORKS[name]]
    network, tree = build(groups, SPHERE), tree_of(groups, SPHERE)
    x = np.random.default_rng(0).uniform(1, 2, SPHERE.size).astype(np.float32)
    slope = np.abs(np.asarray(jax.jacobian(network.h)(x))).sum(0)
    free = slope.reshape(len(SPHERE.channels), 10, 18) == 0
    for i, channel in enumerate(SPHERE.channels):
        truth = tree["truth"].to_dataset()[channel.name].isel(cycle=0)
        mask = untouched(tree, truth)
        mask = mask if channel.level is None else mask.sel(level=channel.level)
        np.testing.assert_array_equal(mask.values, free[i], err_msg=str(channel))
    cells = {(c.name, c.level) for i, c in enumerate(SPHERE.channels) if not free[i].all()}
    variables = {c.name: Variable(c.units, (c.level,)) for c in SPHERE.channels}
    for name in ("temperature", "specific_humidity"):
        variables[name] = Variable("K", (250.0, 500.0))
    assert observed_cells(tree.attrs["scenario"], variables) == cells


def test_scores_off_the_network_are_means_over_the_points_without_observations(tmp_path):
    wind = {"variables": ["u_component_of_wind"], "levels": [500.0], "error_std": 0.2}
    scenario = mock_run.IDENTITY["scenario"] | {
        "observations": [{"name": "last", **wind, "locations": {"every": 5}}]
    }
    rec = mock_run.write(tmp_path, scenario=scenario)
    run = score_run(tmp_path)
    lat = np.repeat(mock_run.SPHERE.coords["latitude"], 8)
    edges = np.clip([lat - 15, lat + 15], -90, 90)
    area = np.diff(np.sin(np.deg2rad(edges)), axis=0)[0]
    area[:: mock_run.EVERY] = 0
    square = (rec.mean[3:, -1] - rec.truth[3:, -1].astype(float)) ** 2
    expected = np.sqrt((square @ area / area.sum()).mean())
    wind_cell, others = ("u_component_of_wind", 500.0), ("temperature", 500.0)
    assert run.value(wind_cell, "rmse", UNOBSERVED) == pytest.approx(expected, rel=1e-6)
    off, on_all = run.score(others, "crps", UNOBSERVED), run.score(others, "crps")
    numbers = [(score.value, score.low, score.high) for score in (off, on_all)]
    np.testing.assert_allclose(*numbers, rtol=1e-12)
    assert kinds_of_fields(run) == {
        "observed": [wind_cell],
        "not observed": [cell for cell in run.cells if cell != wind_cell],
    }
    again = type(run).from_plain(run.plain())
    assert again.unobserved == run.unobserved
    assert Key(*wind_cell, UNOBSERVED, "crps") in again.unobserved
    assert not any(key.region == UNOBSERVED for key in run.scores)

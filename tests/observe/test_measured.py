"""Real values: each cycle gets the rows of its window, at their places and with their errors."""

import jax
import numpy as np
import pandas as pd
import pytest
from grids import sphere

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.observe.measured import Calendar, account
from dabench.observe.network import build, build_withheld, measure
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group

HOUR = 3600
START = np.datetime64("2008-12-08T00", "s").astype(np.int64)
CALENDAR = Calendar(float(START), 12 * HOUR, 3)  # cycles at 12, 24 and 36 h


def write(folder, *rows):
    """A table of (hours, latitude, longitude, level, variable, value, error[, station])."""
    names = ["time", "latitude", "longitude", "level", "variable", "value", "error", "station"]
    frame = pd.DataFrame([[*row, ""][:8] for row in rows], columns=names)
    hours = pd.to_timedelta(frame["time"], "h")
    frame["time"] = (pd.Timestamp("2008-12-08") + hours).map(pd.Timestamp.isoformat)
    frame.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def group(path, *, window=None, **settings):
    settings = {"variables": ("temperature",), "error_std": 1.0} | settings
    return Group(locations={"values": str(path), "window": window}, **settings)


def t500(hours, latitude, longitude, value, error="", station=""):
    return hours, latitude, longitude, 500, "temperature", value, error, station


def values_of(network, cycle):
    """The values of a cycle by latitude."""
    obs = measure(cycle, 0.0, network, "float64")
    np.testing.assert_array_equal(obs.present, network.present(cycle))
    present = np.asarray(obs.present)
    return dict(zip(network.table["latitude"][present], np.asarray(obs.y)[present], strict=True))


def test_a_cycle_gets_the_values_of_its_half_cycles(tmp_path):
    path = write(
        tmp_path,
        t500(6.0, 10, 0, 250.0),  # half-way between cycles 0 and 1: of cycle 0, which is given
        t500(6.1, 20, 0, 251.0),
        t500(18.0, 30, 0, 252.0),  # half-way between cycles 1 and 2: of the earlier one
        t500(18.1, 40, 0, 253.0),
        t500(42.1, 50, 0, 254.0),
    )
    network = build([group(path)], sphere(), CALENDAR)
    assert [values_of(network, k) for k in (1, 2, 3)] == [{20: 251, 30: 252}, {40: 253}, {}]
    assert network.size == 3
    assert account([group(path)], sphere(), CALENDAR) == [
        f"{path}: 3 of 5 values taken; not taken: 2 outside of all windows"
    ]


def test_a_window_may_be_narrower(tmp_path):
    path = write(tmp_path, t500(9.9, 10, 0, 250.0), t500(13.5, 20, 0, 251.0))
    network = build([group(path, window=2)], sphere(), CALENDAR)
    assert values_of(network, 1) == {20: 251}
    with pytest.raises(Misfit, match="beyond half a cycle, which is 6"):
        build([group(path, window=6.5)], sphere(), CALENDAR)


def test_of_several_reports_the_nearest_in_time_counts(tmp_path):
    reports = [t500(h, 10, 0, 250 + h, station="a") for h in (9, 11, 13, 14)]
    path = write(tmp_path, *reports, t500(17, 10, 0, 290.0, station="b"))
    network = build([group(path)], sphere(), CALENDAR)
    values = np.asarray(measure(1, 0.0, network, "float64").y)
    assert sorted(values) == [261, 290]  # an hour before and after: the earlier one
    text = account([group(path)], sphere(), CALENDAR)[0]
    assert "2 of 5 values taken; not taken: 3 reported again in a window" in text


def test_errors_of_rows_go_before_those_of_the_group(tmp_path):
    path = write(
        tmp_path, t500(12, 10, 0, 250.0, 0.5), t500(24, 10, 0, 251.0), t500(12, 20, 0, 252.0)
    )
    network = build([group(path, error_std=2.0)], sphere(), CALENDAR)
    table = network.table.assign(y1=network.measured[0], y2=network.measured[1])
    at_10 = table[table["latitude"] == 10].set_index("error_std")
    assert at_10.loc[0.5, "y1"] == 250
    assert at_10.loc[2.0, "y2"] == 251  # another observation, with an error of its own
    assert at_10[["y1", "y2"]].isna().sum().sum() == 2
    with pytest.raises(Misfit, match=r"line 3, column error: is empty.*error_std"):
        build([group(path, error_std=None)], sphere(), CALENDAR)


def test_h_is_the_field_at_the_place_and_level(tmp_path):
    """The oracle is a field that is linear in latitude, which bilinear interpolation keeps."""
    layout = sphere()
    path = write(
        tmp_path,
        t500(12, 12.3, 40, 250.0),
        (12, -33.3, 40, 850, "temperature", 260.0, 1.0),
        (12, 10, 40, 600, "temperature", 255.0, 1.0),  # a level that the system has not
    )
    network = build([group(path)], layout, CALENDAR)
    fields = [
        (c.level or 0) + layout.positions["latitude"] * (1 if c.name == "temperature" else 0)
        for c in layout.channels
    ]
    state = np.tile(np.concatenate(fields), layout.frames)
    hx = np.asarray(jax.jit(network.h)(state))
    expected = network.table["level"] + network.table["latitude"]
    np.testing.assert_allclose(hx, expected, rtol=1e-6)
    assert sorted(network.table["level"]) == [500, 850]


def test_the_same_stations_are_withheld_at_all_levels_and_in_all_groups(tmp_path):
    rows = [t500(12, lat, 0, 250.0, 1.0) for lat in range(-40, 40, 10)]
    rows += [(24, lat, 0, 850, "temperature", 260.0, 1.0) for lat in range(-40, 40, 20)]
    rows += [(12, lat, 0, 500, "u_component_of_wind", 5.0, 2.0) for lat in range(-30, 40, 20)]
    path = write(tmp_path, *rows)
    withhold = {"share": 0.5, "seed": 3}
    groups = [
        group(path, withhold=withhold, name="t"),
        group(path, variables=("u_component_of_wind",), withhold=withhold, name="u"),
    ]
    layout = sphere()
    assimilated, other = (f(groups, layout, CALENDAR) for f in (build, build_withheld))
    assert assimilated.size + other.size == len(rows)
    assert not {*assimilated.table["latitude"]} & {*other.table["latitude"]}
    assert len({*other.table["latitude"]}) == 4
    again = build(groups, layout, CALENDAR._replace(cycles=1))
    assert {*again.table["latitude"]} <= {*assimilated.table["latitude"]}


def test_tables_that_do_not_fit_are_refused_by_row_or_content(tmp_path):
    layout = sphere()
    path = write(tmp_path, t500(1000, 10, 0, 250.0))
    with pytest.raises(Misfit, match=r"line 2, column time: 2009-01-18T16:00:00 .*period\.start"):
        build([group(path)], layout, CALENDAR)
    path = write(tmp_path, (12, 10, 0, 70, "temperature", 210.0, 1.0))
    with pytest.raises(Misfit, match="temperature at 70 hPa"):
        build([group(path)], layout, CALENDAR)
    with pytest.raises(Misfit, match="no calendar"):
        build([group(path)], layout)
    other = group(path).locations.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match="has changed"):
        build([group(path).model_copy(update={"locations": other})], layout, CALENDAR)


def test_a_system_with_other_units_is_refused(tmp_path):
    layout = Layout((Channel("temperature", "degC", 500.0),), sphere().coords)
    with pytest.raises(Misfit, match="in K, and the system has it in degC"):
        build([group(write(tmp_path, t500(12, 10, 0, 250.0)))], layout, CALENDAR)


def test_what_needs_the_heights_of_stations_is_refused(tmp_path):
    path = write(tmp_path, (12, 10, 0, "", "surface_pressure", 9e4, 100.0))
    with pytest.raises(Misfit, match="surface_pressure needs the heights of stations"):
        build([group(path, variables=("surface_pressure",))], sphere(), CALENDAR)


@pytest.mark.parametrize("name", ["availability", "correlation", "drawn", "average"])
def test_what_is_of_simulated_values_is_refused(tmp_path, name):
    settings = {
        "availability": {"every": 2},
        "correlation": {"vertical": 0.3},
        "drawn": {"bias": 1},
        "average": {500.0: 1.0},
    }
    with pytest.raises(ValueError, match=f"{name} is of simulated values"):
        group(tmp_path / "t.csv", **{name: settings[name]})

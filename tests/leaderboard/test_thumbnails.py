"""Pictures: what a result keeps of fields, and that nobody can make a site choke on it."""

import base64
import zlib

import mock_run
import numpy as np
import pytest
import xarray as xr

from dabench.core.errors import UserError
from dabench.leaderboard import results, site, thumbnails
from dabench.runs.archive import layout, read
from dabench.scores import departures


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "seed0"
    rec = mock_run.write(folder)
    return rec, folder, results.of_run(folder)


@pytest.mark.parametrize("shape", [(7, 8), (2, 3)])
def test_a_field_comes_back_to_half_a_step(shape):
    values = np.random.default_rng(0).normal(280, 20, shape)
    values[0, 1] = np.nan
    packed = thumbnails.packed(values)
    found = thumbnails.unpacked(packed, shape)
    half = 0.5 * np.ptp(values[np.isfinite(values)]) / 254
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(abs(found - values)) <= half * (1 + 1e-9)


def test_maps_are_the_archives_fields(kept):
    rec, _, run = kept
    fields = run["pictures"]["fields"]
    assert fields["latitude"] == list(np.linspace(-90, 90, 7))
    shown = fields["maps"][0]
    truth = rec.truth[shown["cycle"], 0].reshape(7, 8)
    error = rec.mean[shown["cycle"], 0].reshape(7, 8) - truth
    for values, name in ((truth, "truth"), (error, "error")):
        found = thumbnails.unpacked(shown[name], (7, 8))
        np.testing.assert_allclose(found, values, atol=0.51 * np.ptp(values) / 254 + 1e-4)


def test_days_three_and_seven_are_shown_and_the_last_cycle(kept):
    assert thumbnails.mapped_cycles(read.open_run(kept[1])) == [6, 9]


def test_the_network_holds_every_place_once(kept):
    (group,) = kept[2]["pictures"]["network"]
    assert group["places"] == len(group["latitude"]) == len(mock_run.network(mock_run.SPHERE))
    assert not group["grid"]
    assert not group["withheld"]


def test_a_large_regular_network_is_kept_as_two_axes():
    lat, lon = np.meshgrid(np.arange(-88.0, 90, 4), np.arange(0.0, 360, 4), indexing="ij")
    told = thumbnails._where(["latitude", "longitude"], np.stack([lat.ravel(), lon.ravel()], 1))
    assert told["grid"]
    assert (len(told["latitude"]), len(told["longitude"])) == lat.shape


def test_members_at_stations_are_the_archives(kept):
    rec, _, run = kept
    first, *others = run["pictures"]["points"]
    assert (first["latitude"], first["longitude"]) == (60.0, 0.0)  # nearest to 50 N, 5 E
    at = 5 * 8  # sixth of seven latitudes, first of eight longitudes
    np.testing.assert_allclose(first["members"], rec.members[9, :, 0, at], rtol=1e-6)
    places = {(point["latitude"], point["longitude"]) for point in others}
    assert len(places) == len(thumbnails.PLACES_SHOWN) - 1
    assert first["observed"] is None  # another variable is observed


def test_a_station_is_where_the_field_itself_is_observed_and_has_its_value(kept):
    rec, folder, _ = kept
    tree, observed = read.open_run(folder), ("u_component_of_wind", 500.0)
    rows = tree["observations"]
    places = zip(rows["latitude"].values, rows["longitude"].values, strict=True)
    for i, place in enumerate(places):
        if abs(place[0]) == 90:
            continue  # all longitudes are one place there
        assert thumbnails._station(tree, observed, 9, place) == pytest.approx(
            (*place, float(rec.y[9, i]))
        )
    assert thumbnails._station(tree, ("temperature", 500.0), 9, (0.0, 0.0))[2] is None


def test_a_result_with_one_point_is_still_read(kept, tmp_path):
    run = results.RunRecord.model_validate(kept[2]).model_dump(mode="json")
    point = {k: v for k, v in run["pictures"].pop("points")[0].items() if k != "observed"}
    run["pictures"]["point"] = point
    (tmp_path / "x.json").write_bytes(results.content([run]).replace(b'"schema":5', b'"schema":4'))
    (read_again,) = results.load(tmp_path / "x.json")[0]["pictures"]["points"]
    assert read_again == point | {"observed": None}


def test_only_the_first_seed_of_a_result_has_them(kept, tmp_path):
    other = kept[2] | {"seed": 1}
    (tmp_path / "x.json").write_bytes(results.content([kept[2], other]))
    first, second = results.load(tmp_path / "x.json")
    assert first["pictures"]
    assert second["pictures"] is None


@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(zlib.compress(bytes(55))).decode(),
        base64.b64encode(zlib.compress(bytes(10**7))).decode(),
        "AAAA",
        "A",
    ],
    ids=["too few", "a bomb", "not compressed", "not base64"],
)
def test_fields_of_another_size_are_refused(kept, tmp_path, data):
    run = results.RunRecord.model_validate(kept[2]).model_dump(mode="json")
    run["pictures"]["fields"]["maps"][0]["truth"]["data"] = data
    (tmp_path / "x.json").write_bytes(results.content([run]))
    with pytest.raises(UserError, match=r"pictures\.fields"):
        results.load(tmp_path / "x.json")


def test_results_without_pictures_are_still_read(kept, tmp_path):
    run = {k: v for k, v in kept[2].items() if k != "pictures"}
    text = results.content([run]).replace(b'"schema":5', b'"schema":2')
    (tmp_path / "x.json").write_bytes(text)
    assert results.load(tmp_path / "x.json")[0]["pictures"] is None


def test_withheld_stations_are_on_the_map_and_their_fit_on_the_diagnostics_page(kept, tmp_path):
    rec, table = mock_run.record(mock_run.SPHERE), mock_run.network(mock_run.SPHERE)
    hidden = {"y": rec.y, "analysis_obs": rec.y + 0.3, "analysis_var": 0 * rec.y + 0.05}
    groups = layout.label(
        mock_run.SPHERE, table, rec._replace(withheld=hidden), withheld=table.assign(latitude=1.5)
    )
    tree = xr.DataTree.from_dict(groups)
    network = thumbnails.network(tree)
    assert [group["withheld"] for group in network] == [False, True]
    tree.attrs["members"] = 4
    run = kept[2] | {"withheld": departures.withheld(tree, slice(1, None)).plain()}
    run["pictures"] = run["pictures"] | {"network": network}
    (tmp_path / "x.json").write_bytes(results.content([run]))
    board = site.build([tmp_path / "x.json"], tmp_path / "site").parent / "mock-noise"
    page = (board / "diagnostics.html").read_text()
    assert "Fit to withheld observations" in page
    assert "last, analysis" in page
    assert "0.300" in page  # rms departure
    assert "withheld for verification, last" in (board / "network.svg").read_text()

"""Packed series: what comes back, to how many bits, and that statistics do not notice."""

import base64
import json
import struct
import zlib

import mock_run
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dabench.cli import verify
from dabench.core.errors import UserError
from dabench.leaderboard import packed_series, results
from dabench.scores.compare import compare
from dabench.scores.files import score_run
from dabench.scores.record import Scores

NUMBERS = st.floats(1e-29, 1e29) | st.floats(-1e29, -1e-29) | st.just(0.0)


# Numbers are rounded one by one, so a few, repeated, say as much as a hundred drawn ones would.
@given(st.lists(NUMBERS | st.none(), min_size=1, max_size=12), st.integers(1, 50))
def test_every_number_comes_back_within_half_of_the_last_bit(few, more):
    values = (few * (packed_series.LONG + more))[: packed_series.LONG + more]
    found = packed_series.unpack(json.loads(json.dumps(packed_series.pack(values))))
    assert [v is None for v in found] == [v is None for v in values]
    for value, kept in zip(values, found, strict=True):
        assert value is None or abs(kept - value) <= abs(value) * 2.0**-13 * (1 + 1e-6)
    assert packed_series.pack(found) == packed_series.pack(values)
    assert packed_series.is_of(found, values, 1e-7)


def test_rounding_is_to_the_nearest_number_of_twelve_bits_and_ties_go_to_even():
    step = 2.0**-12
    given = [1 + 0.4 * step, 1 + 0.6 * step, 1 + 0.5 * step, 1 + 1.5 * step, -1 - 0.6 * step]
    wanted = [1, 1 + step, 1, 1 + 2 * step, -1 - step]
    np.testing.assert_array_equal(packed_series.rounded(given), wanted)
    whole = np.arange(8193.0)
    np.testing.assert_array_equal(packed_series.rounded(whole), whole)


def test_bytes_of_a_packed_series_are_those_of_its_definition():
    """Half of the last bit is added to the integer that float32 is, and the rest cut off."""
    x = np.random.default_rng(1).normal(size=1000).astype("<f4")
    bits = x.view("<u4")
    nearest = (bits + 0x3FF + ((bits >> 11) & 1)) >> 11 << 11
    planes = nearest.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()
    packed = packed_series.pack(x.astype(float).tolist())
    assert zlib.decompress(base64.b64decode(packed["data"])) == planes


@pytest.mark.parametrize(
    "values",
    [[1.0] * packed_series.LONG, [1.0] * 200 + [1e300], [1e-40] * 200],
    ids=["short", "too large", "too small"],
)
def test_what_is_short_or_extreme_stays_a_list(values):
    assert packed_series.pack(values) is values
    assert packed_series.unpack(values) is values


def test_numbers_take_less_than_three_characters_where_cycles_differ():
    series = np.random.default_rng(0).gamma(8, 0.1, 4000)
    told = packed_series.pack([float(f"{v:.7g}") for v in series])
    assert len(json.dumps(told)) < 3 * len(series)


def crafted(**changes):
    return packed_series.pack([0.5] * 200) | changes


@pytest.mark.parametrize(
    "given",
    [
        crafted(length=199),
        crafted(length=10**9),
        crafted(length=-1),
        crafted(data="?"),
        crafted(data=""),
        crafted(data=7),
        {"length": 3},
        {},
    ],
)
def test_damaged_series_are_refused(given):
    with pytest.raises(ValueError, match=r"numbers|base64|padding"):
        packed_series.unpack(given)


@pytest.mark.parametrize("number", [0.1, float("inf"), -float("inf")])
def test_numbers_that_no_packing_gives_are_refused(number):
    import base64
    import zlib

    planes = np.frombuffer(struct.pack("<f", number) * 200, np.uint8).reshape(-1, 4).T
    data = base64.b64encode(zlib.compress(planes.tobytes())).decode()
    with pytest.raises(ValueError, match="12 bits"):
        packed_series.unpack(crafted(data=data))


def test_a_bomb_is_not_unpacked():
    import base64
    import zlib

    data = base64.b64encode(zlib.compress(bytes(10**8), 9)).decode()
    with pytest.raises(ValueError, match="not 200 numbers"):
        packed_series.unpack(crafted(data=data))


@pytest.mark.parametrize("step", [0.05, 43200.0, 1.0, 1 / 3])
def test_regular_times_come_back_to_the_digit(step):
    times = [float(f"{step * k:.7g}") for k in range(4001)]
    told = packed_series.pack_times(times)
    assert len(json.dumps(told)) < 100 or step == 1 / 3
    assert packed_series.unpack_times(json.loads(json.dumps(told))) == times
    times[7] += 0.001 * step
    assert packed_series.pack_times(times) == times


@pytest.mark.parametrize(
    "given",
    [{}, {"first": 0.0, "step": "x", "length": 3}, {"first": 0, "step": 1, "length": 10**9}],
)
def test_damaged_times_are_refused(given):
    with pytest.raises(ValueError, match="regular times"):
        packed_series.unpack_times(given)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Two methods with two seeds of 300 cycles, as archives and as result files."""
    home = tmp_path_factory.mktemp("long")
    for method, error in (("ensemble", 1.0), ("guess", 0.9)):
        for seed in (0, 1):
            rec = mock_run.record(mock_run.SITES, cycles=300, error=error, seed=seed)
            folder = home / "runs" / method / f"seed{seed}"
            about = {"method": method, "seed": seed, "digest": f"{method}{seed}"}
            mock_run.write(folder, mock_run.SITES, rec, **about)
    return home, {f.stem: f for f in results.add(home.glob("runs/*/*"), home / "results")}


def test_a_result_with_long_series_is_small_and_verifies(long):
    home, files = long
    text = files["guess"].read_bytes()
    runs = results.load(files["guess"])
    assert len(json.dumps(runs)) > 2 * len(text)
    assert runs[0]["seconds"] == results.of_run(home / "runs/guess/seed0")["seconds"]
    assert results.content(runs) == text
    assert all(v.holds for v in verify.verify(files["guess"], home / "runs"))


@pytest.mark.parametrize("bits", [1, 2, 64])
def test_the_smallest_change_of_one_number_of_a_packed_series_is_found(long, tmp_path, bits):
    """Even where the fingerprint is made anew."""
    home, files = long
    runs = results.load(files["guess"])
    values = runs[1]["series"][0]["values"]
    values[150] *= 1 + bits * 2.0**-12
    changed = tmp_path / "guess.json"
    changed.write_bytes(results.content(runs))
    with pytest.raises(UserError, match="series: differs"):
        verify.report(changed, home / "runs", rerun=False)


@pytest.mark.parametrize("test", ["ewc", "geer", "diebold_mariano"])
@pytest.mark.parametrize("seeds", [1, 2])
def test_comparisons_from_results_are_those_from_archives(long, test, seeds):
    home, files = long
    kept = [
        [Scores.from_plain(run) for run in results.load(files[m])[:seeds]]
        for m in ("guess", "ensemble")
    ]
    whole = [
        [score_run(home / "runs" / m / f"seed{s}") for s in range(seeds)]
        for m in ("guess", "ensemble")
    ]
    a, b = (compare(*runs, test=test, cells=[("x", None)]) for runs in (kept, whole))
    names = ["a", "b", "ratio", "difference", "low", "high", "effective"]
    a, b = (t[t["metric"] == "rmse"] for t in (a, b))
    width = (b["high"] - b["low"]).to_numpy()[:, None]
    gap = (a[names] - b[names]).abs().to_numpy()
    assert len(a) == len(b) > 0
    assert (gap[:, :-1] <= 5e-3 * width).all()
    np.testing.assert_allclose(a["effective"], b["effective"], rtol=1e-3)
    pd.testing.assert_series_equal(a["verdict"], b["verdict"])


def test_results_of_earlier_schemas_are_read(long, tmp_path):
    runs = results.load(long[1]["guess"])
    head = json.loads(results.content(runs)) | {"schema": 3, "runs": runs}
    head["sha256"] = results.fingerprint(runs)
    old = tmp_path / "old.json"
    old.write_text(json.dumps(head))
    assert results.load(old) == runs

"""`dabench fetch` as it is typed."""

import sys
from pathlib import Path

import pytest
from mirror import official_files

from dabench import cli
from dabench.cli.fetch import fetch
from dabench.core.errors import UserError
from dabench.systems.gencast import official
from dabench.systems.gencast.fetch import cache
from dabench.systems.gencast.request import request

SCENARIO = "era5/temp_4deg"


@pytest.fixture
def dabench(monkeypatch, capsys, tmp_path):
    """(exit code, what is said to the user) of a command line."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))

    def call(*args: object) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["dabench", *map(str, args)])
        with pytest.raises(SystemExit) as e:
            cli.main()
        return e.value.code or 0, capsys.readouterr().err

    return call


def test_a_model_is_fetched_into_the_cache(dabench, bucket, tmp_path):
    official_files(bucket.root)
    code, said = dabench("fetch", "gencast_1p0deg_mini", "--from", bucket.url)
    assert code == 0
    assert "next      dabench fetch era5" in said
    file = (
        tmp_path
        / "cache/gencast/params"
        / official.cached_name(official.MODELS["gencast_1p0deg_mini"].file)
    )
    assert file.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["gencast_1deg"], "nothing is known as 'gencast_1deg'; did you mean 'gencast_1p0deg'"),
        (["gencast_1p0deg", "--from", "URL"], "404 Not Found"),
        (["gencast_1p0deg", "--from", "/nowhere"], "there is no such file"),
        (["era5"], "give --scenario, or --start and --cycles"),
        (["era5", "--start", "yesterday", "--cycles", "1"], "'yesterday' is no ISO time like 2019"),
        (["era5", "--start", "2019-02-30", "--cycles", "1"], "'2019-02-30' is no ISO time like"),
        (["era5", "--scenario", "temp_4deg"], "its system speedy needs no ERA5"),
        (["era5", "--scenario", SCENARIO, "--from", "/nowhere"], "there is no such archive"),
    ],
)
def test_mistakes_exit_with_2_and_without_a_traceback(args, message, dabench, bucket):
    code, said = dabench("fetch", *(a.replace("URL", bucket.url) for a in args))
    assert code == 2
    assert message in said
    assert "Traceback" not in said


def test_the_frames_of_the_paper_are_32_from_new_years_eve_on():
    wanted = request(SCENARIO, None, None, None)
    assert len(wanted.times) == 32
    assert str(wanted.times[0]) == "2018-12-31T12"
    assert str(wanted.times[-1]) == "2019-01-16T00"
    assert wanted.levels == official.LEVELS
    assert wanted.bytes == 4 * 84 * 181 * 360 * 32


def test_a_period_needs_no_scenario():
    wanted = request(None, "2020-06-01T06:00", 2, 0.25)
    assert [str(t) for t in wanted.times] == [
        "2020-05-31T18", "2020-06-01T06", "2020-06-01T18", "2020-06-02T06"]  # fmt: skip
    assert wanted.resolution == 0.25


def test_training_years_are_said(dabench):
    _, said = dabench("fetch", "era5", "--scenario", SCENARIO, "--start", "2010-01-01T00:00",
                      "--from", "/nowhere")  # fmt: skip
    assert "dabench: warning: gencast_1p0deg was trained on 1979 to 2018" in said


def test_the_cache_is_where_it_is_wished(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "given"))
    assert cache.folder() == tmp_path / "given"
    assert cache.folder(tmp_path / "asked") == tmp_path / "asked"
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache.era5().parts[-2:] == ("dabench", "era5")
    assert "dabench" in Path(cache.folder()).parts


def test_one_wrong_name_of_several_fetches_nothing(tmp_path):
    with pytest.raises(UserError, match="nothing is known as 'era4'"):
        fetch(["gencast_1p0deg", "era4"], dest=tmp_path)
    assert not list(tmp_path.iterdir())

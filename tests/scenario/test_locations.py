"""Stations from CSV files."""

import pytest

from dabench.core.errors import UserError
from dabench.scenario.locations import read_stations


@pytest.mark.parametrize(
    "text",
    [
        "lat,lon\n50,-5\n-1.5,359",
        "name, Longitude ,LATITUDE\na,-5,50\n\nb,359,-1.5\n",
        '\ufefflat,lon\r\n"50","-5"\r\n-1.5,3.59e2\r\n',
    ],
)
def test_columns_are_found_by_name(tmp_path, text):
    path = tmp_path / "s.csv"
    path.write_text(text, encoding="utf-8")
    assert read_stations(path).points == [[50, -5], [-1.5, 359]]


def test_semicolons_separate_and_names_may_hold_what_python_calls_the_end_of_a_line(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("name;lat;lon\na\x85b;1;2\n\u2028c\x0b;3;4\n", encoding="utf-8")
    assert read_stations(path).points == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: has no column latitude"),
        ("lat,height\n1,2", "line 1: has no column longitude (or lon); it has lat, height"),
        ("lat,lon\n", "has no stations"),
        ("lat,lon\n1,2\n91,0", "line 3: '91' is not a number between -90 and 90"),
        ("lat,lon\n1,nan", "line 2: 'nan' is not"),
        ("lat,lon\n1", "line 2: '' is not"),
        ("lat,lon\nx,1", "line 2: 'x' is not"),
        ("lat,lon\n5_0,1", "line 2: '5_0' is not"),
        ("lat,latitude,lon\n1,2,3", "line 1: has 2 columns of the latitude: lat, latitude, lon"),
        ("lat,lon\n0,361", "between -360 and 360"),
        ('lat,lon\n"' + "1" * 200_000 + '",2', "is not CSV"),
    ],
    ids=lambda text: repr(text[:25]),
)
def test_a_bad_station_is_told_with_its_line(tmp_path, text, message):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(UserError) as e:
        read_stations(path)
    assert str(path) in str(e.value)
    assert message in str(e.value)

"""Reading YAML that may come from anyone."""

import pytest

from dabench.core.errors import UserError
from dabench.scenario.yamlfile import dump, parse, read

TEXT = """\
# a comment
a: 1
b: [1, 2.5, 1e-3, .5, x]
c: {d: ~, e: true, f: no, g: 2020-01-01, 500: "7"}
d:
  - name: first
    points: [[1, 2],
             [3, 4]]
"""


def test_plain_data_come_out_as_yaml_1_2_has_them():
    data = parse(TEXT, "f").data
    assert data["b"] == [1, 2.5, 0.001, 0.5, "x"]
    assert [type(v) for v in data["b"]] == [int, float, float, float, str]
    assert data["c"] == {"d": None, "e": True, "f": "no", "g": "2020-01-01", 500: "7"}
    assert data["d"] == [{"name": "first", "points": [[1, 2], [3, 4]]}]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("b", 3), 3),
        (("c", 500), 4),
        (("d", 0, "points"), 7),
        (("d", 0, "points", 1, 0), 8),
        (("d", 0, "missing", "too"), 6),
        (("nowhere",), 1),
    ],
)
def test_every_path_knows_its_line(path, line):
    assert parse(TEXT, "f").where(path) == f"line {line}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: is empty"),
        ("a: 1\nb: 2\na: 3", "line 3: a is set twice (first in line 1)"),
        ("a:\n- {x: 1, x: 2}", "line 2: a.0.x is set twice"),
        ("a: &x [*x]", "line 1: anchors (&) and aliases (*) are not read"),
        ("a: 1\nb: !!python/name:os.system ''", "line 2: tags such as"),
        ("--- 1\n--- 2", "line 2: holds more than one document"),
        ("a:\n  b: .nan", "line 2: a.b: .nan is not a finite number"),
        ("a: -.inf", "-.inf is not a finite number"),
        ("a: 1e400", "1e400 is too large a number"),
        ("a: 12345678901234567890", "is too large a number"),
        ("a: [1, 2", "is not YAML: expected ',' or ']'"),
        ("[" * 400, "nested more than 12 levels"),
        ("a: b: c", "line 1: is not YAML: mapping values are not allowed here"),
        ("a:\n\t- b", "line 2: is not YAML: found character '\\t'"),
        ('a: "\\ud800"', "half a character"),
        ('a: "\\UFFFFFFFF"', "is not YAML"),
        ("? [1]\n: 2", "a key must be a word or a number"),
        ("true: 2", "a key must be a word or a number"),
        ("\0", "is not YAML: unacceptable character"),
        ("%YAML " + "9" * 5000 + ".1\n--- 1", "is not YAML"),
    ],
    ids=lambda text: repr(text[:25]),
)
def test_what_is_not_plain_is_refused_with_its_line(text, message):
    with pytest.raises(UserError) as e:
        parse(text, "f.yaml")
    assert str(e.value).startswith("f.yaml, line ")
    assert message in str(e.value)
    assert len(str(e.value)) < 300


def test_a_billion_laughs_end_at_the_first():
    laughs = ["a: &a [lol]"]
    for last, name in zip("abcdefgh", "bcdefghi", strict=True):
        laughs.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    with pytest.raises(UserError, match="line 1: anchors"):
        parse("\n".join(laughs), "f")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: \xff", "is not UTF-8"),
        (b"#" * 1_000_001, "is too large (1000001 bytes"),
        ("a: 1".encode("utf-16"), "is not UTF-8"),
    ],
    ids=["binary", "huge", "utf16"],
)
def test_files_that_are_no_small_text_are_refused(tmp_path, content, message):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as e:
        read(path)
    assert str(e.value).startswith(f"{path}: ")
    assert message in str(e.value)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read(path).data == {"a": 1}


@pytest.mark.parametrize("name", ["", "missing.yaml", "nul\0.yaml"])
def test_what_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"there is no such file|cannot be read"):
        read(tmp_path / name)


def test_a_list_that_is_in_two_places_is_written_twice():
    window = [0.9, 0.98]
    data = {"best": {"ess": window}, "trials": [{"ess": window}, {"ess": window}]}
    text = dump(data)
    assert parse(text, "f").data == data
    assert text.startswith("best:\n  ess: [0.9, 0.98]\n")

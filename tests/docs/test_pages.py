"""The documentation is true: its blocks run, its outputs are what commands print, it builds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from dabench.leaderboard.row import STEPS
from dabench.scores.metrics.registry import names
from dabench.scores.paired import TESTS
from docs.blocks import blocks, output, parse, run
from docs.reference import reference
from docs.refresh import HERE, pages, prepare

PAGES = pages()
RUNNING = [name for name, page in PAGES.items() if any(b.kind != "text" for b in blocks(page))]
NUMBER = re.compile(r"[−-]?\d*\.?\d+(?:e[−-]?\d+)?")
REMEDY = "python -m docs.refresh"


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A folder of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    prepare()


def steady(text):
    """Without what depends on the machine: seconds, and the widths of columns."""
    lines, timed = [], False
    for line in text.splitlines():
        timed = line.endswith("s/cycle") or (timed and line.strip() != "")
        lines.append(line[: line.rstrip().rfind(" ")] if timed and "─" not in line else line)
    text = re.sub(r"\d+\.\d+ s:", "s:", "\n".join(lines))
    return " ".join(re.sub(r"─+", "─", text).split())


def same(a, b):
    """The same words, and numbers within two per cent."""
    a, b = steady(a), steady(b)
    x, y = ([float(n.replace("−", "-")) for n in NUMBER.findall(t)] for t in (a, b))
    words = NUMBER.sub("#", a) == NUMBER.sub("#", b)
    return words and x == pytest.approx(y, rel=0.02)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("name", RUNNING)
def test_a_page_shows_what_its_commands_print(name):
    for block, text in run(PAGES[name]):
        assert same(block.text, text), f"{REMEDY} {name}: now\n{text}"


def test_five_tasks_take_four_commands_each_at_most():
    """They run, as every page does."""
    _, *tasks = re.split(r"^## ", PAGES["tasks.md"], flags=re.MULTILINE)
    assert len(tasks) == 5
    for task in tasks:
        for block in blocks(task):
            assert len(block.commands) <= 4 or block.kind == "python", task


def test_the_reference_of_the_command_line_is_made_from_its_help():
    assert (HERE / "cli.md").read_text() == reference(), REMEDY


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built with warnings as errors and every reference looked up."""
    out = tmp_path_factory.mktemp("site")
    built = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-d", out / "trees", HERE, out]
    options = {"capture_output": True, "text": True, "timeout": PATIENCE}
    done = subprocess.run(list(map(str, built)), check=False, **options)
    assert done.returncode == 0, done.stderr
    return out


def test_built_pages_ask_for_nothing_from_outside(site):
    asked = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*(?:src|href)=["'](?:https?:)?//""")
    styles = re.compile(r"""(?:@import|url\()\s*["']?(?:https?:)?//""")
    for page in site.rglob("*.html"):
        assert not asked.findall(page.read_text()), page
    for sheet in site.rglob("*.css"):
        assert not styles.findall(sheet.read_text()), sheet


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_built_from_its_source(site, name):
    """Sphinx writes pages of its own, such as search.html, over one of the same name."""
    heading = re.search(r"^# (.+)$", PAGES[name], re.MULTILINE)
    assert heading, name
    html = (site / name).with_suffix(".html").read_text()
    assert re.search(rf"<h1>{re.escape(heading[1])}", html)


def test_formulas_are_mathml(site):
    page = (site / "metrics.html").read_text()
    assert page.count("<math") > 20
    assert "$" not in re.sub(r"<(code|pre|script).*?</\1>", "", page, flags=re.DOTALL)


def test_every_metric_and_test_is_explained():
    shown = PAGES["metrics.md"]
    for metric in names():
        assert f"`{metric}`" in shown, metric
    for test in TESTS:
        assert f"`{test}`" in PAGES["scorecard.md"] or f"--test {test}" in PAGES["scorecard.md"]


def test_every_filter_is_explained():
    from dabench.filters import FILTERS

    for name in FILTERS:
        assert f"`{name}`" in PAGES["filters.md"], name


def test_the_steps_of_the_colours_are_the_pages():
    for step in STEPS:
        assert f"{step:g}" in PAGES["scorecard.md"]


def test_every_page_is_in_the_contents():
    named = PAGES["index.md"].split()
    assert {*PAGES, "cli.md"} - {"index.md"} <= {f"{word}.md" for word in named}


BROKEN = {
    "```console\n$ dabench check nothing.yaml\n```": "there is no such file",
    "```python\nassert 1 == 2, 'one'\n```": "one",
    "```sh\ndabench run temp_4deg --metod fa_apf\n```": "--metod",
    "```sh\ndabench leaderbord\n```": "leaderbord",
    "```yaml\nsystem: {name: lorenz97}\n```": "unknown system 'lorenz97'",
    "```perl\n```": "a block of 'perl'",
}


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("page", BROKEN)
def test_a_block_that_does_not_work_is_found(page):
    with pytest.raises(Exception) as e:  # noqa: PT011 (the command line's own, and any)
        list(run(page))
    assert BROKEN[page] in f"{e.value} {e.value!r}"


@pytest.mark.usefixtures("reader")
def test_an_output_that_is_not_true_any_more_is_found():
    text = output("dabench schema --help")
    assert same(text, text)
    assert not same(text, text.replace("scenario", "scenarios"))


def test_seconds_are_the_machines_and_numbers_are_not():
    page = "done, 3.1 s: here\n name  RMSE\n a  1.00\n\n name  s/cycle\n a  0.2\n\nlast 7"
    assert same(page, page.replace("3.1", "12.0").replace("0.2", "0.00031"))
    assert not same(page, page.replace("1.00", "1.03"))
    assert not same(page, page.replace("7", "8"))


def test_files_of_a_page_are_there_for_its_later_blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = "```{code-block} toml\n:caption: a/b.toml\n\nx = 1\n```\n```console\n$ cat a/b.toml\n```"
    assert [text for _, text in run(page)] == ["x = 1\n", "$ cat a/b.toml\nx = 1\n"]


def test_commands_that_are_not_run_are_read():
    parse("dabench compare letkf enkf --test bootstrap --metric rmse --metric crps")
    parse("python -m pip install dabench")


def test_figures_of_pages_are_there():
    for page in PAGES.values():
        for figure in re.findall(r"\{image\} (\S+)", page):
            assert Path(HERE / figure).is_file()

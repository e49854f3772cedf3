"""The site: what it shows, that it asks for nothing, trusts nothing, and is never half there."""

import json
import re
import shutil
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import mock_run
import numpy as np
import pytest
from patience import child

from benchmarks.site import many, weight
from dabench.core import workers
from dabench.core.errors import UserError
from dabench.leaderboard import results
from dabench.leaderboard import site as leaderboard
from dabench.leaderboard.board import Board, boards, shade
from dabench.leaderboard.format import number
from dabench.scenario.load import load_scenario
from dabench.scores.files import current_scores
from dabench.scores.record import Scores
from dabench.systems.held_suarez.files import digest_of

ADDRESSES = {*leaderboard.LINKS.values(), leaderboard.CITATION}
BELOW = (f"{leaderboard.REPOSITORY}/commit/", f"{leaderboard.LINKS['Docs']}/filters.md#")
SCRIPTS = ("page.js", "board.js", "cost.js", "numbers.js", "front.js", "showcase.js")
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> \" ' & {{ 7*7 }}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of runs: a reference, a method with two seeds, one that diverged; texts are evil."""
    home = tmp_path_factory.mktemp("runs")
    evil = mock_run.IDENTITY["scenario"] | {"title": EVIL, "source": EVIL}
    made = mock_run.IDENTITY["provenance"] | {"command": EVIL}
    given = {"scenario": evil, "provenance": made, "settings": {"note": EVIL}}
    for method, seed, error in [("ensemble", 0, 2.0), ("guess", 0, 0.5), ("guess", 1, 0.6)]:
        rec = mock_run.record(mock_run.SPHERE, error=error, seed=seed)
        mock_run.write(home / method / f"seed{seed}", rec=rec, method=method, seed=seed, **given)
    bad = {"method": "bad", "status": "diverged at cycle 7"}
    mock_run.write(home / "bad" / "seed0", **(given | bad))
    return home


@pytest.fixture(scope="module")
def committed(runs, tmp_path_factory):
    """The same as result files."""
    folder = tmp_path_factory.mktemp("committed")
    results.add(sorted(runs.glob("*/seed*")), folder)
    return folder


@pytest.fixture(scope="module")
def site(committed, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "site"
    leaderboard.build([committed], out)
    return out


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


class Page(HTMLParser):
    """Tags with their attributes, and text."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_and_image_is_there(site):
    assert len(pages(site)) == 3 + 3 + 3  # front, board, diagnostics; rows and methods
    for path, page in pages(site).items():
        ids = {a["id"] for _, a in page.tags if "id" in a}
        for _, attrs in page.tags:
            for target in filter(None, (attrs.get("href"), attrs.get("src"))):
                file, _, anchor = target.partition("#")
                if target in ADDRESSES or target.startswith(BELOW):
                    continue
                assert (path.parent / file).exists() if file else anchor in ids, target


def test_pages_allow_nothing_but_their_own_files(site):
    for page in pages(site).values():
        (policy,) = [a["content"] for t, a in page.tags if a.get("http-equiv")]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        for tag, attrs in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attrs), attrs
            outside = re.match(r"(https?:)?//|data:|javascript:", attrs.get("href") or "")
            ours = attrs.get("href") in ADDRESSES or str(attrs.get("href")).startswith(BELOW)
            assert not outside or (tag == "a" and ours), attrs
            assert tag != "script" or attrs["src"].endswith(SCRIPTS)


def test_text_from_results_is_shown_as_text(site):
    for path, page in pages(site).items():
        assert EVIL in page.text, path
        assert "onerror" not in {name for _, attrs in page.tags for name in attrs}
        assert "49" not in page.text.split("{{")[0]


def test_numbers_are_those_of_the_scores_medians_over_seeds(site, runs):
    scores = [current_scores(folder) for folder in sorted(runs.glob("guess/seed*"))]
    rmse = [run.value(("2m_temperature", None), "rmse") for run in scores]
    assert number(float(np.median(rmse))) in Page(site / "index.html").text


def test_divergence_is_shown_and_images_have_alternatives(site):
    for path, page in pages(site).items():
        if path.stem in ("index", "bad"):
            assert "diverged at cycle 7" in page.text
        assert all(attrs["alt"] for tag, attrs in page.tags if tag == "img")


def test_a_page_keeps_the_place_of_a_figure_free(site):
    images = [(f.parent, a) for f, page in pages(site).items() for t, a in page.tags if t == "img"]
    figures = [(folder, a) for folder, a in images if a["src"].endswith(".svg")]
    assert figures
    for folder, attrs in figures:
        text = (folder / attrs["src"]).read_text()
        _, _, width, height = re.search(r'viewBox="([^"]+)"', text)[1].split()
        shown = [int(attrs["width"]), int(attrs["height"])]
        assert shown == pytest.approx([float(width), float(height)], abs=0.51)


def test_downloads_hold_every_number(site, runs):
    board = site / "mock-noise"
    lines = (board / "scores.csv").read_text().splitlines()
    rows = sum(len(current_scores(f).scores) for f in runs.glob("*/seed*"))
    assert len(lines) == 1 + rows
    found = [run for file in board.glob("results/*.json") for run in results.load(file)]
    assert {(r["method"], r["seed"]) for r in found} == {
        ("ensemble", 0), ("guess", 0), ("guess", 1), ("bad", 0),
    }  # fmt: skip


def test_the_same_results_give_the_same_bytes(site, committed, tmp_path):
    leaderboard.build([committed], tmp_path / "site")
    assert snapshot(site) == snapshot(tmp_path / "site")


def test_the_front_page_of_twenty_boards_with_nine_methods_without_maps_weighs_less_than_500_kB(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(leaderboard, "draw_scores", lambda *_: [])  # it has no figures
    pages = []
    for n in (1, 3):
        many(tmp_path / f"{n}", n)
        leaderboard.build([tmp_path / f"{n}"], tmp_path / f"site{n}")
        pages.append(weight(tmp_path / f"site{n}"))
    assert pages[0] + 19 * (pages[1] - pages[0]) / 2 < 500_000


def test_boards_written_by_other_processes_are_the_same(tmp_path, monkeypatch):
    """Two boards of one method at two sites, of which there are few figures to draw."""
    mock_run.write(tmp_path / "run", mock_run.SITES)
    for name in ("one", "two"):
        run = results.of_run(tmp_path / "run")
        run["scenario"] |= {"name": name, "digest": name}
        file = tmp_path / "results" / results.place(run)
        file.parent.mkdir(parents=True)
        file.write_bytes(results.content([run]))
    leaderboard.build([tmp_path / "results"], tmp_path / "here")
    monkeypatch.setattr(leaderboard, "MANY", 2)
    monkeypatch.setattr(results, "MANY", 2)
    monkeypatch.setattr(workers, "cpu_count", lambda: 2)
    leaderboard.build([tmp_path / "results"], tmp_path / "there")
    assert snapshot(tmp_path / "there") == snapshot(tmp_path / "here")


def test_a_new_build_takes_away_its_own_old_files_and_no_others(site, runs, tmp_path):
    out = tmp_path / "site"
    shutil.copytree(site, out)
    (out / "CNAME").write_text("example.org")
    one = tmp_path / "one.json"
    run = results.of_run(runs / "guess" / "seed0")
    run["scenario"]["name"] = "other"
    one.write_bytes(results.content([run]))
    leaderboard.build([one], out)
    names = set(snapshot(out))
    assert "CNAME" in names
    assert "other-noise/index.html" in names
    assert not any(name.startswith("mock-noise/") for name in names)


def test_a_folder_with_other_files_is_left_alone(committed, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="choose another folder"):
        leaderboard.build([committed], tmp_path)


def test_a_killed_build_leaves_a_whole_site_and_the_next_one_mends_it(site, committed, tmp_path):
    """After a while; tests/runs/test_kill.py kills it before chosen changes of files."""
    out = tmp_path / "site"
    shutil.copytree(site, out)
    code = "import sys; from dabench.leaderboard.site import build; print('go', flush=True);"
    code += "build(sys.argv[1:2], sys.argv[2])"
    call = [sys.executable, "-c", code, str(committed), str(out)]
    with child(call) as process:
        process.stdout.readline()
        time.sleep(0.4)
    assert snapshot(out) == snapshot(site)  # the same results: each file is whole, old or new
    leaderboard.build([committed], out)
    assert snapshot(out) == snapshot(site)
    assert not list(tmp_path.glob(".*.part"))


def test_other_problems_never_share_a_board(runs):
    run = results.of_run(runs / "guess" / "seed0")
    changed = json.loads(json.dumps(run))
    changed["scenario"]["digest"] = "changed"
    slugs = [board.slug for board in boards(map(Scores.from_plain, [run, changed]))]
    assert len(set(slugs)) == 2


def test_adding_a_seed_keeps_the_others_and_new_settings_drop_them(runs, tmp_path):
    (file,) = results.add([runs / "guess" / "seed0"], tmp_path)
    assert file == tmp_path / "mock" / "noise" / "guess.json"
    results.add([runs / "guess" / "seed1"], tmp_path)
    assert [run["seed"] for run in results.load(file)] == [0, 1]
    mock_run.write(tmp_path / "run" / "seed2", method="guess", seed=2, settings={"gain": 9.0})
    results.add([tmp_path / "run" / "seed2"], tmp_path)
    assert [run["seed"] for run in results.load(file)] == [2]
    whole = file.read_bytes()
    with pytest.raises(UserError, match="guess: its runs are of several problems, settings"):
        results.add([tmp_path / "run" / "seed2", runs / "guess" / "seed0"], tmp_path)
    assert file.read_bytes() == whole


def test_a_file_holds_what_its_name_says(committed, tmp_path):
    """Another file cannot take a method's place, wherever it lies."""
    for folder, place in (("a", "mock/noise/zzz.json"), ("b", "zzz/mock/noise/guess.json")):
        shutil.copytree(committed, tmp_path / folder)
        (tmp_path / folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(committed / "mock/noise/guess.json", tmp_path / folder / place)
        with pytest.raises(UserError, match=r"belongs there|both hold"):
            list(results.committed(tmp_path / folder))
    assert len(list(results.committed(committed / "mock"))) == len(
        list(results.committed(committed))
    )


def test_tests_allow_for_all_methods_of_a_board():
    """Nine methods that are no better than the ensemble: hardly a board has a significant field."""
    rng, starred = np.random.default_rng(0), 0
    for _ in range(20):
        shown = Board([_noise(rng, method) for method in ("ensemble", *"abcdefgh")], "noise")
        starred += bool({"better", "worse"} & set(shown.pairs._verdicts.values()))
    assert starred <= 4  # expected 1; a method at a time 6


def _noise(rng, method):
    """Scores of 24 cells without memory."""
    series = {((f"x{i}", None), "crps"): rng.normal(5, 1, 63) for i in range(24)}
    return mock_run.scores(series=series, method=method)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "<script>"}, "runs.0.method"),
        ({"method": "../../etc"}, "runs.0.method"),
        ({"scores": [{"variable": "x"}]}, "runs.0.scores.0"),
        ({"members": "many"}, "runs.0.members"),
        ({"variables": {}}, "runs.0.variables"),
        ({"regions": {"tropics": 1}}, "global is missing"),
        ({"seconds": [0.0]}, "series of [1, 10] cycles, where 9 are done"),
        ({"status": "wonderful"}, "runs.0.status"),
        ({"metric_version": "0"}, "metrics"),
    ],
)
def test_a_result_that_is_not_one_is_refused_with_its_place(runs, tmp_path, change, message):
    run = results.of_run(runs / "guess" / "seed0") | change
    file = tmp_path / "bad.json"
    file.write_bytes(results.content([run]))
    with pytest.raises(UserError, match=re.escape(message)):
        results.load(file)


def test_pictures_are_of_cycles_that_were_run(runs, tmp_path):
    run, file = results.of_run(runs / "guess" / "seed0"), tmp_path / "guess.json"
    run["pictures"]["points"][0]["cycle"] = 99
    file.write_bytes(results.content([run]))
    with pytest.raises(UserError, match="pictures: of a cycle after the last one, 9"):
        results.load(file)


def test_one_changed_number_is_found_without_any_archive(runs, tmp_path):
    (file,) = results.add([runs / "guess" / "seed0"], tmp_path)
    content = json.loads(file.read_text())
    content["runs"][0]["scores"][3]["value"] *= 1.001
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="was changed after it was made"):
        results.load(file)


@pytest.mark.parametrize("what", ["scenario_digest", "system_digest", "digest", "seeds"])
def test_heads_that_are_not_those_of_the_runs_are_refused(runs, tmp_path, what):
    (file,) = results.add([runs / "guess" / "seed0"], tmp_path)
    content = json.loads(file.read_text())
    content[what] = [7] if what == "seeds" else "other"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="not those of its runs"):
        results.load(file)


def test_results_of_two_problems_do_not_share_a_board(runs, committed, tmp_path):
    shutil.copytree(committed, tmp_path / "results")
    run = results.of_run(runs / "guess" / "seed0")
    run["scenario"]["digest"], run["method"] = "changed", "later"
    (tmp_path / "results/mock/noise/later.json").write_bytes(results.content([run]))
    with pytest.raises(UserError, match="cannot share a board"):
        leaderboard.build([tmp_path / "results"], tmp_path / "out")


def test_huge_long_and_broken_files_are_refused(runs, tmp_path):
    file = tmp_path / "bad.json"
    file.write_bytes(b" " * (results.LARGEST + 1))
    with pytest.raises(UserError, match="larger"):
        results.load(file)
    file.write_bytes(b"\xff\x00{")
    with pytest.raises(UserError, match="not a result"):
        results.load(file)
    run = results.of_run(runs / "guess" / "seed0")
    run["scenario"]["title"] = "long " * 10_000
    file.write_bytes(results.content([run]))
    with pytest.raises(UserError, match=r"scenario\.title"):
        results.load(file)
    with pytest.raises(UserError, match="not there"):
        leaderboard.build([tmp_path / "nowhere"], tmp_path / "out")


def test_ten_megabytes_of_text_in_a_result_do_not_reach_the_pages(runs, tmp_path):
    run = results.of_run(runs / "guess" / "seed0")
    long = f"{EVIL} " * (10_000_000 // len(EVIL))
    run["settings"] = {"note": long}
    run["provenance"] |= {"device": long, "packages": {long[:50]: long}, "commit": [long]}
    run["scenario"] |= {"initial": long, "observations": [{long: long}], "system": {"name": long}}
    (tmp_path / "long.json").write_bytes(results.content([run | {"scores": run["scores"][:8]}]))
    with pytest.raises(UserError, match="larger"):
        results.load(tmp_path / "long.json")
    run["provenance"], run["scenario"]["observations"] = {}, [{"x": long[:3_000_000]}]
    run["scenario"] |= {"system": {"name": "x"}, "initial": ""}
    (tmp_path / "long.json").write_bytes(results.content([run]))
    front = leaderboard.build([tmp_path / "long.json"], tmp_path / "site")
    sizes = [page.stat().st_size for page in front.parent.rglob("*.html")]
    assert max(sizes) < 60_000


@pytest.mark.parametrize("what", ["scenario", "system", ""])
def test_rows_of_an_older_scenario_or_of_another_system_are_marked(runs, tmp_path, what):
    run = results.of_run(runs / "guess" / "seed0")
    now = load_scenario("dry_temp_4deg")
    run["scenario"] = now.plain() | {"digest": now.digest}
    run["system"] = {"name": "held_suarez", "digest": digest_of(resolution=4)}
    if what:
        run[what]["digest"] = "older"
    (tmp_path / "one.json").write_bytes(results.content([run]))
    front = leaderboard.build([tmp_path / "one.json"], tmp_path / "site")
    stale = f"Stale: the {what} has changed since"
    for page in (front, *front.parent.glob("*/index.html"), *front.parent.glob("*/rows/*.html")):
        assert (stale in page.read_text()) == bool(what)
        assert ("Stale" in page.read_text()) == bool(what)


@pytest.mark.parametrize(
    ("ratio", "tint"), [(None, ""), (0.03, "b5"), (0.9, "b1"), (1.0, "n"), (1.3, "w2"), (9.0, "w5")]
)
def test_ratios_have_colours_about_one(ratio, tint):
    assert shade(ratio) == tint

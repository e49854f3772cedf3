"""The site in Debian's Chromium: from disk, with the network cut, at three widths, with axe."""

import shutil

import mock_run
import pytest
from mock_run import SPHERE
from patience import PATIENCE

from dabench.core.layout import Channel, Layout
from dabench.leaderboard import published, results
from dabench.leaderboard import site as leaderboard
from dabench.scores.metrics.registry import METRICS

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.base")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
WIDTHS = (360, 800, 1600)
HEIGHTS = (100.0, 250.0, 500.0, 700.0, 850.0, 1000.0)
LEVELS = Layout(
    (Channel("2m_temperature", "K"), *(Channel("temperature", "K", level) for level in HEIGHTS)),
    SPHERE.coords,
    frames=2,
)
RUNS = (
    ("ensemble", 0, 2.0),
    ("fa_apf", 0, 0.5),
    ("fa_apf", 1, 0.6),
    ("enkf", 0, 300.0),
    ("persistence", 0, 2.6),
    ("climatology", 0, 2.2),
)
PUBLISHED = published.all_published()["era5/realistic"]
KINDS = (
    "index.html",
    "mock-noise/index.html",
    "mock-noise/diagnostics.html",
    "mock-noise/rows/fa_apf.html",
    "methods/fa_apf.html",
    "era5-realistic-gencast/index.html",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Methods with several seeds and one that diverged, beside references; six levels."""
    home = tmp_path_factory.mktemp("browser")
    for method, seed, error in RUNS:
        rec = mock_run.record(LEVELS, error=error, seed=seed)
        mock_run.write(home / f"runs/{method}/seed{seed}", LEVELS, rec, method=method, seed=seed)
    bad = {"method": "bad", "status": "diverged at cycle 7"}
    mock_run.write(home / "runs/bad/seed0", LEVELS, **bad)
    results.add(sorted(home.glob("runs/*/seed*")), home / "results")
    with pytest.MonkeyPatch.context() as patch:  # only the site of all results has such pages
        patch.setattr(leaderboard, "unrun", lambda *_: [published._unrun(PUBLISHED)])
        leaderboard.build([home / "results"], home / "site")
    return home / "site"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        options = ["--no-sandbox", "--disable-gpu"]
        yield p.chromium.launch(executable_path=CHROMIUM, args=options)


class Opened:
    """A page, and what it said, asked for or was refused."""

    def __init__(self, browser, address, width=1200, theme="light", **more):
        view = {"width": width, "height": 800}
        self.context = browser.new_context(
            viewport=view, color_scheme=theme, offline=True, bypass_csp=False, **more
        )
        self.page, self.said = self.context.new_page(), []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("requestfailed", lambda request: self.said.append(request.url))
        self.page.on("request", self._asked)
        self.page.goto(address)
        self.page.evaluate(EAGER)

    def _asked(self, request):
        if not request.url.startswith(("file:", "data:")):
            self.said.append(request.url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


EAGER = """async () => {
  for (const d of document.querySelectorAll("details")) d.open = true;
  const images = [...document.images];
  for (const i of images) i.loading = "eager";
  const late = new Promise((_, reject) => setTimeout(() => {
    reject(new Error("not decoded: " + images.filter((i) => !i.complete).map((i) => i.src)));
  }, PATIENCE));
  await Promise.race([late, Promise.all(images.map((i) => i.decode()))]);
}""".replace("PATIENCE", str(1000 * PATIENCE))


def test_every_page_loads_from_disk_with_the_network_cut_and_says_nothing(site, browser):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 1 + 2 + 6 + 6 + 1  # front; board, diagnostics; rows; methods; published
    for path in pages:
        with Opened(browser, path.as_uri()) as opened:
            assert not opened.said, path
            shown = "[...document.images].every((i) => i.naturalWidth > 0)"
            assert opened.page.evaluate(shown), path


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_sideways_and_pictures_of_it_are_not_blank(site, browser, width):
    for kind in KINDS:
        with Opened(browser, (site / kind).as_uri(), width) as opened:
            wide = opened.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, kind
            assert len(opened.page.screenshot()) > 8_000, kind


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_kind_of_page(site, browser, theme):
    """The dark theme has other colours and nothing else."""
    script = axe.AXE_FILE_PATH.read_text()
    rules = "" if theme == "light" else "{runOnly: ['color-contrast']}"
    run = f"async () => {{ {script}; return await axe.run({rules}); }}"
    for kind in KINDS:
        with Opened(browser, (site / kind).as_uri(), theme=theme) as opened:
            found = opened.page.evaluate(run)
            bad = found["violations"]
            told = [(v["id"], n["html"][:120], n["any"]) for v in bad for n in v["nodes"][:2]]
            assert not told, kind
            assert len(found["passes"]) > (10 if theme == "light" else 0)


def test_tables_sort_and_filter_rows_open_and_the_theme_stays(site, browser):
    with Opened(browser, (site / "index.html").as_uri()) as opened:
        page = opened.page
        names = page.locator("table.overview tbody tr:visible th a")
        ratio = page.locator("table.overview thead button").nth(1)
        ratio.click()
        rising = ["FA-APF", "Free ensemble", "Climatology", "Persistence", "EnKF"]
        assert names.all_inner_texts() == [*rising, "bad"]  # no number: last
        assert page.locator("th[aria-sort=ascending]").count() == 1
        ratio.press("Enter")  # by keyboard
        assert names.all_inner_texts() == [*rising[::-1], "bad"]
        for words in ("fa-apf", "fa_apf"):  # as the table shows it, and as a person types it
            page.get_by_label("filter methods").fill(words)
            assert names.all_inner_texts() == ["FA-APF"]
        assert page.locator("tr:not([hidden]) td.o0").first.is_visible()
        offered = page.get_by_label("show").locator("option").all_inner_texts()
        assert offered == [metric.title for metric in METRICS if metric.overview]
        page.get_by_label("show").select_option("crps")
        assert not page.locator("tr:not([hidden]) td.o0").first.is_visible()
        assert page.locator("tr:not([hidden]) td.o3").first.is_visible()
        paper = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        page.get_by_role("button", name="Light or dark").click()
        assert page.evaluate(paper) != light
        names.first.click()
        page.wait_for_url("**/mock-noise/rows/fa_apf.html")
        assert page.locator("h1").inner_text() == "FA-APF"
        assert not opened.said


def test_small_negative_numbers_sort_as_numbers_and_dates_as_texts(site, browser):
    script = "([a, b]) => { const row = (t) => { const r = document.createElement('tr');"
    script += (
        " r.insertCell().textContent = t; return r; }; return compare(row(a), row(b), 0, 1); }"
    )
    with Opened(browser, (site / "index.html").as_uri()) as opened:

        def order(*texts):
            return opened.page.evaluate(script, texts)

        assert order("−7.16e−05", "−0.012") > 0
        assert order("−7.16e−05", "2.00e−06") < 0
        assert order("2026-11-24 09:30", "2026-11-25 08:00") < 0
        assert order("2026-11-24 09:30", "2026-11-24 10:30") < 0
        assert order("10m u-wind", "2m temperature") > 0
        assert order("–", "3") > 0


def test_a_scorecard_is_of_any_two_methods_and_whole_on_a_telephone(site, browser):
    with Opened(browser, (site / "mock-noise/index.html").as_uri(), 360) as opened:
        card, page = opened.page.locator(".chosen"), opened.page
        assert card.locator("td i.arrow").count() > 0
        before = card.locator("td .ratio").all_inner_texts()
        card.get_by_label("against").select_option("Persistence")
        assert card.locator("td .ratio").all_inner_texts() != before
        assert "than Persistence in" in card.get_by_role("status").inner_text()
        card.get_by_label("numbers").check()
        wide = "(all) => all.every((c) => c.scrollWidth <= c.clientWidth + 1)"
        assert card.locator("td").evaluate_all(wide)
        table = page.locator("table.field tbody")
        shown = table.inner_text()
        page.locator("#scores").get_by_label("variable").select_option("Temperature")
        page.locator("#scores").get_by_label("level").select_option("250 hPa")
        assert "Temperature, 250 hPa" in page.locator("#field").inner_text()
        assert table.inner_text() != shown
        assert not opened.said


def test_skill_against_cost_has_its_numbers_and_a_switch_of_scales(site, browser):
    with Opened(browser, (site / "mock-noise/index.html").as_uri(), 360) as opened:
        costs = opened.page.locator(".costs")
        names = costs.locator("svg g text").all_text_contents()
        assert {"FA-APF", "Free ensemble"} <= set(names)
        point = costs.get_by_role("img", name="Free ensemble:")
        point.focus()
        assert (
            "Free ensemble: CRPS over the free ensemble's"
            in costs.get_by_role("status").inner_text()
        )
        places = "(all) => all.map((c) => [c.getAttribute('cx'), c.getAttribute('cy')])"
        before = costs.locator("circle").evaluate_all(places)
        costs.get_by_label("log skill").uncheck()
        after = costs.locator("circle").evaluate_all(places)
        assert [x for x, _ in after] == [x for x, _ in before]
        assert after != before
        wide, high = costs.locator("svg").evaluate("(s) => [s.clientWidth, s.clientHeight]")
        assert all(0 < float(x) < wide and 0 < float(y) < high for x, y in [*before, *after])
        costs.locator("select").nth(1).select_option(index=1)
        assert costs.locator("circle").count() > 0
        assert not opened.said


def test_figures_are_drawn_for_narrow_pages_and_printed_unfolded(site, browser):
    with Opened(browser, (site / "mock-noise/index.html").as_uri(), 360) as opened:
        page = opened.page
        chosen = page.locator("figure img").evaluate_all("(all) => all.map((i) => i.currentSrc)")
        assert chosen
        assert all(name.endswith("-narrow.svg") for name in chosen)
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = false; })")
        page.set_viewport_size({"width": 800, "height": 1000})
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        shown = "(all) => all.every((i) => i.getBoundingClientRect().height > 20)"
        assert page.locator("figure img").evaluate_all(shown)
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0


def test_maps_of_the_front_page_follow_the_day(site, browser):
    with Opened(browser, (site / "index.html").as_uri(), 360) as opened:
        page = opened.page
        maps = page.locator(".maps canvas")
        assert maps.count() == 6
        said = page.locator(".showcase output").inner_text()
        before = maps.nth(0).screenshot()
        page.get_by_role("slider", name="day").press("End")
        assert page.locator(".showcase output").inner_text() != said
        assert maps.nth(0).screenshot() != before
        assert not opened.said


def test_figures_follow_the_theme_of_the_page(site, browser):
    with Opened(browser, (site / "mock-noise/index.html").as_uri()) as opened:
        figure = opened.page.locator("figure img").first
        light = figure.screenshot()
        opened.page.get_by_role("button", name="Light or dark").click()
        assert figure.screenshot() != light


def test_everything_is_readable_without_scripts(site, browser):
    address = (site / "index.html").as_uri()
    with browser.new_context(java_script_enabled=False, offline=True) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("table.matrix tbody tr:visible").count() >= 3
        page.locator("details.board > summary").first.click()
        assert page.locator("table.overview tbody tr:visible").count() >= 3

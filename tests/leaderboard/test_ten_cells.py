"""Ten random cells of the site, computed again from the archives by code of its own.

Nothing here comes from dabench but the site and the archives; the formulas are those of
WeatherBench 2 (area weights by cell bounds, root last, fair CRPS by all pairs of members).
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import mock_run
import numpy as np
import pytest
import zarr

from dabench.leaderboard import site

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Archives of two methods with three seeds each, and the site of them."""
    home = tmp_path_factory.mktemp("ten")
    for method, error in (("ensemble", 2.0), ("guess", 0.5)):
        for seed in SEEDS:
            rec = mock_run.record(mock_run.SPHERE, error=error, seed=seed + 10 * len(method))
            mock_run.write(home / f"runs/{method}/seed{seed}", rec=rec, method=method, seed=seed)
    site.build([home / "runs"], home / "site")
    return home


class Table(HTMLParser):
    """Rows of the first table with `id`'s section: head to texts of the cells."""

    def __init__(self, path: Path):
        super().__init__()
        self.rows: list[list[str]] = []
        self.depth = 0
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "small":
            self.depth += 1

    def handle_endtag(self, tag):
        self.depth -= tag == "small"

    def handle_data(self, data):
        if self.rows and self.rows[-1] and not self.depth:
            self.rows[-1][-1] += data.strip()


def shown(made, method, variable, metric) -> float:
    """What the page of a row says."""
    (page,) = made.glob(f"site/*/rows/{method}.html")
    rows = Table(page).rows
    column = rows[0].index(metric)
    row = next(r for r in rows[1:] if r[0] == variable)
    return float(row[column].replace("\u2212", "-"))


def weights(latitude):
    middle = np.deg2rad((latitude[1:] + latitude[:-1]) / 2)
    bounds = np.concatenate([[-np.pi / 2], middle, [np.pi / 2]])
    area = np.diff(np.sin(bounds))
    return area / area.sum()


def scored(made, method, seed, name, level):
    """truth (cycle, lat, lon), members (cycle, member, lat, lon) of the cycles 3 to 9."""
    store = zarr.open_group(made / f"runs/{method}/seed{seed}/archive.zarr", mode="r")
    truth, members = (np.asarray(store[f"{g}/{name}"][:], float) for g in ("truth", "members"))
    if level is not None:
        i = list(store[f"truth/{'level'}"][:]).index(level)
        truth, members = truth[:, i], members[:, :, i]
    return truth[3:], members[3:], weights(store["truth/latitude"][:])


def again(truth, members, w, metric):
    """One score of one seed."""
    n = members.shape[1]

    def space(x):
        return (x.mean(-1) * w).sum(-1)

    error = members.mean(1) - truth
    if metric == "RMSE":
        return np.sqrt(space(error**2).mean())
    if metric == "spread":
        return np.sqrt(space(members.var(1, ddof=1)).mean())
    if metric == "bias":
        return space(error).mean()
    if metric == "spread/skill":
        variance, square = space(members.var(1, ddof=1)).mean(), space(error**2).mean()
        return np.sqrt((n + 1) / n * variance / square)
    pairs = abs(members[:, :, None] - members[:, None]).sum((1, 2))
    among = n * (n - 1) if metric == "CRPS" else n * n
    return space(abs(members - truth[:, None]).mean(1) - 0.5 * pairs / among).mean()


VARIABLES = {
    "2m temperature": ("2m_temperature", None),
    "Temperature, 250 hPa": ("temperature", 250.0),
    "Temperature, 500 hPa": ("temperature", 500.0),
    "U-wind, 500 hPa": ("u_component_of_wind", 500.0),
}
METRICS = ("RMSE", "spread", "spread/skill", "CRPS", "CRPS, plain", "bias")


def test_ten_random_cells_of_the_site_are_what_the_archives_say(made):
    rng = np.random.default_rng(20261122)
    cells = [(m, v, s) for m in ("ensemble", "guess") for v in VARIABLES for s in METRICS]
    for index in rng.choice(len(cells), 10, replace=False):
        method, variable, metric = cells[index]
        seeds = [again(*scored(made, method, seed, *VARIABLES[variable]), metric) for seed in SEEDS]
        wanted = float(f"{np.median(seeds):.3g}")
        assert shown(made, method, variable, metric) == pytest.approx(wanted, rel=1e-9), (
            method, variable, metric,
        )  # fmt: skip


def test_ratios_of_the_scorecard_are_those_of_the_archives(made):
    (page,) = made.glob("site/*/rows/guess.html")
    rmse = {
        method: np.median(
            [again(*scored(made, method, s, "temperature", 250.0), "RMSE") for s in SEEDS]
        )
        for method in ("ensemble", "guess")
    }
    ratio = rmse["guess"] / rmse["ensemble"]
    row = re.search(r"<th scope=row>Temperature(<td.*)", page.read_text()).group(1)
    found = [float(x) for x in re.findall(r">([0-9.]+)", row)]
    assert found[0] == pytest.approx(float(f"{ratio:.2g}"))

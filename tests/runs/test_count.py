"""Costs that are counted from settings, for networks whose files are not here."""

import io
import re

import pytest
from rich.console import Console

from dabench.core.errors import UserError
from dabench.runs import count, estimate
from dabench.runs import execute as running
from dabench.systems.gencast.fetch import cache


@pytest.fixture
def dry_run(monkeypatch, tmp_path):
    """What a dry run on nothing fetched prints."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def show(scenario: str, *methods: str, **options) -> str:
        text = io.StringIO()
        plan = running.plan(scenario, methods=methods, **options)
        estimate.show(plan, None, Console(file=text, width=120))
        assert not list(tmp_path.iterdir())
        return text.getvalue()

    return show


def row(text: str, method: str) -> list[str]:
    """Cells of a method's row."""
    line = re.search(rf"^ {method} .*$", text, re.MULTILINE)
    assert line, text
    return re.split(r" {2,}", line[0].strip())


def test_the_published_experiment_is_counted_without_its_files(dry_run):
    """14 levels of six products each, and the look-ahead; 39 evaluations of GenCast's own sampler.

    A network of 2.38 TFLOP, 256 members, 30 cycles: (15 + 2 * 84) * 2.38e12 * 7680 = 3.3e18.
    """
    text = dry_run("era5/coarsening", "fa_apf", "ensemble")
    assert "observations   57960 a cycle" in text  # 14 fields of 46 x 90 blocks
    assert "evaluation     2.4 TFLOP" in text
    fa_apf, ensemble = row(text, "fa_apf"), row(text, "ensemble")
    assert fa_apf[:4] + fa_apf[5:] == ["fa_apf", "256", "15", "84", "3.3 EFLOP"]
    assert ensemble[:4] + ensemble[5:] == ["ensemble", "256", "39", "-", "711 PFLOP"]
    assert re.fullmatch(r"[\d.]+ GiB", fa_apf[4])
    assert "not here yet   dabench fetch gencast_1p0deg\n" in text
    assert "not here yet   dabench fetch gencast_sample\n" in text


def test_the_authors_settings_are_counted_the_same_way(dry_run):
    """94 guided evaluations with four products each, and the look-ahead."""
    text = dry_run("era5/subsampling", "fa_apf", profile="paper-2026")
    assert row(text, "fa_apf-paper-2026")[1:4] == ["256", "95", "376"]


def test_other_periods_are_fetched_from_the_archive(dry_run):
    text = dry_run("era5/temp_4deg_mini", "persistence")
    assert row(text, "persistence")[2:4] == ["-", "-"]
    assert "not here yet   dabench fetch era5 --scenario era5/temp_4deg_mini" in text


def test_methods_that_cannot_work_say_so(dry_run):
    with pytest.raises(UserError, match="members: 16 is too few"):
        dry_run("era5/coarsening", "fa_apf", members=16)


@pytest.mark.parametrize(
    ("operations", "text"),
    [(0.0, "0 FLOP"), (2.38e12, "2.4 TFLOP"), (7.11e17, "711 PFLOP"), (1.5e19, "15 EFLOP")],
)
def test_operations_are_told_with_two_or_three_digits(operations, text):
    assert count.flops(operations) == text

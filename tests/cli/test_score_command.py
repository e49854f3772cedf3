"""What the commands that judge runs say of themselves."""

import pytest
from typer.testing import CliRunner

from dabench import cli
from dabench.scores.metrics.further import FURTHER
from dabench.scores.multiple_tests import CORRECTIONS
from dabench.scores.paired import COMPARED, TESTS


@pytest.mark.parametrize(
    ("command", "names"), [("compare", (*COMPARED, *TESTS, *CORRECTIONS)), ("score", FURTHER)]
)
def test_help_names_every_metric_and_test(command, names):
    width = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}
    text = CliRunner().invoke(cli.app, [command, "--help"], env=width).output
    assert [name for name in names if name not in text] == []

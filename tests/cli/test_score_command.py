"""What the commands that judge runs say of themselves."""

import mock_run
import pytest
from typer.testing import CliRunner

from dabench import cli
from dabench.core.errors import UserError
from dabench.scores import files, metrics
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


def invoke(*words: object) -> str:
    wide = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}
    result = CliRunner().invoke(cli.app, [str(word) for word in words], env=wide)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_scores_without_weights_are_written_and_compared_under_their_own_name(tmp_path):
    a, b = tmp_path / "a" / "seed0", tmp_path / "b" / "seed0"
    for folder in (a, b):
        mock_run.write(folder, method=folder.parent.name, digest=folder.parent.name)
    invoke("score", "--weights", "none", a)
    assert metrics.UNWEIGHTED in files.load_scores(a).regions
    invoke("score", b)
    assert metrics.UNWEIGHTED not in files.load_scores(b).regions
    text = invoke("compare", "--weights", "none", a, b)
    assert "t500 rmse unweighted" in text
    assert "unweighted, 7 cycles" in text
    assert "; off:" not in text  # those are weighted
    assert "unweighted" not in invoke("compare", a, b)
    with pytest.raises(UserError, match="leave --region out"):
        invoke("compare", "--weights", "none", "--region", "tropics", a, b)

"""The status of a run: its text, and what it is read back as."""

import pytest

from dabench.runs.archive.status import COMPLETE, RUNNING, Status, diverged_at


@pytest.mark.parametrize(
    ("status", "text"),
    [(RUNNING, "running"), (COMPLETE, "complete"), (diverged_at(312), "diverged at cycle 312")],
)
def test_a_status_is_read_back_from_its_text(status, text):
    assert str(status) == text
    assert Status.parse(text) == status
    assert [status.running, status.complete, status.diverged].count(True) == 1


@pytest.mark.parametrize("text", ["", "finished", "diverged", "diverged at cycle x", "Running"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="is no status of a run"):
        Status.parse(text)

"""Several seeds: what they say together, and how they are asked for."""

import mock_run
import pytest

from dabench.cli.options import seed_list
from dabench.core.errors import UserError
from dabench.scores.seeds import in_common, over_seeds


def test_what_diverged_counts_as_larger_than_any():
    assert over_seeds([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0, 0, 3)
    assert over_seeds([1.0, None, 2.0]) == (2.0, 1.0, None, 1, 3)
    assert over_seeds([1.0, None]) == (None, 1.0, None, 1, 2)
    assert over_seeds([None, None]) == (None, None, None, 2, 2)
    assert over_seeds([1.0, 2.0]).median == 1.5


def test_seeds_are_ranges_and_lists():
    assert seed_list("0-4") == [0, 1, 2, 3, 4]
    assert seed_list("7, 0-2,1") == [7, 0, 1, 2]


@pytest.mark.parametrize("text", ["", "4-0", "a", "1..3", "-1", "0-99999"])
def test_other_texts_are_refused(text):
    with pytest.raises(UserError, match="0-4 or 0,2,7"):
        seed_list(text)


def test_what_may_be_paired_is_of_seeds_that_all_have():
    ours, theirs = ([mock_run.scores(seed=n) for n in seeds] for seeds in ((0, 1), (1, 2)))
    assert in_common(ours, theirs) == [ours[1:], theirs[:1]]

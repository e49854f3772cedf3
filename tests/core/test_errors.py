"""Warnings as users see them."""

import warnings

import numpy as np
import pytest

from dabench.core.errors import Caution, warnings_in_one_line

XARRAY = "/lib/python3/site-packages/xarray/core/common.py"


@pytest.mark.filterwarnings("always")
def test_warnings_of_libraries_and_cautions_are_one_line_each(capsys):
    with warnings_in_one_line():
        np.log(np.zeros(1))
        warnings.warn_explicit("old\nuse new", FutureWarning, XARRAY, 3)
        warnings.warn("two seeds\nof one", Caution, stacklevel=1)
    here, library, caution = capsys.readouterr().err.splitlines()
    assert here == "dabench: warning: divide by zero encountered in log (test_errors)"
    assert library == "dabench: warning: old (xarray)"
    assert caution == "dabench: warning: two seeds"

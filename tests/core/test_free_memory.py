"""Free memory against what the operating system says of the whole."""

import os

import pytest

from dabench.core.memory import free_bytes


@pytest.mark.skipif(free_bytes() == 8 * 2**30, reason="the system does not tell")
def test_free_memory_is_part_of_all():
    assert 0 < free_bytes() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

"""What is switched off so that the tests run as on an older processor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cpu_features import disabled
from patience import PATIENCE

NEWER = ["X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR"]
OLDER = ["SSE41", "AVX2", "FMA3", "AVX512F", "AVX512_SKX"]


@pytest.mark.parametrize(
    ("level", "dispatched", "lacking", "off"),
    [
        ("AVX512", NEWER, ["AVX512_SPR"], ["X86_V4", "AVX512_ICL"]),
        ("AVX2", NEWER, ["AVX512_SPR"], ["X86_V3", "X86_V4", "AVX512_ICL"]),
        ("AVX512", OLDER, [], ["AVX512F", "AVX512_SKX"]),
        ("AVX2", OLDER, [], ["AVX2", "FMA3", "AVX512F", "AVX512_SKX"]),
        ("AVX2", NEWER, NEWER[1:], ["X86_V3"]),
        ("AVX512", NEWER, NEWER[1:], []),
        ("AVX2", ["X86_V4"], [], []),  # a NumPy that needs AVX2 to run at all
        ("AVX2", ["ASIMDHP", "SVE"], [], []),
    ],
)
def test_features_above_a_level_are_switched_off(level, dispatched, lacking, off):
    present = {name: name not in lacking for name in dispatched}
    assert disabled(level, dispatched, present) == off


@pytest.mark.parametrize("level", ["AVX512", "AVX2"])
def test_numpy_takes_the_names(level):
    script = Path(__file__).with_name("cpu_features.py")
    call = [sys.executable, str(script), level]
    options = {"capture_output": True, "text": True, "check": True, "timeout": PATIENCE}
    names = subprocess.run(call, **options).stdout.strip()
    off_already = os.environ.get("NPY_DISABLE_CPU_FEATURES", "")
    without = os.environ | {"NPY_DISABLE_CPU_FEATURES": f"{off_already} {names}".strip()}
    again = subprocess.run(call, env=without, **options)
    assert again.stdout.strip() == ""
    assert again.stderr == ""

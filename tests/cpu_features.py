"""Print what NPY_DISABLE_CPU_FEATURES has to name so that NumPy does without AVX-512, or AVX2 too.

Only names that this NumPy chooses at run time and this processor has may be there; without any, as
on other processors or where the baseline has them, nothing is printed.

    NPY_DISABLE_CPU_FEATURES="$(python tests/cpu_features.py AVX512)" python -m pytest -m golden
"""

import sys

NAMES = {"AVX512": ("AVX512", "X86_V4"), "AVX2": ("AVX512", "X86_V4", "AVX2", "FMA3", "X86_V3")}


def disabled(level: str, dispatched: list[str], present: dict[str, bool]) -> list[str]:
    """Those of NumPy's dispatched features that a processor without `level` would not have.

    Arguments:
        level: AVX512 or AVX2.
        dispatched: Features that NumPy chooses at run time.
        present: Whether this processor has a feature.
    """
    above = [name for name in dispatched if present.get(name) and name.startswith(NAMES[level])]
    own = level[:4], "X86_V4" if level == "AVX512" else "X86_V3"
    return above if any(name.startswith(own) for name in above) else []


if __name__ == "__main__":
    from numpy._core import _multiarray_umath as numpy_core

    features = numpy_core.__cpu_dispatch__, numpy_core.__cpu_features__
    print(" ".join(disabled(sys.argv[1], *features)))

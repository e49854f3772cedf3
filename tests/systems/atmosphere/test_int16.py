"""Frames as integers, in memory and in a file."""

import numpy as np
import pytest

from dabench.systems.atmosphere import int16
from dabench.systems.sphere.harmonics import degrees


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(1).standard_normal((5, 24, 1024)).astype(np.float32)


@pytest.mark.parametrize("bits", [12, 16])
def test_packing_rounds_to_half_a_unit_of_each_degree(frames, bits):
    ints = int16.pack(frames, bits)
    assert np.abs(ints.values.astype(int)).max() == 2 ** (bits - 1) - 1
    unit = ints.scale[:, degrees(31)]
    error = np.abs(int16.unpack(ints) - frames)
    assert (error <= 0.5 * unit + 1e-6).all()


@pytest.mark.parametrize("bits", [12, 16])
def test_a_file_gives_back_what_was_packed(frames, bits, tmp_path):
    ints = int16.pack(frames, bits)
    int16.save(tmp_path / "frames.npz", ints)
    for before, after in zip(ints, int16.load(tmp_path / "frames.npz"), strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


def test_twelve_bits_take_less_than_twelve_bits_a_number(frames, tmp_path):
    """The high bytes of a bell-shaped distribution compress."""
    ints = int16.pack(frames, 12)
    int16.save(tmp_path / "frames.npz", ints)
    others = ints.mean.nbytes + ints.scale.nbytes
    assert (tmp_path / "frames.npz").stat().st_size - others < 1.5 * frames.size

"""Shares of nodes: one in all at every point, linear between, around rings and up to open ends."""

from dataclasses import replace

import numpy as np
import pytest
from twins import SPHERE, sites

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.filters.local.nodes import make_bands, make_nodes, strips
from dabench.filters.local.plan import make_plan
from dabench.filters.local.taper import Localisation


def dense(nodes, points):
    """(node, point) shares."""
    shares = np.zeros((len(nodes.point), points))
    np.add.at(shares, (np.arange(len(shares))[:, None], nodes.near), nodes.share)
    return shares


def line(count, periodic=False):
    return Layout((Channel("x"),), {"site": np.arange(count)}, periodic=periodic)


def test_a_line_ends_with_a_node():
    nodes = make_nodes(line(6), 4)
    np.testing.assert_array_equal(nodes.point, [0, 4, 5])
    expected = [[1, 0.75, 0.5, 0.25, 0, 0], [0, 0.25, 0.5, 0.75, 1, 0], [0, 0, 0, 0, 0, 1]]
    np.testing.assert_allclose(dense(nodes, 6), expected)


def test_a_ring_ends_where_it_begins():
    nodes = make_nodes(line(6, periodic=True), 4)
    np.testing.assert_array_equal(nodes.point, [0, 4])
    expected = [[1, 0.75, 0.5, 0.25, 0, 0.5], [0, 0.25, 0.5, 0.75, 1, 0.5]]
    np.testing.assert_allclose(dense(nodes, 6), expected)


@pytest.mark.parametrize("stride", [2, 3, 5, 100])
@pytest.mark.parametrize("longitudes", [np.arange(0, 360, 30.0), np.arange(0, 100, 10.0)])
def test_shares_of_every_point_sum_to_one(stride, longitudes):
    layout = replace(SPHERE, coords={**SPHERE.coords, "longitude": longitudes})
    shares = dense(make_nodes(layout, stride), layout.points)
    np.testing.assert_allclose(shares.sum(0), 1)
    assert shares.min() >= 0
    assert shares.max(1).min() == 1


def test_a_region_does_not_wrap():
    layout = replace(SPHERE, coords={**SPHERE.coords, "longitude": np.arange(0, 90, 10.0)})
    nodes = make_nodes(layout, 3)
    assert set(nodes.point[:4]) == {0, 3, 6, 8}


def test_batches_have_no_nodes():
    taper = Localisation(2.0, None)
    with pytest.raises(UserError, match="weight_stride: 2 needs batch 1, not 3"):
        make_plan(line(6), sites(6).table, taper, batch=3, stride=2)


def test_strips_never_go_back_and_end_with_the_last_point():
    near = np.array([[[2, 0], [1, 4], [-1, -1], [6, 7]], [[7, 0], [3, 4], [5, 5], [6, 6]]])
    first, step, length = strips(near[:1], 8)
    assert (first.tolist(), step.tolist(), length) == ([0, 1, 4, 4], [1, 3, 0, 4], 4)
    first, step, length = strips(near[1:], 8)  # of a ring
    assert (first.tolist(), step.tolist(), length) == ([0, 0, 0, 0], [0, 0, 0, 8], 8)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("layout", [SPHERE, line(83, periodic=True), line(83)])
def test_strips_hold_all_points_that_take_weights_from_a_node(layout, parts):
    nodes = make_nodes(layout, 2)
    points = -(-layout.points // parts)
    index = np.pad(np.arange(len(nodes.point)), (0, -len(nodes.point) % 8), constant_values=999)
    index = np.tile(index.reshape(8, -1), (parts, 1))
    (first, step, near, share), length = make_bands(nodes, index, layout.points, parts)
    shares = np.zeros((len(nodes.point), parts * points))
    for block, units in enumerate(index):
        begin = first[block] + block // 8 * points
        for u, unit in enumerate(units):
            for p, s in zip(near[block, u], share[block, u], strict=True):
                assert 0 <= p < length
                if unit < 999:
                    shares[unit, begin + p] += s
    np.testing.assert_allclose(shares[:, : layout.points], dense(nodes, layout.points))
    assert not shares[:, layout.points :].any()
    ends = first.reshape(parts, 8)[:, -1] + length
    assert (ends >= np.minimum(points, layout.points - points * np.arange(parts))).all()
    assert (step.reshape(parts, 8).sum(1) == ends - first.reshape(parts, 8)[:, 0]).all()

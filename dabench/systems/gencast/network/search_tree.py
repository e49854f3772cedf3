"""The orders on which ties between faces depend: of a packed R-tree, and of a sorting network.

Both are defined for keys with ties, where "sorted" alone does not say which comes first.
"""

import math

import numpy as np
from jaxtyping import Float, Int

CAPACITY = 70  # entries of a node of the tree
SHORT = 16  # introsort leaves pieces up to this length to insertion


def order(
    low: Float[np.ndarray, "box axis"], high: Float[np.ndarray, "box axis"]
) -> Int[np.ndarray, "box"]:
    """The order in which a query of the tree that is packed from boxes comes to them.

    Nodes are packed by sort-tile-recursive, level by level, until one holds all. A query visits the
    children of a node from the last to the first, but the boxes in a leaf from the first on.

    Source: Leutenegger, Lopez & Edgington (1997), STR: a simple and efficient algorithm for R-tree
    packing, Proc. 13th Int. Conf. on Data Engineering, 497-506.
    """
    boxes = [np.array([i]) for i in range(len(low))]
    step = 1
    while True:
        nodes = _pack(low + high, np.arange(len(low)), axis=0)
        boxes = [np.concatenate([boxes[i] for i in node[::step]]) for node in nodes]
        if len(nodes) == 1:
            return boxes[0]
        low = np.stack([low[node].min(axis=0) for node in nodes])
        high = np.stack([high[node].max(axis=0) for node in nodes])
        step = -1


def _pack(
    centre: Float[np.ndarray, "box axis"], boxes: Int[np.ndarray, "some"], axis: int
) -> list[Int[np.ndarray, "few"]]:
    """Boxes in nodes of at most `CAPACITY`: sorted along an axis, cut into slabs, and so on."""
    boxes = boxes[introsort(centre[boxes, axis])]
    slabs = math.ceil(math.sqrt(math.ceil(len(boxes) / CAPACITY)))
    last = slabs == 1 or axis == centre.shape[1] - 1 or slabs * CAPACITY == len(boxes)
    size = CAPACITY if last else slabs * CAPACITY
    pieces = [boxes[i : i + size] for i in range(0, len(boxes), size)]
    return pieces if last else [node for p in pieces for node in _pack(centre, p, axis + 1)]


def introsort(keys: Float[np.ndarray, "key"]) -> Int[np.ndarray, "key"]:
    """The order of keys by quicksort, median of three, and insertion.

    Source: Musser (1997), Introspective sorting and selection algorithms, Software: Practice and
    Experience 27, 983-993; as the C++ library of GCC has it.
    """
    pairs = list(zip(keys.tolist(), range(len(keys)), strict=True))
    pieces = [(0, len(pairs))]
    while pieces:
        first, last = pieces.pop()
        if last - first > SHORT:
            cut = _partition(pairs, first, last)
            pieces += [(first, cut), (cut, last)]
    pairs.sort(key=lambda pair: pair[0])  # as insertion does, this leaves ties where they are
    return np.array([index for _, index in pairs])


def _partition(pairs: list[tuple[float, int]], first: int, last: int) -> int:
    """Move keys below the pivot to the left of those above it, in place; where the right begins."""
    trio = first + 1, first + (last - first) // 2, last - 1
    middle = _median([pairs[i][0] for i in trio])
    pairs[first], pairs[trio[middle]] = pairs[trio[middle]], pairs[first]
    pivot, left, right = pairs[first][0], first + 1, last
    while True:
        while pairs[left][0] < pivot:
            left += 1
        right -= 1
        while pivot < pairs[right][0]:
            right -= 1
        if left >= right:
            return left
        pairs[left], pairs[right] = pairs[right], pairs[left]
        left += 1


def _median(keys: list[float]) -> int:
    """Index of the middle one of three keys; of equal keys, where three comparisons end."""
    a, b, c = keys
    if a < b:
        return 1 if b < c else 2 if a < c else 0
    return 0 if a < c else 2 if b < c else 1


def sort(keys: Float[np.ndarray, "row key"]) -> Int[np.ndarray, "row key"]:
    """The order of the keys of each row by a bitonic network, which exchanges only unequal keys.

    Source: Batcher (1968), Sorting networks and their applications, AFIPS Spring Joint Computer
    Conference 32, 307-314; in the form whose comparisons all point the same way.
    """
    width = 1 << max(keys.shape[1] - 1, 1).bit_length()
    more = width - keys.shape[1]
    keys = np.pad(keys, ((0, 0), (0, more)), constant_values=np.inf)
    indices = np.broadcast_to(np.arange(width), keys.shape)
    for block in (2**i for i in range(1, width.bit_length())):
        partners = [np.arange(width) ^ (block - 1)]
        partners += [np.arange(width) ^ block >> i for i in range(2, block.bit_length())]
        for partner in partners:
            keys, indices = _exchange(keys, indices, partner)
    return indices


def _exchange(
    keys: Float[np.ndarray, "row key"], indices: Int[np.ndarray, "row key"], partner: np.ndarray
) -> tuple[Float[np.ndarray, "row key"], Int[np.ndarray, "row key"]]:
    """Bring the smaller of each pair of keys to the left, with its index."""
    other = keys[:, partner]
    is_left = np.arange(len(partner)) < partner
    move = np.where(is_left[None], other < keys, other > keys)
    return np.where(move, other, keys), np.where(move, indices[:, partner], indices)

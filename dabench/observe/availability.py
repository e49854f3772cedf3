"""Observations that are there in some cycles and missing in others."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt64

from dabench.observe.operators import Rows
from dabench.observe.stations import Stations
from dabench.scenario.availability import Availability
from dabench.scenario.scenario import Group

Present = Callable[[int], Bool[np.ndarray, "obs"]]
"""Number of a cycle -> whether each observation of a network is there."""

MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Factors of the finaliser of SplitMix64 (Steele, Lea & Flood, 2014)."""


def presence(parts: Sequence[tuple[Group, Rows]]) -> Present | None:
    """The observations of every cycle; None where all of them are there in all cycles.

    Arguments:
        parts: Groups with their rows, in the order of the network.
    """
    rules = [
        (group.availability or Availability(), rows.stations, len(rows.targets))
        for group, rows in parts
    ]
    if all(rule.always and stations.there is None for rule, stations, _ in rules):
        return None

    def present(cycle: int) -> Bool[np.ndarray, "obs"]:
        masks = [np.tile(reporting(rule, at, cycle), copies) for rule, at, copies in rules]
        return np.concatenate(masks)

    return present


def reporting(rule: Availability, stations: Stations, cycle: int) -> Bool[np.ndarray, "station"]:
    """Whether each station reports in a cycle, from 1 on."""
    due = cycle >= rule.first and (cycle - rule.first) % rule.every == 0
    mask = np.full(len(stations.index), due)
    if rule.share < 1:
        mask &= chance(stations, rule.seed, cycle) < rule.share
    if stations.there is not None:
        mask &= stations.there[(cycle - 1) % len(stations.there)]
    return mask


def chance(stations: Stations, seed: int, cycle: int) -> Float[np.ndarray, "station"]:
    """A number in [0, 1) for each station, by its place: it is the same in a thinner network."""
    number = mixed(np.array([seed * 2**32 + cycle], np.uint64))
    return (mixed(place_hash(stations) ^ number) >> np.uint64(11)) * 2.0**-53


def mixed(bits: UInt64[np.ndarray, "n"]) -> UInt64[np.ndarray, "n"]:
    """Bits of which each depends on all of those given."""
    for shift, factor in zip((30, 27), MIX, strict=True):
        bits = (bits ^ (bits >> np.uint64(shift))) * factor
    return bits ^ (bits >> np.uint64(31))


def place_hash(stations: Stations) -> UInt64[np.ndarray, "station"]:
    """Hash of the place of each station."""
    rows = zip(*stations.coords.values(), strict=True)
    names = ("|".join(f"{float(c) + 0.0:.6f}" for c in row).encode() for row in rows)
    digests = b"".join(hashlib.blake2b(name, digest_size=8).digest() for name in names)
    return np.frombuffer(digests, "<u8").astype(np.uint64)

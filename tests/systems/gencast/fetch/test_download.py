"""One file over a connection that breaks in every way."""

import socket

import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.systems.gencast.fetch import download as module
from dabench.systems.gencast.fetch.download import download, facts, join

NAME = "GenCast 1p0deg <2019.npz"
CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def place(bucket):
    (bucket.root / NAME).write_bytes(CONTENT)
    return join(bucket.url, NAME)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / NAME


def left(target):
    """What is in the folder beside the file itself."""
    return sorted(p.name for p in target.parent.iterdir() if p != target)


def test_a_name_with_spaces_and_brackets_arrives_whole(place, target, bucket):
    told = download(place, target)
    assert "%20" in place
    assert "%3C" in place
    assert target.read_bytes() == CONTENT
    assert told.size == len(CONTENT)
    assert told.md5 is not None
    assert left(target) == []
    assert bucket.asked == [("GET", f"/{NAME}", None)]


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_broken_connection_goes_on_where_it_broke(fault, place, target, bucket, monkeypatch):
    # Long enough for a server on a busy machine to answer where it does not stall.
    monkeypatch.setattr(module, "TIMEOUT", 3.0 if fault == "stall" else module.TIMEOUT)
    bucket.faults = [(fault, 100_000), (fault, 50_000)]
    download(place, target)
    assert target.read_bytes() == CONTENT
    assert [r for *_, r in bucket.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_what_a_stopped_attempt_left_is_not_fetched_again(place, target, bucket):
    bucket.faults = [("cut", 200_000)] + [("status", 503)] * module.ATTEMPTS
    with pytest.raises(UserError, match=r"503.*200000 bytes are kept"):
        download(place, target)
    assert not target.exists()
    download(place, target)
    assert target.read_bytes() == CONTENT
    assert bucket.asked[-1] == ("GET", f"/{NAME}", "bytes=200000-")


def test_a_file_that_changed_meanwhile_starts_over(place, target, bucket):
    bucket.faults = [("cut", 200_000)] + [("status", 503)] * module.ATTEMPTS
    with pytest.raises(UserError):
        download(place, target)
    (bucket.root / NAME).write_bytes(other := CONTENT[::-1])
    download(place, target)
    assert target.read_bytes() == other


def test_a_part_longer_than_the_file_is_dropped(place, target, bucket):
    bucket.faults = [("cut", 200_000)] + [("status", 503)] * module.ATTEMPTS
    with pytest.raises(UserError):
        download(place, target)
    bucket.faults = [("status", 416)]
    download(place, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_never_sends_all_of_it_is_named(place, target, bucket):
    bucket.faults = [("cut", 1000)] + [("cut", 0)] * module.ATTEMPTS
    with pytest.raises(UserError, match="truncated at 1000 of 300000 bytes"):
        download(place, target)
    assert not target.exists()


def test_a_wrong_checksum_leaves_nothing(place, target, bucket):
    bucket.faults = [("md5",)]
    with pytest.raises(UserError, match=r"checksum is .* but the server gives"):
        download(place, target)
    assert left(target) == []
    assert not target.exists()


def test_content_that_is_refused_leaves_nothing(place, target):
    def refuse(path):
        raise UserError("not a checkpoint")

    with pytest.raises(UserError, match="not a checkpoint"):
        download(place, target, refuse)
    assert left(target) == []
    assert not target.exists()


def test_a_server_without_sizes_is_taken_at_its_word(place, target, bucket):
    bucket.faults = [("plain",)]
    told = download(place, target)
    assert target.read_bytes() == CONTENT
    assert (told.size, told.md5) == (None, None)


def test_what_is_not_there_is_named(bucket, target):
    with pytest.raises(UserError, match=r"404 Not Found.*--from"):
        download(join(bucket.url, "nothing"), target)
    with pytest.raises(UserError, match="404"):
        facts(join(bucket.url, "nothing"))


def test_without_a_network_the_mirror_is_named(target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=r"cannot be reached.*local mirror"):
        download(f"http://127.0.0.1:{port}/x", target)


def test_a_server_is_reached_if_it_answers_at_all(bucket):
    module.reach(f"{bucket.url}/nothing")
    with pytest.raises(UserError, match="its server cannot be reached"):
        module.reach("http://127.0.0.1:9/x")


def test_facts_are_those_of_the_server(place):
    assert facts(place).size == len(CONTENT)


def test_buckets_are_reached_by_https():
    found = module.https("gs://dm_graphcast/gencast/a b")
    assert found == "https://storage.googleapis.com/dm_graphcast/gencast/a%20b"

"""Two processes that run one experiment together: the archive of one, and what a kill leaves."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dabench import processes, run
from dabench.archive import attributes, open_run
from dabench.errors import UserError

RUN = Path("runs/linear_gaussian/linear_gaussian/fa_apf/seed0")
COMMAND = ("-m", "dabench", "run", "linear_gaussian", "-m", "fa_apf", "--members", "24")


def start(folder, *arguments):
    """A Python process."""
    folder.mkdir(exist_ok=True)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, *arguments], cwd=folder, **pipes)


def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def said(*started):
    """What processes print to their good end."""
    texts = [p.communicate(timeout=300)[0] for p in started]
    assert [p.returncode for p in started] == [0] * len(started), texts
    return texts


@pytest.mark.slow
def test_two_processes_make_the_archive_of_one(tmp_path):
    short, meet = (*COMMAND, "--cycles", "6"), ("--coordinator", address(), "--processes", "2")
    both = [start(tmp_path / "two", *short, *meet, "--process", str(i)) for i in range(2)]
    alone = start(tmp_path / "one", *short)
    leader, follower, _ = said(*both, alone)
    assert "complete" in leader
    assert "complete" not in follower
    assert "page" not in follower
    one, two = (open_run(tmp_path / n / RUN) for n in ("one", "two"))
    for group in ("truth", "mean", "spread", "members", "observations"):
        for name, values in one[group].to_dataset().data_vars.items():
            np.testing.assert_allclose(two[group][name], values, rtol=1e-9, atol=1e-9)


def pair(folder):
    """The two processes of a longer run without scores and pages."""
    meet = address()
    return [start(folder, __file__, meet, str(i)) for i in range(2)]


@pytest.mark.slow
def test_after_one_process_is_killed_the_run_goes_on_to_the_same_bits(tmp_path):
    parts, whole = pair(tmp_path / "parts"), pair(tmp_path / "whole")
    while (attributes(tmp_path / "parts" / RUN) or {"completed": -1})["completed"] < 10:
        assert parts[1].poll() is None
        time.sleep(0.05)
    parts[1].kill()
    parts[0].kill()  # which would wait for the other one
    for process in parts:
        process.communicate()
    assert 10 <= attributes(tmp_path / "parts" / RUN)["completed"] < 300
    said(*whole, *pair(tmp_path / "parts"))
    one, two = (open_run(tmp_path / n / RUN) for n in ("whole", "parts"))
    for group in ("mean", "spread", "observations"):
        assert one[group].to_dataset().load().equals(two[group].to_dataset().load())


def test_half_of_an_address_is_refused():
    with pytest.raises(UserError, match="give all three or none"):
        processes.join("127.0.0.1:1", None, 0)
    with pytest.raises(UserError, match="2 is not one of 0 to 1"):
        processes.join("127.0.0.1:1", 2, 2)


if __name__ == "__main__":
    processes.join(sys.argv[1], 2, int(sys.argv[2]))
    run.run("linear_gaussian", methods=["fa_apf"], members=24, cycles=300, store_members=False)

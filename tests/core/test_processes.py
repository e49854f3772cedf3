"""Two processes that run one experiment together: the archive of one, and what a kill leaves."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from patience import PATIENCE

from dabench.core import processes
from dabench.core.errors import UserError
from dabench.runs import cycle, execute
from dabench.runs.archive.read import attributes, open_run
from dabench.runs.archive.store import Archive

CYCLES, LAST = 12, 5  # the second process is killed in the cycle LAST
FOLDER = Path("linear_gaussian/linear_gaussian/fa_apf/seed0")
COMMAND = ("-m", "dabench", "run", "linear_gaussian", "-m")


def start(folder, *arguments):
    """A Python process in a folder without published results, which would all be drawn."""
    (folder / "leaderboard" / "results").mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join(filter(None, sys.path))  # of this process, the tests' among them
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    pipes["env"] = os.environ | {"PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, *arguments], cwd=folder, **pipes)


def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def said(*started):
    """What processes print to their good end."""
    texts = ends(*started)
    assert [p.returncode for p in started] == [0] * len(started), texts
    return texts


def ends(*started):
    """What processes print until they end, or are killed because one of them does not."""
    try:
        return [p.communicate(timeout=PATIENCE)[0] for p in started]
    finally:
        for process in started:
            process.kill()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A folder in which two processes have made an archive, and what each of them printed."""
    folder, meet = tmp_path_factory.mktemp("two"), ("--coordinator", address(), "--processes", "2")
    command = (*COMMAND, "fa_apf", "--members", "24", "--cycles", str(CYCLES), *meet, "--process")
    return folder / "runs", *said(*(start(folder, *command, str(i)) for i in range(2)))


@pytest.mark.slow
def test_two_processes_make_the_archive_of_one(two, tmp_path):
    folder, leader, follower = two
    assert "complete" in leader
    assert "complete" not in follower
    assert "page" not in follower
    short(tmp_path)
    one, two = (open_run(home / FOLDER) for home in (tmp_path, folder))
    for group in ("truth", "mean", "spread", "members", "observations"):
        for name, values in one[group].to_dataset().data_vars.items():
            np.testing.assert_allclose(two[group][name], values, rtol=1e-9, atol=1e-9)


def pair(folder, what):
    """The two processes of something below that is no whole command."""
    meet = address()
    return [start(folder, __file__, what, meet, str(i)) for i in range(2)]


@pytest.mark.slow
def test_after_one_process_is_killed_the_run_goes_on_to_the_same_bits(two, tmp_path):
    leader, follower = pair(tmp_path, "killed")
    ends(follower)
    assert follower.returncode == -signal.SIGKILL
    leader.kill()  # which would wait for the other one
    ends(leader)
    assert LAST - 2 <= attributes(tmp_path / "runs" / FOLDER)["completed"] < CYCLES
    said(*pair(tmp_path, "short"))
    one, two = (open_run(home / FOLDER) for home in (two[0], tmp_path / "runs"))
    for group in ("mean", "spread", "observations"):
        assert one[group].to_dataset().load().equals(two[group].to_dataset().load())


def test_half_of_an_address_is_refused():
    with pytest.raises(UserError, match="give all three or none"):
        processes.join("127.0.0.1:1", None, 0)
    with pytest.raises(UserError, match="2 is not one of 0 to 1"):
        processes.join("127.0.0.1:1", 2, 2)


@pytest.mark.parametrize("wrong", ["localhost", "localhost:99999", "localhost:port", ":1", ""])
def test_an_address_is_a_host_and_a_port(wrong):
    with pytest.raises(UserError, match=f"--coordinator {wrong}: give HOST:PORT"):
        processes.join(wrong, 2, 1)


def test_nobody_at_the_address_is_said(monkeypatch):
    monkeypatch.setattr(processes, "WAIT", 0.0)
    with pytest.raises(UserError, match=r"no answer in 0 s .*--process 0"):
        processes.join(address(), 2, 1)


def test_what_slurm_leaves_out_is_said(monkeypatch):
    for name in processes.SLURM:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(UserError, match=r"SLURM_JOB_ID, .*not set; .* srun"):
        processes.join(None, None, None)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "two")
    with pytest.raises(UserError, match="SLURM_STEP_NUM_TASKS=two: is not a number"):
        processes.join(None, None, None)


def test_a_task_that_has_a_node_has_all_its_devices(monkeypatch):
    for name in processes.SLURM:
        monkeypatch.setenv(name, "2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "2")
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "4")
    assert processes._devices_of_a_node() == [0, 1, 2, 3]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")  # numbered anew from 0
    assert processes._devices_of_a_node() == [0, 1]
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "1")  # two tasks share it
    assert processes._devices_of_a_node() is None


def test_what_the_first_process_alone_does_may_fail():
    assert processes.run_on_first(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        processes.run_on_first(lambda: 1 / 0)


def test_the_first_process_leads_on_when_the_others_are_gone(tmp_path):
    leader, follower = pair(tmp_path, "part")
    assert "leads: False, together: False" in said(follower)[0]
    assert "leads: True, together: False" in said(leader)[0]


@pytest.mark.slow
def test_a_full_disk_of_one_process_ends_all(tmp_path):
    both = pair(tmp_path, "full")
    texts = ends(*both)
    assert all(p.returncode for p in both), texts
    assert "No space left on device" in texts[0]


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        pytest.param(
            ("--members", "8"),
            ("--members", "1"),
            "members: 1 is too few",
            marks=pytest.mark.slow,
        ),
        (("--set", "rtps=1"), ("--set", "rtsp=1"), "rtsp"),
    ],
)
def test_a_mistake_of_one_process_ends_all(tmp_path, right, wrong, says):
    """The other would wait for it in the first cycle, for ever."""
    command, meet = (*COMMAND, "letkf"), ("--coordinator", address(), "--processes", "2")
    both = [
        start(tmp_path, *command, *own, *meet, "--process", str(i))
        for i, own in enumerate((right, wrong))
    ]
    leader, follower = ends(*both)
    assert [p.returncode for p in both] == [2, 2]
    assert "another process could not go on; it says why" in leader
    assert says in follower
    assert "Traceback" not in leader + follower


def part():
    processes.separate()
    if processes.leads():
        time.sleep(1)
    print(f"leads: {processes.leads()}, together: {processes.several()}")


def full():
    def append(self, groups):
        raise OSError(28, "No space left on device")

    Archive.append = append
    execute.run("linear_gaussian", methods=["ensemble", "persistence"], members=4, cycles=4)


def short(out="runs"):
    execute.run("linear_gaussian", methods=["fa_apf"], members=24, cycles=CYCLES, out=out)


def killed():
    """The same, where every cycle is archived and the second process is killed in one of them."""
    cycle.FLUSH_SECONDS = 0.0

    def advance(self, k, whole=cycle._Loop._advance):
        if k == LAST and not processes.leads():
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, k)

    cycle._Loop._advance = advance
    short()


if __name__ == "__main__":
    processes.join(sys.argv[2], 2, int(sys.argv[3]))
    {"part": part, "full": full, "short": short, "killed": killed}[sys.argv[1]]()

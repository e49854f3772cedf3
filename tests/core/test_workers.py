"""Processes that do the work of one: they end when it does, even if it is killed."""

import os
import sys

import psutil
from joblib import cpu_count
from patience import child

from dabench.core.workers import IDLE_SECONDS, processes

MODULE = """
import os


def told(_):
    return os.getpid()
"""
SCRIPT = """
import time

from dabench.core.workers import processes
from module import told

if __name__ == "__main__":
    with processes() as each:
        print(list(each(0)(told, [0, 0]))[0], flush=True)
        time.sleep(3600)
"""


def test_workers_end_with_the_process_that_is_killed(tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with child([sys.executable, script]) as main:
        worker = psutil.Process(int(main.stdout.readline()))
        assert worker.pid != main.pid
    ended, alive = psutil.wait_procs([worker], timeout=60 * IDLE_SECONDS)  # as loaded as may be
    assert ended
    assert not alive


def test_rows_come_back_in_order_from_processes_of_one_thread(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")  # which the suite has set to 1
    with processes() as each:
        rows = list(each(0)(row, [1, 2, 3], "abc"))
        here = list(each(4)(row, [1, 2, 3], "abc"))
    assert [text for text, *_ in rows] == [text for text, *_ in here] == ["a", "bb", "ccc"]
    if cpu_count() > 1:
        assert os.getpid() not in {pid for _, pid, _ in rows}
        assert {threads for *_, threads in rows} == {"1"}
    assert {pid for _, pid, _ in here} == {os.getpid()}


def row(count, letter):
    return letter * count, os.getpid(), os.environ.get("OPENBLAS_NUM_THREADS")

"""Processes that do the work of one: they end when it does, even if it is killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

MODULE = """
import os


def told(_):
    return os.getpid()
"""
SCRIPT = """
import time

from dabench.workers import processes
from module import told

if __name__ == "__main__":
    with processes() as each:
        print(next(iter(each(0)(told, [0, 0]))), flush=True)
        time.sleep(60)
"""


def test_workers_end_with_the_process_that_is_killed(tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    main = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    worker = int(main.stdout.readline())
    main.send_signal(signal.SIGKILL)
    main.wait()
    end = time.monotonic() + 20
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert worker != main.pid
    assert not alive(worker)


def alive(pid):
    """Neither gone nor waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

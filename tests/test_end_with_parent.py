"""A worker ends with the process that started it, also if the kernel does not arrange that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import multiprocessing, sys, time
from robustger import end_with_parent
if sys.argv[1] == "watched":
    end_with_parent.ctypes = None  # no kernel that kills: the thread alone has to notice

def work(ready):
    try:
        end_with_parent.end_with_parent()
    except AttributeError:
        raise SystemExit(3)
    ready.send(True)
    time.sleep(600)

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    for _ in range(2):
        multiprocessing.get_context(sys.argv[2]).Process(target=work, args=(there,)).start()
    for _ in range(2):
        here.recv()
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("how", ["killed", "watched"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills by signals")
def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path, how: str, method: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "program.py", how, method], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    parent.send_signal(signal.SIGKILL)
    # The workers hold the other end of the pipe, so it ends with the last of them.
    assert parent.communicate(timeout=30) == ("", None)

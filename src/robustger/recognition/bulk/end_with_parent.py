"""Ends a worker process when the process that started it ends, even if that one was killed."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_CHECK_SECONDS = 1.0


def end_with_parent() -> None:
    """Makes the calling process end when its parent ends; call it once, at the start of a worker.

    A killed parent cannot tell its workers to stop. They would wait for work forever, keep their memory, and keep the
    pipes open that they inherited, so that a reader of such a pipe would wait forever, too. On Linux the kernel kills
    the worker at once. On every system a thread watches the parent and ends the worker within about a second.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # there may be no prctl
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent.sentinel, os.getppid()), daemon=True).start()


def _watch(sentinel: int, parent_id: int) -> None:
    while os.getppid() == parent_id:  # the id changes when the parent dies, except on Windows
        if multiprocessing.connection.wait([sentinel], timeout=_CHECK_SECONDS):
            break
    os._exit(1)  # without cleaning up: other threads may be blocked in writing to the dead parent

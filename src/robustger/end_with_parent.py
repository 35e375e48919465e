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
import time

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_CHECK_SECONDS = 1.0


def end_with_parent(parent_id: int | None = None) -> None:
    """Makes the calling process end when its parent ends; call it once, at the start of a worker.

    A killed parent cannot tell its workers to stop. They would wait for work forever, keep their memory, and keep the
    pipes open that they inherited, so that a reader of such a pipe would wait forever, too. On Linux the kernel kills
    the worker at once. On every system a thread watches the parent and ends the worker within about a second.

    Args:
        parent_id: the id of the parent, for a worker that `subprocess` started. None finds the parent of a worker that
            `multiprocessing` started, and does nothing in a process that has no such parent.
    """
    parent = multiprocessing.parent_process() if parent_id is None else None
    if parent is None and parent_id is None:
        return
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # there may be no prctl
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    sentinel = None if parent is None else parent.sentinel
    watched = os.getppid() if parent_id is None else parent_id
    if os.name == "posix" and os.getppid() != watched:  # the parent died before the kernel was told
        os._exit(1)
    threading.Thread(target=_watch, args=(sentinel, watched), daemon=True).start()


def _watch(sentinel: int | None, parent_id: int) -> None:
    while os.getppid() == parent_id:  # the id changes when the parent dies, except on Windows
        if sentinel is None:
            time.sleep(_CHECK_SECONDS)
        elif multiprocessing.connection.wait([sentinel], timeout=_CHECK_SECONDS):
            break
    os._exit(1)  # without cleaning up: other threads may be blocked in writing to the dead parent

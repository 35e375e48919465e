"""Starts `robustger serve` as people do, for tests that talk to it over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

_START_SECONDS = 120


@contextmanager
def running_service(folder: Path, preset: str, **settings: str) -> Iterator[str]:
    """The address of a service that is ready; it ends with the context.

    Args:
        folder: where it keeps its jobs and its log.
        preset: its preset.
        settings: other settings, by their names.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"preset": preset, "port": str(port), "jobs_folder": str(folder / "jobs"), **settings}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ROBUSTGER_")},
        **{f"ROBUSTGER_{name.upper()}": value for name, value in own.items()},
    }
    log = folder / "service.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "robustger", "serve"],
            env=environment,
            stdout=stream,
            stderr=stream,
        )
        try:
            address = f"http://127.0.0.1:{port}/"
            _wait_until_ready(process, f"{address}ready", log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the service did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")

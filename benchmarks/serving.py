"""A `robustger serve` in a process of its own, for the benchmarks of the service."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LAB = Path(__file__).parents[1] / "src" / "robustger" / "presets" / "lab" / "demo"


@dataclass(slots=True)
class Serving:
    """A running server: its address, its process, the folder of its temporary files, and its log."""

    url: str
    process: subprocess.Popen[str]
    folder: Path
    lines: list[str] = field(default_factory=list)

    @property
    def resident_mib(self) -> float:
        """The memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    @property
    def temporary_bytes(self) -> int:
        """What lies in the folder of temporary files, and in temporary files without a name."""
        named = sum(path.stat().st_size for path in (self.folder / "tmp").rglob("*") if path.is_file())
        unnamed = 0
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "(deleted)" in os.readlink(link) and str(self.folder) in os.readlink(link):
                    unnamed += link.stat().st_size
        return named + unnamed


@contextlib.contextmanager
def serving(preset: str, *options: str, **environment: str) -> Iterator[Serving]:
    """Starts a server, waits until its models are loaded, and kills it at the end.

    Args:
        preset: the preset.
        options: further options of `robustger serve`.
        environment: further environment variables.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        command = [sys.executable, "-m", "robustger", "serve", "--preset", preset, "--port", "0", *options]
        variables = {"ROBUSTGER_JOBS_FOLDER": str(folder / "jobs"), "TMPDIR": str(folder / "tmp")}
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables, **environment}
        )
        server = Serving("", process, folder)
        reader = threading.Thread(target=lambda: server.lines.extend(process.stderr or ()))
        reader.start()
        try:
            while not server.url:
                if process.poll() is not None:
                    raise SystemExit("".join(server.lines))
                found = re.findall(r"http://[\d.]+:\d+", "".join(server.lines))
                server.url = found[0] if found else ""
                time.sleep(0.05)
            _wait_until_ready(server)
            yield server
        finally:
            process.kill()
            process.wait()
            reader.join()


def _wait_until_ready(server: Serving) -> None:
    import httpx

    while httpx.get(f"{server.url}/ready").status_code != 200:
        if server.process.poll() is not None:
            raise SystemExit("".join(server.lines))
        time.sleep(0.05)

"""What a terminal shows while a command works."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from robustger.cli.progress import count_lines, progress, say


def test_correct_shows_the_total_and_the_time_left(tmp_path: Path, tiny_checkpoint: Path) -> None:
    rows = [{"id": str(n), "hypotheses": ["a b", "a b"]} for n in range(7)]
    path = tmp_path / "lists.jsonl"
    path.write_text("\n\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    shown = on_a_terminal("correct", str(path), "--checkpoint", str(tiny_checkpoint), "-o", os.devnull)
    assert "7/7" in shown
    assert re.search(r"\d+:\d+<\d+:\d+", shown), shown  # elapsed < left
    assert "robustger: 7 lists, 0 changed" in shown


def on_a_terminal(*arguments: str) -> str:
    """What the command writes to stderr if that is a terminal."""
    reading, writing = pty.openpty()
    termios.tcsetwinsize(writing, (24, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "robustger", *arguments], stdout=subprocess.DEVNULL, stderr=writing
    )
    os.close(writing)
    shown = b""
    try:
        while part := os.read(reading, 1 << 16):
            shown += part
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(reading)
    assert process.wait() == 0, shown
    return shown.decode()


def test_nothing_is_counted_where_nothing_is_shown(tmp_path: Path, capsys) -> None:
    with progress("working", "lists") as bar:  # pytest's stderr is no terminal
        count_lines(str(tmp_path / "missing"), bar)
        assert bar.total is None
        say("a line")
    assert capsys.readouterr().err == "robustger: a line\n"

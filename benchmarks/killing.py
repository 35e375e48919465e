"""Kills a command at random moments, restarts it, and compares its files with those of an undisturbed run.

The command runs in forked children, so that its imports are paid for once. The parent must import everything that the
command needs, and must not compute anything: threads of a pool do not live on in a child.
"""

from __future__ import annotations

import os
import platform
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CRASHED = 70  # exit code of a child that ended with an unexpected exception


@dataclass(frozen=True, slots=True)
class KilledRun:
    """One run of the command.

    Attributes:
        arguments: of `robustger`.
        log: gets everything that the command prints.
        files: reads the files that the run leaves, by name.
    """

    arguments: Sequence[str]
    log: Path
    files: Callable[[], dict[str, bytes]]


@dataclass(slots=True)
class KillCounts:
    """The result of all rounds.

    Attributes:
        files: of each run.
        undisturbed_seconds: duration of the undisturbed run.
        seconds: duration of everything.
        kills: how often the command was killed.
        rounds: how often it was brought to its end.
        different: rounds whose files differ from those of the undisturbed run.
        failed: rounds that ended with another exit code.
    """

    files: int
    undisturbed_seconds: float
    seconds: float = 0.0
    kills: int = 0
    rounds: int = 0
    different: int = 0
    failed: int = 0
    machine: dict[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The counts for JSON, with the machine at the end."""
        counts: dict[str, object] = {
            "kills": self.kills,
            "rounds": self.rounds,
            "identical": self.rounds - self.different,
            "different": self.different,
            "failed": self.failed,
            "files": self.files,
            "undisturbed_seconds": round(self.undisturbed_seconds, 2),
            "seconds": round(self.seconds, 1),
        }
        return counts | self.machine


def kill_and_compare(
    new_run: Callable[[str], KilledRun],
    kills: int,
    seed: int,
    *,
    exit_code: int = 0,
    on_kill: Callable[[str], object] = lambda name: None,
) -> KillCounts:
    """Runs the command undisturbed once, then kills and restarts it in rounds until it was killed `kills` times.

    Args:
        new_run: prepares the run with a name: its folder, and its arguments.
        kills: how often the command is killed, at least.
        seed: of the moments of the kills.
        exit_code: of a run that went well.
        on_kill: called with the name of the run that was just killed.
    """
    import torch

    torch.set_num_threads(1)
    draw = random.Random(seed)
    begin = time.perf_counter()
    undisturbed = new_run("undisturbed")
    code = _exit_code(_start(undisturbed))
    duration = time.perf_counter() - begin
    if code != exit_code:
        sys.exit(undisturbed.log.read_text(encoding="utf-8"))
    expected = undisturbed.files()
    counts = KillCounts(files=len(expected), undisturbed_seconds=duration)
    while counts.kills < kills:
        counts.rounds += 1
        name = f"round{counts.rounds}"
        run = new_run(name)
        while True:
            child = _start(run)
            status = _ended_within(child, draw.uniform(0, duration)) if counts.kills < kills else None
            if status is None and counts.kills < kills:
                os.kill(child, signal.SIGKILL)
            code = _exit_code(child) if status is None else os.waitstatus_to_exitcode(status)
            if code != -signal.SIGKILL:
                break
            counts.kills += 1
            on_kill(name)
        counts.failed += code != exit_code
        counts.different += run.files() != expected
        print(f"{counts.kills} kills, {counts.rounds} runs, {counts.different} different", file=sys.stderr)
    counts.seconds = time.perf_counter() - begin
    counts.machine = {
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return counts


def _start(run: KilledRun) -> int:
    """Starts the command in a child process and returns its id."""
    child = os.fork()
    if child:
        return child
    from robustger.cli import main

    log = os.open(run.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["robustger", *run.arguments]
    code: object = _CRASHED
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        os._exit(code if isinstance(code, int) else _CRASHED)


def _exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _ended_within(child: int, seconds: float) -> int | None:
    """The child's wait status; None if it still runs after this time."""
    moment = time.perf_counter() + seconds
    while (left := moment - time.perf_counter()) > 0:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(min(0.02, left))
    return None

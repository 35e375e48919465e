"""Kills commands at random moments, starts them again until they end, and compares what they leave.

Most runs are forked from this process, so that the imports are paid for once. This process must therefore import
everything that the commands need, and must not compute anything: threads of a pool do not live on in a child. One run
in `REAL` is a new process of the interpreter, so that kills during the start are counted, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

REAL = 24  # one run in so many is a new process
IMPORT_SECONDS = 10.0  # about, on a busy machine; a new process takes so much longer
_SETTLE_SECONDS = 20.0  # for child processes of a killed command to end
_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>
_CRASHED = 70  # exit code of a forked run that ended with an exception


@dataclass(frozen=True, slots=True)
class Command:
    """A command to kill.

    Attributes:
        name: of the command, such as "nbest".
        arguments: of `robustger`, behind the name.
        folder: is emptied before every round. The command must write everything into it.
        exit_code: of a run that went well.
        real_arguments: added when the run is a new process.
        prepared: Python code that runs before the command.
        shown: the part of a file, given its path below `folder`, that must be the same in every round; None for a file
            that tells times, which only has to be there.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path
    exit_code: int = 0
    real_arguments: tuple[str, ...] = ()
    prepared: str = ""
    shown: Callable[[str, bytes], bytes | None] = lambda name, content: content

    def files(self) -> dict[str, bytes | None]:
        """What lies in the folder."""
        return {
            (name := str(path.relative_to(self.folder))): self.shown(name, path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }


@dataclass(slots=True)
class Round:
    """One command, from its first start to its end.

    Attributes:
        command: its name.
        number: of the round, which the moments of the kills are drawn from.
        kills: how often it was killed.
        real_kills: kills of runs that were new processes.
        with_children: kills that hit a command with child processes.
        left_running: child processes that outlived their command by `_SETTLE_SECONDS`.
        exit_code: of the last run.
        different: names of files that are not those of the undisturbed run, are missing, or are left over.
        seconds: duration.
    """

    command: str
    number: int
    kills: int = 0
    real_kills: int = 0
    with_children: int = 0
    left_running: int = 0
    exit_code: int = 0
    different: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


class Killer:
    """Kills one command, round by round.

    Args:
        command: to kill.
        log: gets everything that the command prints.
        seed: of the moments.
        forked_worker: makes a forked run start its own processes by forking.
    """

    def __init__(self, command: Command, log: Path, seed: int, forked_worker: Callable[[], None]) -> None:
        self._command, self._log, self._seed, self._forked_worker = command, log, seed, forked_worker
        self.expected: Mapping[str, bytes | None] = {}
        self._seconds = {False: 0.0, True: 0.0}  # of an undisturbed run, by whether it is a new process

    def run_undisturbed(self) -> float:
        """Runs the command once and keeps its files for comparison.

        Returns:
            the seconds that it took.
        """
        _empty(self._command.folder)
        begin = time.perf_counter()
        code = os.waitstatus_to_exitcode(os.waitpid(self._start(real=False), 0)[1])
        seconds = time.perf_counter() - begin
        if code != self._command.exit_code:
            sys.exit(f"exit code {code}\n{self._log.read_text(encoding='utf-8')[-4000:]}")
        self.expected = self._command.files()
        self._seconds = {False: seconds, True: seconds + IMPORT_SECONDS}
        return seconds

    def run_round(self, number: int, may_kill: Callable[[], bool]) -> Round:
        """Starts the command again and again until it ends.

        Args:
            number: of the round.
            may_kill: whether to go on with killing; asked before each kill.
        """
        draw = random.Random(f"{self._seed} {self._command.name} {number}")
        told = Round(self._command.name, number)
        begin = time.perf_counter()
        _empty(self._command.folder)
        while True:
            real = draw.randrange(REAL) == 0
            moment = draw.uniform(0, self._seconds[real])
            child = self._start(real)
            status = _ended_within(child, moment) if may_kill() else os.waitpid(child, 0)[1]
            if status is None:
                told.with_children += bool(_children(child))
                os.kill(child, signal.SIGKILL)
                told.kills += 1
                told.real_kills += real
                status = os.waitpid(child, 0)[1]
            told.left_running += _left_running()
            if (code := os.waitstatus_to_exitcode(status)) != -signal.SIGKILL:
                break
        if told.kills == 0 and not real:  # the machine has become faster
            self._seconds[False] = min(self._seconds[False], time.perf_counter() - begin)
        told.exit_code = code
        told.different = _different(self.expected, self._command.files())
        told.seconds = round(time.perf_counter() - begin, 2)
        return told

    def _start(self, real: bool) -> int:
        """Starts the command and returns the id of its process."""
        arguments = [self._command.name, *self._command.arguments]
        if real:
            arguments += self._command.real_arguments
            how = ["-m", "robustger"]
            if self._command.prepared:
                how = ["-c", f"{self._command.prepared}\nfrom robustger.cli import main\nmain()"]
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, *how, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            process.returncode = 0  # this module waits for it
            return process.pid
        if child := os.fork():
            return child
        code: object = _CRASHED
        try:
            become(["robustger", *arguments], self._log)
            self._forked_worker()
            exec(self._command.prepared)
            from robustger.cli import main

            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        finally:
            os._exit(code if isinstance(code, int) else _CRASHED)


def become(arguments: list[str], log: Path) -> None:
    """Gives a forked process its arguments and standard streams."""
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = arguments


def adopt_orphans() -> None:
    """Makes this process the parent of processes that outlive their own, so that it can count them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _left_running() -> int:
    """Waits for the processes that a dead command left, and kills and counts those that do not end."""
    until = time.perf_counter() + _SETTLE_SECONDS
    with contextlib.suppress(ChildProcessError):  # there is none
        while time.perf_counter() < until:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        left = _children(os.getpid())
        for child in left:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return len(left)
    return 0


def _children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


def _different(expected: Mapping[str, bytes | None], found: Mapping[str, bytes | None]) -> list[str]:
    missing = object()
    names = sorted({*expected, *found})
    return [name for name in names if expected.get(name, missing) != found.get(name, missing)]


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _ended_within(child: int, seconds: float) -> int | None:
    """The child's wait status; None if it still runs after this time."""
    moment = time.perf_counter() + seconds
    while (left := moment - time.perf_counter()) > 0:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(min(0.01, left))
    return None

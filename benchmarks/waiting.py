"""Times corrections beside other load: with OpenMP's threads spinning while they wait, and with them sleeping.

Two processes load the same corrector, one with OpenMP's own way to wait, one as the command line sets it. They correct
the same lists in turns, with two threads, while a third process keeps one core busy.

    python -m benchmarks.waiting --json waiting.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.timing import machine, significant

from robustger.cli.waiting import BLOCK_TIME, POLICY, SPINS, wait_passively
from robustger.files import write_bytes

THREADS = 2
LISTS = 40
ROUNDS = 7  # and one before them, to warm up
CORRECT = """
import sys, time
from benchmarks.lists import distinct_lists
from robustger import Corrector
lists = distinct_lists(int(sys.argv[2]))
corrector = Corrector.from_pretrained(sys.argv[1], device="cpu")
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    corrector.correct(lists)
    print(time.perf_counter() - start, flush=True)
"""


def keep_busy() -> None:
    while True:
        pass


class TimedCorrector:
    """A process that corrects the lists again whenever it is told to."""

    def __init__(self, environment: Mapping[str, str], preset: str, lists: int) -> None:
        command = [sys.executable, "-c", CORRECT, preset, str(lists)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=dict(environment), stdin=pipe, stdout=pipe, text=True)
        self._line()

    def seconds(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("waiting: the process that corrects has ended")
        return line


def measure(preset: str, lists: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by how the threads wait."""
    spinning = {key: value for key, value in os.environ.items() if key not in (POLICY, SPINS, BLOCK_TIME)}
    spinning["OMP_NUM_THREADS"] = str(THREADS)
    sleeping = dict(spinning)
    wait_passively(sleeping)
    correctors: dict[str, TimedCorrector] = {}
    load = multiprocessing.Process(target=keep_busy, daemon=True)
    try:
        for name, environment in (("spinning", spinning), ("sleeping", sleeping)):
            correctors[name] = TimedCorrector(environment, preset, lists)
        load.start()
        seconds: dict[str, list[float]] = {name: [] for name in correctors}
        for number in range(rounds + 1):
            names = list(correctors)[:: 1 if number % 2 else -1]  # neither always goes first
            for name in names:
                taken = correctors[name].seconds()
                seconds[name] += [taken] if number else []
                print(f"round {number}, {name}: {taken:.1f} s", file=sys.stderr, flush=True)
        return seconds
    finally:
        for corrector in correctors.values():
            corrector.end()
        if load.is_alive():
            load.kill()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="whisper")
    parser.add_argument("--lists", type=int, default=LISTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the numbers and the machine")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    seconds = measure(options.preset, options.lists, options.rounds)
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.1f} s ({min(values):.1f} to {max(values):.1f})")
    pairs = zip(seconds["spinning"], seconds["sleeping"], strict=True)
    print(f"median ratio of a round: {statistics.median(one / other for one, other in pairs):.2f}")
    print(f"{time.perf_counter() - start:.0f} s in all", file=sys.stderr)
    if options.json:
        rounded = {name: [significant(value) for value in values] for name, values in seconds.items()}
        found = {"machine": machine(), "lists": options.lists, "threads": THREADS, "seconds": rounded}
        write_bytes(options.json, f"{json.dumps(found, indent=1)}\n".encode())


if __name__ == "__main__":
    main()

"""Mutates small real inputs, and judges how a reader takes them.

A reader must end in a value, or in a deliberate error of one line. It must not raise anything else, take more than
`SECONDS`, or fill the memory. Every reader runs in a process of its own that may take `MEMORY_BYTES`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 5.0  # of processor time: other work may slow the machine
WAITING_SECONDS = 60.0  # for what takes no processor time
MEMORY_BYTES = 2 << 30
MESSAGE_CHARACTERS = 2000
_KEPT_PER_DEFECT = 3

Files = Mapping[str, bytes]

PIECES = (
    *(
        b"",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n\n",
        b"\xe2\x80\xa8",
        b"\x85",
        b" ",
        b"\t",
        b"\\",
        b'"',
    ),
    *(
        b"\\u0000",
        b"\\ud800",
        b"\xf0\x9f\x8e\xa4",
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-1",
        b"0",
    ),
    *(
        b"{}",
        b"[]",
        b"[[]]",
        b'{"a": 1}',
        b"'",
        b"#",
        b": ",
        b"- ",
        b"&a [*a]",
        b"<<: *a",
        b"!!python/name:os.system",
    ),
    *(
        b"=cmd",
        b"%s%n",
        b"../../etc/passwd",
        b"/dev/zero",
        b"~",
        b"|",
        b">",
        b"*",
        b"a" * 3000,
        b"[" * 3000,
        b"9" * 5000,
    ),
    *(
        b"2024-13-45",
        b"0x10",
        b"1_000",
        b".inf",
        b"on",
        b"\xc3",
        b"\xed\xa0\x80",
        b"12:30:45",
        b"-0.0",
        b"1e-400",
    ),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_VALUE = re.compile(rb'"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null|[A-Za-z_][\w.-]*')


def mutate(content: bytes, draw: random.Random) -> bytes:
    """A content that differs in one to four places."""
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        content = draw.choice(_MUTATIONS)(content, draw)
    return content


def _place(content: bytes, draw: random.Random, most: int = 40) -> tuple[int, int]:
    start = draw.randint(0, len(content))
    return start, min(len(content), start + draw.randint(0, most))


def _flip(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        if changed:
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _insert(content: bytes, draw: random.Random) -> bytes:
    start, end = _place(content, draw)
    return content[:start] + draw.choice(PIECES) + content[draw.choice((start, end)) :]


def _remove(content: bytes, draw: random.Random) -> bytes:
    start, end = _place(content, draw, draw.choice((1, 8, 200)))
    return content[:start] + content[end:]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    start, end = _place(content, draw, draw.choice((4, 60, 400)))
    return content[:end] + content[start:end] * draw.choice((1, 1, 2, 30)) + content[end:]


def _truncate(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randint(0, len(content))]


def _noise(content: bytes, draw: random.Random) -> bytes:
    start, end = _place(content, draw)
    return content[:start] + draw.randbytes(end - start) + content[end:]


def _swap(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _exchange(pattern: re.Pattern[bytes]) -> Callable[[bytes, random.Random], bytes]:
    def change(content: bytes, draw: random.Random) -> bytes:
        found = list(pattern.finditer(content[:100_000]))
        if not found:
            return _insert(content, draw)
        one = draw.choice(found)
        piece = draw.choice((draw.choice(PIECES), draw.choice(found).group()))
        return content[: one.start()] + piece + content[one.end() :]

    return change


_MUTATIONS = (
    *(_flip, _insert, _remove, _repeat, _truncate, _noise, _swap),
    *(_exchange(_NUMBER), _exchange(_VALUE), _exchange(_VALUE)),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that reads what a user gives.

    Attributes:
        name: for the table.
        read: is given a folder with the files and reads all of it. It returns what it read and the messages about
            parts that it could not use.
        seeds: small real inputs: contents by file name.
        share: of all inputs that go to this reader, in relation to the others.
        generate: makes the files of an input; by default one of the files of a seed is mutated.
    """

    name: str
    read: Callable[[Path], tuple[Any, Sequence[str]]]
    seeds: Sequence[Files]
    share: float = 1.0
    generate: Callable[[Sequence[Files], random.Random], Files] | None = None


@dataclass(slots=True)
class Judged:
    """How a reader took its inputs.

    Attributes:
        reader: its name.
        inputs: how many.
        accepted: read without a complaint.
        refused: refused, as a whole or in part.
        defects: how often each defect was found.
        slowest: seconds of processor time of the slowest input.
        megabytes: the largest memory of the process, what it had imported included.
    """

    reader: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    defects: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    megabytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"defects": dict(self.defects)}


class Hang(BaseException):
    """A reader took longer than `SECONDS`."""


def judge(reader: Reader, count: int, seed: int, scratch: Path, kept: Path | None = None) -> Judged:
    """Gives a reader mutated inputs, in this process.

    Args:
        reader: to judge.
        count: of inputs.
        seed: of the mutations.
        scratch: an empty folder for the inputs.
        kept: folder for inputs that show a defect.
    """
    draw = random.Random(f"{seed} {reader.name}")
    told = Judged(reader.name)
    catch_hangs()
    for number in range(count):
        folder = scratch / "input"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in (reader.generate or mutated_files)(reader.seeds, draw).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        begin = time.process_time()
        defect, refused = outcome(reader.read, folder)
        told.slowest = max(told.slowest, round(time.process_time() - begin, 2))
        told.inputs += 1
        if defect is not None:
            told.defects[defect] += 1
            if kept is not None and told.defects[defect] <= _KEPT_PER_DEFECT:
                shutil.copytree(
                    folder, kept / reader.name.replace(" ", "-") / str(number), dirs_exist_ok=True
                )
        elif refused:
            told.refused += 1
        else:
            told.accepted += 1
    told.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return told


def outcome(read: Callable[[Path], tuple[Any, Sequence[str]]], folder: Path) -> tuple[str | None, bool]:
    """Reads one input.

    Returns:
        the defect, None where there is none, and whether the input was refused, as a whole or in part.
    """
    from robustger.errors import RobustGERError

    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WAITING_SECONDS)
    try:
        _, messages = read(folder)
    except RobustGERError as error:
        return _bad_message([str(error)]), True
    except Hang as error:
        return f"hang: {_where(error)}", False
    except BaseException as error:
        return f"{type(error).__name__}: {_where(error)}: {str(error)[:100]!r}", False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return _bad_message(messages), bool(messages)


def mutated_files(seeds: Sequence[Files], draw: random.Random) -> Files:
    """The files of a seed, one of which is mutated, and now and then one is missing."""
    files = dict(draw.choice(seeds))
    name = draw.choice(sorted(files))
    if len(files) > 1 and draw.random() < 0.03:
        del files[name]
    else:
        files[name] = mutate(files[name], draw)
    return files


def judge_apart(reader: Reader, count: int, seed: int, scratch: Path, kept: Path) -> Judged:
    """`judge` in a forked process with limited memory. A process that dies is a defect, too."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with open(reading, "rb") as file:
            answer = file.read()
        status = os.waitpid(child, 0)[1]
        if answer:
            fields = json.loads(answer)
            return Judged(**fields | {"defects": Counter(fields["defects"])})
        return Judged(reader.name, defects=Counter({f"died, wait status {status}, input in {scratch}": 1}))
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES,) * 2)
        told = judge(reader, count, seed, scratch, kept)
        os.write(writing, json.dumps(told.to_dict()).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def catch_hangs() -> None:
    """Makes the timers of `outcome` raise `Hang`."""
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _raise_hang)


def _raise_hang(*_: object) -> None:
    raise Hang


def _bad_message(messages: Sequence[str]) -> str | None:
    for message in messages:
        if not message.strip():
            return "empty message"
        if len(message) > MESSAGE_CHARACTERS:
            return f"message of more than {MESSAGE_CHARACTERS} characters: {message[:60]!r}"
        if "\n" in message or "\r" in message:
            return f"message of several lines: {message[:100]!r}"
    return None


def _where(error: BaseException) -> str:
    """The innermost place in robustger, and the innermost place of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/src/robustger/" in frame.filename]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*frames[-1:], *own[-1:])]
    return " < ".join(dict.fromkeys(places))


@contextlib.contextmanager
def silent() -> Iterator[Path]:
    """Sends the standard streams of this process, also those of C libraries, to a file."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield Path(file.name)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)

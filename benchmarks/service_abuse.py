"""Abuses the service, and checks that it answers clearly, stays up, and leaves nothing behind:

    python benchmarks/service_abuse.py [--uploads 10000] [--examples 50] [--seed N] [--skip PART...]

Parts:

- `uploads`: mutated uploads: recordings that were cut, with bytes changed, of other types, empty, bombs, with names of
  paths, and bodies that are no forms.
- `connections`: bodies of 2 GB that are announced, bodies in chunks without end, slow senders, half-closed connections,
  and clients that go away.
- `schema`: schemathesis, by the description at /openapi.json.

It exits with 1 if a status is 5xx but not 503, an answer is missing, the server is gone, or temporary files are left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.serving import LAB, Serving, serving

ADDRESS = "/v1/audio/transcriptions"
KEY = "sk-of-the-benchmark"
AT_ONCE = 16
LIMITS = (
    *("--max-upload-mib", "4", "--max-job-upload-mib", "4", "--max-audio-seconds", "30"),
    *("--max-job-audio-seconds", "30", "--upload-seconds", "3", "--max-requests", "32", "--max-jobs", "20"),
)
NAMES = (
    "../../etc/passwd",
    "/etc/shadow",
    "a\nb.wav",
    "x" * 4000,
    "\u202e.wav",
    "nul\x00.flac",
    "",
    "clip.flac",
)
Upload = tuple[str, str, bytes]  # what it is, the name of its file, its bytes


def uploads(count: int, seed: int) -> Iterator[Upload]:
    """Mutated uploads, the same for the same seed."""
    draw = random.Random(seed)
    sound = [path.read_bytes() for path in sorted(LAB.glob("*.flac"))]
    sound += [_wav(2.0), _bomb()]
    others = [
        b"",
        b"\0" * 1000,
        b"RIFF",
        b"fLaC",
        b"OggS",
        b"ID3" + b"\xff" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 500,
    ]
    others += [_zip(), b"#!/bin/sh\nrm -rf /\n", json.dumps({"a": 1}).encode(), b"<xml>" * 1000]
    for _ in range(count):
        name = draw.choice(NAMES)
        kind = draw.choice(("cut", "bytes", "bytes", "head", "joined", "other", "bomb", "whole"))
        data = bytearray(draw.choice(sound))
        if kind == "cut":
            data = data[: draw.randrange(len(data))]
        elif kind in ("bytes", "head"):
            for _ in range(draw.randint(1, 30)):
                data[draw.randrange(len(data) if kind == "bytes" else min(100, len(data)))] = draw.randrange(
                    256
                )
        elif kind == "joined":
            data = data[: draw.randrange(len(data))] + draw.choice(sound)
        elif kind == "other":
            data = bytearray(draw.choice(others))
        elif kind == "bomb":
            data = bytearray(_bomb())
        yield kind, name, bytes(data)


def _wav(seconds: float) -> bytes:
    import numpy as np
    import soundfile

    made = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, int(seconds * 16_000))
    soundfile.write(made, noise, 16_000, format="WAV")
    return made.getvalue()


def _bomb() -> bytes:
    """An hour of silence in some KiB."""
    if not _BOMB:
        import numpy as np
        import soundfile

        made = io.BytesIO()
        soundfile.write(made, np.zeros(3600 * 8_000, np.int16), 8_000, format="FLAC")
        _BOMB.append(made.getvalue())
    return _BOMB[0]


_BOMB: list[bytes] = []


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 10_000_000)
    return made.getvalue()


async def send_all(server: Serving, count: int, seed: int) -> dict[str, object]:
    """Sends the uploads, some at once, and counts the answers."""
    statuses: Counter[int] = Counter()
    missing: list[str] = []
    bad: list[str] = []
    most_memory = most_temporary = 0.0
    waiting = uploads(count, seed)
    draw = random.Random(seed)

    async def client(http: httpx.AsyncClient) -> None:
        nonlocal most_memory, most_temporary
        for kind, name, data in waiting:
            path = "/v1/jobs" if draw.random() < 0.1 else ADDRESS
            form = draw.choice(("json", "verbose_json", "srt", "text", "bad"))
            fields = {"correction": "none", "response_format": form, "stream": draw.choice(("true", "false"))}
            content: dict[str, object] = {"files": {"file": (name, data)}, "data": fields}
            if draw.random() < 0.05:  # no form at all
                content = {
                    "content": data,
                    "headers": {
                        "Content-Type": draw.choice(("multipart/form-data; boundary=x", "audio/wav"))
                    },
                }
            try:
                answer = await http.post(path, **content)  # type: ignore[arg-type]
            except httpx.HTTPError as error:
                missing.append(f"{kind}: {error!r}")
                continue
            statuses[answer.status_code] += 1
            if answer.status_code >= 500 and answer.status_code != 503:
                bad.append(f"{kind}: {answer.text[:200]}")
            if "/tmp" in answer.text or "Traceback" in answer.text or str(server.folder) in answer.text:
                bad.append(f"{kind}: tells too much: {answer.text[:200]}")
            if answer.status_code == 503:
                await asyncio.sleep(0.05)
            most_memory = max(most_memory, server.resident_mib)
            most_temporary = max(most_temporary, server.temporary_bytes / 1024**2)

    before = server.resident_mib
    async with httpx.AsyncClient(base_url=server.url, timeout=120, headers=_key()) as http:
        await asyncio.gather(*(client(http) for _ in range(AT_ONCE)))
    return {
        "statuses": dict(statuses),
        "missing": missing[:5],
        "bad": bad[:5],
        "memory_mib_before": round(before, 1),
        "memory_mib_most": round(most_memory, 1),
        "memory_mib_after": round(server.resident_mib, 1),
        "temporary_mib_most": round(most_temporary, 2),
    }


def connections(server: Serving) -> dict[str, object]:
    """The first line of each answer to connections that misbehave."""
    head = (
        f"POST {ADDRESS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
    )
    part = '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    chunk = f"{65536:x}\r\n{'0' * 65536}\r\n"
    found: dict[str, object] = {}
    port = int(server.url.rpartition(":")[2])
    for name, text, then in (
        ("2 GB announced", f"{head}Content-Length: 2147483648\r\n\r\n", "wait"),
        (
            "chunks without end",
            f"{head}Transfer-Encoding: chunked\r\n\r\n{len(part):x}\r\n{part}\r\n{chunk * 200}",
            "wait",
        ),
        ("slow sender", f"{head}Content-Length: 100000\r\n\r\n{part}", "wait"),
        ("half-closed", f"{head}Content-Length: 100000\r\n\r\n{part}", "half"),
        ("no length", f"{head}Content-Length: abc\r\n\r\n", "wait"),
        ("no HTTP", "\x16\x03\x01 hello\r\n\r\n", "wait"),
        ("gone", f"{head}Content-Length: 100000\r\n\r\n{part}", "close"),
    ):
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.settimeout(20)
            with contextlib.suppress(OSError):  # the answer came before the end of the body
                raw.sendall(text.encode("latin-1"))
            answer = b""
            if then == "half":
                raw.shutdown(socket.SHUT_WR)
            if then != "close":
                try:
                    answer = raw.recv(65536)
                except OSError as error:
                    answer = repr(error).encode()
            line = answer.partition(b"\r\n")[0].decode("latin-1")
            found[name] = f"{line} after {time.monotonic() - begun:.1f} s"
    return found


def schema(server: Serving, examples: int) -> dict[str, object]:
    """What schemathesis finds."""
    checks = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
                *(
                    "--header",
                    f"Authorization: Bearer {KEY}",
                    "--checks",
                    checks,
                    "--max-examples",
                    str(examples),
                ),
                *("--no-color", "--request-timeout", "60"),
            ],
            capture_output=True,
            text=True,
            cwd=folder,
        )
    return {"exit code": done.returncode, "end": done.stdout[-3000:] + done.stderr[-500:]}


def _key() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}


def main() -> None:
    """Runs the parts, and prints a line of JSON for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", nargs="*", default=[], choices=["uploads", "connections", "schema"])
    given = parser.parse_args()
    good = True
    with serving("lab", *LIMITS, ROBUSTGER_API_KEY=KEY) as server:
        if "uploads" not in given.skip:
            found = asyncio.run(send_all(server, given.uploads, given.seed))
            print(json.dumps({"uploads": found}), flush=True)
            good &= not found["missing"] and not found["bad"]
        if "connections" not in given.skip:
            print(json.dumps({"connections": connections(server)}), flush=True)
        if "schema" not in given.skip:
            tried = schema(server, given.examples)
            print(tried.pop("end"))
            print(json.dumps({"schema": tried}), flush=True)
            good &= tried["exit code"] == 0
        time.sleep(5)  # what slow senders began is over
        alive = httpx.get(f"{server.url}/health").status_code
        figures = httpx.get(f"{server.url}/metrics", headers=_key()).text
        log = "".join(server.lines)
        end = {
            "health": alive,
            "temporary files": [path.name for path in (server.folder / "tmp").rglob("*") if path.is_file()],
            "temporary_bytes": server.temporary_bytes,
            "open_requests": next(
                line for line in figures.splitlines() if line.startswith("robustger_open_requests ")
            ),
            "key in the log": KEY in log,
            "tracebacks in the log": log.count("Traceback"),
        }
        print(json.dumps({"end": end}), flush=True)
        good &= alive == 200 and not end["temporary_bytes"] and not end["key in the log"]
        for line in [line for line in server.lines if "Traceback" in line][:3]:
            print(line[-1500:])
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()

"""Measures the service under load, and checks that nothing is lost or mixed up:

    python benchmarks/service_load.py [--preset lab] [--clients 256] [--seconds 60] [--audio FOLDER] [--skip PART...]

Parts:

- `load`: so many clients, each of which sends recordings one after the other and compares each answer with the text
  that the recording has when it comes alone. A client that is told 503 waits as long as it is told.
- `batches`: the throughput with batches of 16 against batches of 1, with 32 clients.
- `single`: the time of an answer for one client, against `RobustGER.transcribe` in this process, in turns.

It exits with 1 if an answer is wrong or lost, or a status is neither 200 nor 503.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.serving import LAB, Serving, serving

ADDRESS = "/v1/audio/transcriptions"


@dataclass(slots=True)
class Load:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    lost: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> dict[str, object]:
        """The figures, ready for JSON; latencies in seconds."""
        ordered = sorted(self.latencies) or [0.0]
        half = len(self.memory_mib) // 2
        return {
            "statuses": dict(self.statuses),
            "wrong": self.wrong,
            "lost": len(self.lost),
            "answers_per_second": round(self.statuses[200] / self.seconds, 2),
            "p50": round(ordered[len(ordered) // 2], 3),
            "p95": round(ordered[int(len(ordered) * 0.95)], 3),
            "memory_mib_at_a_quarter": round(self.memory_mib[half // 2], 1),
            "memory_mib_at_the_end": round(self.memory_mib[-1], 1),
        }


async def load(
    server: Serving,
    clips: dict[str, bytes],
    texts: dict[str, str],
    clients: int,
    seconds: float,
    **fields: str,
) -> Load:
    """Lets clients work for a time; requests that are under way at its end are awaited."""
    seen = Load()
    names = list(clips)
    begun = time.monotonic()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)

    async def client(number: int, http: httpx.AsyncClient) -> None:
        turn = number
        while time.monotonic() - begun < seconds:
            name = names[turn % len(names)]
            turn += 1
            sent = time.monotonic()
            try:
                answer = await http.post(ADDRESS, files={"file": (name, clips[name])}, data=fields)
            except httpx.HTTPError as error:
                seen.lost.append(repr(error))
                continue
            seen.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                seen.latencies.append(time.monotonic() - sent)
                seen.wrong += answer.json()["text"] != texts[name]
            elif answer.status_code == 503:
                await asyncio.sleep(float(answer.headers["Retry-After"]))

    async def memory() -> None:
        while True:
            seen.memory_mib.append(server.resident_mib)
            await asyncio.sleep(0.5)

    async with httpx.AsyncClient(base_url=server.url, timeout=300, limits=limits) as http:
        watching = asyncio.ensure_future(memory())
        await asyncio.gather(*(client(number, http) for number in range(clients)))
        watching.cancel()
    seen.seconds = time.monotonic() - begun
    return seen


def texts_alone(server: Serving, clips: dict[str, bytes]) -> dict[str, str]:
    """The text of each recording when it comes alone."""
    found = {}
    for name, data in clips.items():
        answer = httpx.post(server.url + ADDRESS, files={"file": (name, data)}, timeout=300)
        found[name] = answer.raise_for_status().json()["text"]
    return found


def batches(preset: str, clips: dict[str, bytes], seconds: float) -> dict[str, object]:
    """Answers a second with batches of 16 and of 1."""
    found = {}
    for size in (1, 16):
        with serving(preset, "--batch-size", str(size), "--max-requests", "64") as server:
            texts = texts_alone(server, clips)
            seen = asyncio.run(load(server, clips, texts, 32, seconds))
            found[f"batch {size}"] = seen.figures()
    rates = [found[f"batch {size}"]["answers_per_second"] for size in (1, 16)]
    return found | {"ratio": round(rates[1] / rates[0], 2)}


def single(preset: str, path: Path, rounds: int) -> dict[str, object]:
    """The medians of the time of an answer and of `RobustGER.transcribe`, and their ratio."""
    from robustger.pipeline import RobustGER

    models = RobustGER.from_preset(preset)
    data, served, direct = path.read_bytes(), [], []
    with serving(preset) as server, httpx.Client(base_url=server.url, timeout=300) as client:
        for turn in range(rounds + 2):
            begun = time.monotonic()
            models.transcribe(path)
            between = time.monotonic()
            client.post(ADDRESS, files={"file": (path.name, data)}).raise_for_status()
            if turn >= 2:
                direct.append(between - begun)
                served.append(time.monotonic() - between)
    medians = statistics.median(served), statistics.median(direct)
    return {
        "answer": round(medians[0], 3),
        "transcribe": round(medians[1], 3),
        "ratio": round(statistics.median(a / b for a, b in zip(served, direct, strict=True)), 3),
    }


def main() -> None:
    """Runs the parts, and prints a line of JSON for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="lab")
    parser.add_argument("--clients", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--audio", type=Path, default=LAB)
    parser.add_argument("--skip", nargs="*", default=[], choices=["load", "batches", "single"])
    given = parser.parse_args()
    paths = sorted(path for path in given.audio.iterdir() if path.suffix in (".flac", ".wav", ".mp3"))[:16]
    clips = {path.name: path.read_bytes() for path in paths}
    good = True
    if "load" not in given.skip:
        with serving(given.preset, "--max-requests", str(given.clients)) as server:
            texts = texts_alone(server, clips)
            seen = asyncio.run(load(server, clips, texts, given.clients, given.seconds))
        print(json.dumps({"load": seen.figures(), "clients": given.clients}), flush=True)
        good = not seen.wrong and not seen.lost and set(seen.statuses) <= {200, 503}
    if "batches" not in given.skip:
        print(json.dumps({"batches": batches(given.preset, clips, given.seconds / 2)}), flush=True)
    if "single" not in given.skip:
        print(json.dumps({"single": single(given.preset, paths[0], 10)}), flush=True)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()

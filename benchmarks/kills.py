"""Kills `robustger nbest` at random moments until it was killed N times: python benchmarks/kills.py [N] [SEED]

A tiny random Whisper recognizes a manifest with clean pairs, long recordings and broken ones. A run is killed with
SIGKILL, at a moment drawn uniformly over the time an undisturbed run takes, and started again with the same arguments,
to be killed again, until it comes to its end. Then its results must be those of the undisturbed run, byte for byte,
and nothing else must be left. Every run is the real command in a process of its own, forked from one in which the
libraries are imported already, because importing them takes longer than the run.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

UTTERANCES = 10
RESULTS = ("lists.jsonl", "lists.embeddings.safetensors", "lists.run.json")


def make_data(folder: Path) -> None:
    """A preset with a tiny Whisper, and a manifest: some recordings take several windows, two are of no use."""
    import yaml
    from tests.tiny_whisper import babble, build_tiny_whisper

    from robustger.audio import write_audio

    build_tiny_whisper(folder / "preset" / "recognizer")
    settings = {"kind": "whisper", "model": "recognizer", "n": 5, "beams": 5}
    (folder / "preset" / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    rows = []
    for number in range(UTTERANCES):
        seconds = 5.0 if number % 10 == 5 else 0.3 + 0.05 * number
        write_audio(folder / f"{number}.wav", babble(seconds, number))
        rows.append({"id": f"u{number}", "audio": f"{number}.wav", "text": f"text {number}"})
        if number % 2:
            write_audio(folder / f"{number}.clean.wav", babble(seconds, 100 + number))
            rows[-1]["clean_audio"] = f"{number}.clean.wav"
    (folder / "7.wav").write_bytes((folder / "7.wav").read_bytes()[:1000])
    rows[8]["audio"] = "none.wav"
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(text, encoding="utf-8")


def start(folder: Path, output: Path) -> int:
    """Starts the command in a child process and returns its id."""
    child = os.fork()
    if child:
        return child
    from robustger.cli import main

    log = os.open(output.parent / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = [
        *("robustger", "nbest", str(folder / "manifest.jsonl"), "-o", str(output)),
        *("--preset", str(folder / "preset"), "--device", "cpu", "--batch-size", "2"),
    ]
    code: object = 70  # as of a program that went wrong in itself
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    finally:
        os._exit(code if isinstance(code, int) else 70)


def ended_within(child: int, seconds: float) -> int | None:
    """The child's wait status; None when it still runs after this time."""
    moment = time.perf_counter() + seconds
    while (left := moment - time.perf_counter()) > 0:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(min(0.02, left))
    return None


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "log"}


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    # What every run imports. Nothing is computed here: the threads of a pool would not live on in a child.
    import torch
    import transformers.models.whisper.modeling_whisper  # noqa: F401

    import robustger.audio
    import robustger.pipeline
    import robustger.recognition.bulk.prepare_lists
    import robustger.recognition.recognizers.whisper  # noqa: F401

    torch.set_num_threads(1)
    begin = time.perf_counter()
    done = rounds = different = failed = 0
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        child = os.fork()
        if child == 0:
            make_data(data)
            os._exit(0)
        os.waitpid(child, 0)

        (data / "undisturbed").mkdir()
        started = time.perf_counter()
        _, status = os.waitpid(start(data, data / "undisturbed" / "lists.jsonl"), 0)
        duration = time.perf_counter() - started
        expected = results(data / "undisturbed")
        if os.waitstatus_to_exitcode(status) != 1 or sorted(expected) != sorted(RESULTS):
            sys.exit((data / "undisturbed" / "log").read_text(encoding="utf-8"))

        at_work = 0  # kills that left something to go on from
        while done < kills:
            rounds += 1
            folder = data / f"round{rounds}"
            folder.mkdir()
            while True:
                child = start(data, folder / "lists.jsonl")
                status = ended_within(child, draw.uniform(0, duration)) if done < kills else None
                if status is None:
                    if done < kills:
                        os.kill(child, signal.SIGKILL)
                    _, status = os.waitpid(child, 0)
                if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                    break
                done += 1
                at_work += (folder / "lists.jsonl.partial" / "state.json").exists()
            failed += os.waitstatus_to_exitcode(status) != 1  # 1: two recordings are of no use
            different += results(folder) != expected
    result = {
        "benchmark": "kills",
        "kills": done,
        "with_work_recorded": at_work,
        "rounds": rounds,
        "identical": rounds - different,
        "different": different,
        "failed": failed,
        "undisturbed_seconds": round(duration, 2),
        "seconds": round(time.perf_counter() - begin, 1),
    }
    machine = {"cores": os.cpu_count(), "torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps(result | machine), flush=True)
    sys.exit(1 if different or failed else 0)


if __name__ == "__main__":
    main()

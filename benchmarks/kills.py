"""Kills `robustger nbest` at random moments until it was killed N times: python benchmarks/kills.py [N] [SEED]

A tiny random Whisper recognizes a manifest with clean pairs, long recordings and broken ones. A run is killed with
SIGKILL, at a moment drawn uniformly over the time of an undisturbed run, and is started again with the same arguments
until it comes to its end. Then its results must have the bytes of the undisturbed run, and no other files may be left.
Every run is the real command in a process of its own, forked from one in which the libraries are imported already,
because importing them takes longer than the run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.killing import KilledRun, kill_and_compare

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


def main() -> None:
    # What every run imports. Nothing is computed here: the threads of a pool would not live on in a child.
    import transformers.models.whisper.modeling_whisper  # noqa: F401

    import robustger.audio
    import robustger.pipeline
    import robustger.recognition.bulk.prepare_lists
    import robustger.recognition.recognizers.whisper  # noqa: F401

    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        child = os.fork()
        if child == 0:
            make_data(data)
            os._exit(0)
        os.waitpid(child, 0)
        at_work: list[bool] = []  # of each kill, whether it left something to go on from

        def new_run(name: str) -> KilledRun:
            folder = data / name
            folder.mkdir()
            arguments = ("nbest", str(data / "manifest.jsonl"), "-o", str(folder / "lists.jsonl"))
            arguments += ("--preset", str(data / "preset"), "--device", "cpu", "--batch-size", "2")
            return KilledRun(
                arguments,
                folder / "log",
                lambda: {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "log"},
            )

        counts = kill_and_compare(
            new_run,
            int(sys.argv[1]) if len(sys.argv) > 1 else 20,
            int(sys.argv[2]) if len(sys.argv) > 2 else 0,
            exit_code=1,  # two recordings are of no use
            on_kill=lambda name: at_work.append(
                (data / name / "lists.jsonl.partial" / "state.json").exists()
            ),
        )
        if sorted(path.name for path in (data / "undisturbed").iterdir()) != sorted([*RESULTS, "log"]):
            sys.exit((data / "undisturbed" / "log").read_text(encoding="utf-8"))
    print(
        json.dumps({"benchmark": "kills", "with_work_recorded": sum(at_work)} | counts.to_dict()), flush=True
    )
    sys.exit(1 if counts.different or counts.failed else 0)


if __name__ == "__main__":
    main()

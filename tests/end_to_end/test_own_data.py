"""docs/how-to/own-data.md, command by command, on the laboratory's clips: from a folder to an evaluated adapter."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from robustger.audio import read_audio, write_audio
from robustger.cli import main
from robustger.hypotheses import load_nbest
from robustger.manifest import load_manifest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "own-data.md").read_text(encoding="utf-8")
CLIPS = Path(str(resources.files("robustger.presets") / "lab" / "demo"))
SIDES = ("train", "dev", "test")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [shlex.split(line.removeprefix("$ ")) for line in lines]


def fill(folder: Path) -> None:
    """The folder that the page asks for: u1.flac, u2.flac, ... of six voices; the clean partners are only quieter."""
    for kind in ("noisy", "clean"):
        (folder / kind).mkdir(parents=True)
    with open(folder / "transcripts.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["name", "speaker", "text"])
        for number, clip in enumerate(load_manifest(CLIPS / "demo.jsonl"), start=1):
            shutil.copy(clip.audio, folder / "noisy" / f"u{number}.flac")
            write_audio(folder / "clean" / f"u{number}.wav", read_audio(clip.audio) / 2)
            writer.writerow([f"u{number}", clip.meta["voice"], clip.text])


def prepare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)
    fill(Path("own"))
    (script,) = blocks("python")
    Path("manifests.py").write_text(script, encoding="utf-8")


def test_the_page_shows_the_recipe_of_the_repository() -> None:
    (shown,) = blocks("yaml")
    assert shown == (ROOT / "recipes" / "own-data.yaml").read_text(encoding="utf-8")


def test_manifests_keep_speakers_and_sentences_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch, tmp_path)
    with open("own/transcripts.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with open("own/transcripts.tsv", "a", encoding="utf-8") as file:  # everybody also says the first sentence
        for speaker in {row["speaker"] for row in rows}:
            file.write(f'say "{speaker}"\t{speaker}\t{rows[0]["text"].upper()}.\n')
    runpy.run_path("manifests.py")
    found = {side: load_manifest(f"own/{side}.jsonl") for side in SIDES}
    speakers = [{utterance.meta["speaker"] for utterance in found[side]} for side in SIDES]
    texts = [{(utterance.text or "").lower().rstrip(".") for utterance in found[side]} for side in SIDES]
    for sets in (speakers, texts):
        assert all(sets)
        assert sum(map(len, sets)) == len(set().union(*sets))
    counts = [int(number) for number in re.findall(r"(\d+) left out", capsys.readouterr().out)]
    assert counts == [0, 1, 4]  # of the six who say it, the one voice that tests keeps the sentence
    known = [utterance for side in SIDES for utterance in found[side] if utterance.id.startswith("u")]
    assert all(utterance.audio.is_file() for utterance in known)
    assert all(utterance.clean_audio and utterance.clean_audio.is_file() for utterance in known)


@pytest.mark.slow
def test_every_command_of_the_page_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny_base: Path,
    tiny_encoder: Path,
) -> None:
    """As written, but for the recognizer, which needs no hub here, and the size of what is trained."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    prepare(monkeypatch, tmp_path)
    config: dict[str, Any] = yaml.safe_load(blocks("yaml")[0])
    config |= {"initial": None, "dtype": "float32"}
    config["corrector"] |= {"base": str(tiny_base), "encoder": str(tiny_encoder), "noise_dimension": 16}
    config["corrector"] |= {"lora": {"r": 2}, "max_new_tokens": 8}
    config["optimization"] |= {"batch_size": 2, "epochs": 1}
    Path("own-data.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")

    done = [run(command, monkeypatch, capsys) for command in commands()]
    assert len(done) > 10
    for side in SIDES:
        lists = load_nbest(f"lists/{side}.jsonl")
        assert {nbest.id for nbest in lists} == {u.id for u in load_manifest(f"own/{side}.jsonl")}
        assert all(set(nbest.audio_embedding or {}) == {"file", "noisy", "clean"} for nbest in lists)
    plain, distilled = (Path(f"runs/{name}/best/adapter.safetensors") for name in ("own", "own-distilled"))
    assert plain.read_bytes() != distilled.read_bytes()
    corrected = [json.loads(line) for line in Path("test-own.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [fields["id"] for fields in corrected] == [nbest.id for nbest in load_nbest("lists/test.jsonl")]
    tables = [output for command, output in zip(commands(), done, strict=True) if "evaluate" in command]
    assert all(
        "format-only" in table and "o_cp" in table for table in tables
    )  # what the page tells to look at
    assert ["corrected" in table for table in tables] == [False, True, True, True]


def run(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Runs a command of the page in this process; returns what it printed."""
    program, *arguments = words
    if program == "mkdir":
        assert arguments == ["-p", "lists"]
        Path("lists").mkdir(exist_ok=True)
    elif program == "python":
        runpy.run_path(arguments[0])
    else:
        assert program == "robustger"
        arguments = ["lab" if word == "whisper" else word for word in arguments]
        monkeypatch.setattr(sys, "argv", ["robustger", *arguments])
        code = exit_code(main)
        captured = capsys.readouterr()
        assert code == 0, f"{shlex.join(words)}: {captured.err}"
        return captured.out
    return ""


def exit_code(command: Callable[[], None]) -> Any:
    with pytest.raises(SystemExit) as stop:
        command()
    return stop.value.code or 0

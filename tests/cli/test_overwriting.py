"""No command writes over a file that it reads, whether the output is named as the input, or is a link to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.tiny_preset import save_babble

LISTS = [
    {"id": "a", "hypotheses": ["what is the fair", "what is the fare"], "reference": "what is the fare"},
    {"id": "b", "hypotheses": ["half past ten", "half passed ten"], "reference": "half past ten"},
]


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_base: Path, tiny_checkpoint: Path) -> Path:
    """A working folder with something for every command to read."""
    folder = tmp_path / "work"
    (folder / "kaldi").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("lists", "train"):
        Path(f"{name}.jsonl").write_text(lines(LISTS), encoding="utf-8")
    for name in ("corrections", "others"):
        rows = [{"id": row["id"], "text": row["reference"]} for row in LISTS]
        Path(f"{name}.jsonl").write_text(lines(rows), encoding="utf-8")
    save_babble(Path("a.wav"), 0.4, 0)
    save_babble(Path("hum.wav"), 0.4, 1)
    recordings = [{"id": "a", "audio": "a.wav", "text": "half past ten"}]
    for name in ("recordings.jsonl", "lists2.run.json"):
        Path(name).write_text(lines(recordings), encoding="utf-8")
    Path("kaldi/wav.scp").write_text("a ../a.wav\n", encoding="utf-8")
    Path("kaldi/text").write_text("a half past ten\n", encoding="utf-8")
    Path("nbest.txt").write_text("a-1 half past ten\na-2 half passed ten\n", encoding="utf-8")
    Path("text").write_text("a half past ten\n", encoding="utf-8")
    for source, name in ((tiny_checkpoint, "checkpoint"), (tiny_checkpoint, "run/best")):
        Path(name).mkdir(parents=True)
        for file in source.iterdir():
            Path(name, file.name).write_bytes(file.read_bytes())
    training = {
        "output": "run",
        "tracking": "none",
        "corrector": {"base": str(tiny_base), "variant": "ger", "n_best": 2},
        "data": {"train": ["train.jsonl"]},
    }
    for name, changes in (
        ("training", {}),
        ("from-best", {"initial": "run/best"}),
        ("on-log", {"data": {"train": ["run/log.jsonl"]}}),
    ):
        Path(f"{name}.yaml").write_text(yaml.safe_dump(training | changes), encoding="utf-8")
    Path("run/log.jsonl").write_text(lines(LISTS), encoding="utf-8")
    Path("out/table1").mkdir(parents=True)
    Path("out/table1/lists.jsonl").write_text(lines(LISTS), encoding="utf-8")
    Path("kaldi/lists.jsonl").write_text(lines(LISTS), encoding="utf-8")
    Path("data.yaml").write_text("tests: {x: [out/table1/lists.jsonl]}\n", encoding="utf-8")
    Path("out/table1/data.yaml").write_text("tests: {x: [../../lists.jsonl]}\n", encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def named(source: str) -> str:
    return source


def symbolic(source: str) -> str:
    """A symbolic link with the suffix of the source, by which formats go."""
    link = Path("linked" + Path(source).suffix)
    link.symlink_to(source)
    return str(link)


def hard(source: str) -> str:
    link = Path("linked" + Path(source).suffix)
    os.link(source, link)
    return str(link)


COMMANDS = {
    "correct": ("correct lists.jsonl --checkpoint checkpoint -o", "lists.jsonl"),
    "correct, its checkpoint": ("correct lists.jsonl --checkpoint checkpoint -o", "checkpoint/config.yaml"),
    "baseline": ("baseline mbr lists.jsonl -o", "lists.jsonl"),
    "baseline, what it learns from": (
        "baseline ngram-rank lists.jsonl --weight 0 --train train.jsonl -o",
        "train.jsonl",
    ),
    "evaluate": ("evaluate lists.jsonl --html", "lists.jsonl"),
    "evaluate, corrections": ("evaluate lists.jsonl -c corrections.jsonl --html", "corrections.jsonl"),
    "evaluate, the other system": (
        "evaluate lists.jsonl -c corrections.jsonl --against others.jsonl --html",
        "others.jsonl",
    ),
    "evaluate, a manifest": ("evaluate lists.jsonl --manifest recordings.jsonl --html", "recordings.jsonl"),
    "nbest": ("nbest recordings.jsonl --restart -o", "recordings.jsonl"),
    "nbest, a recording": ("nbest recordings.jsonl --restart -o", "a.wav"),
    "nbest, a file of Kaldi's": ("nbest kaldi --restart -o", "kaldi/text"),
    "nbest, beside wav.scp": ("nbest kaldi/wav.scp --restart -o", "kaldi/text"),
    "import-nbest": ("import-nbest nbest.txt -f kaldi -o", "nbest.txt"),
    "import-nbest, references": ("import-nbest nbest.txt -f kaldi --references text -o", "text"),
    "import-nbest, a folder": ("import-nbest kaldi -f kaldi -o", "kaldi/text"),
    "transcribe": ("transcribe a.wav --preset checkpoint -o", "a.wav"),
    "transcribe, its checkpoint": (
        "transcribe a.wav --checkpoint checkpoint -o",
        "checkpoint/config.yaml",
    ),
    "demo": ("demo a.wav --picture", "a.wav"),
}


@pytest.mark.parametrize("alias", [named, symbolic, hard])
@pytest.mark.parametrize("case", COMMANDS)
def test_an_output_that_is_an_input_is_refused(
    robustger, folder: Path, case: str, alias: Callable[[str], str]
) -> None:
    command, source = COMMANDS[case]
    if case == "transcribe":
        Path("checkpoint/recognizer.yaml").write_text("kind: whisper\nmodel: whisper-base\n")
    output = alias(source)
    before = contents(folder)
    result = robustger(*command.split(), output)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "is read by this command" in result.err or "is one of the recordings" in result.err
    assert contents(folder) == before


@pytest.mark.parametrize(
    "command",
    [
        "nbest lists2.run.json -o lists2.jsonl",  # the record of the run would take its place
        "mix mixed/manifest.jsonl --noise hum.wav -o mixed",
        "mix recordings.jsonl --noise mixed -o mixed",
        "train from-best.yaml",
        "train on-log.yaml",
        "train training.yaml --set data.train=[run/best/config.yaml]",
        "experiment table1 --data out/table1/data.yaml -o out",
        "experiment table1 --data data.yaml -o out",
        "experiment table1 --data kaldi --recipe out/table1/data.yaml -o out",
        "models convert-released checkpoint/adapter.safetensors --base lab-lm -o checkpoint",
        "models convert-released nbest.txt --base checkpoint -o checkpoint",
    ],
)
def test_what_a_folder_of_results_holds_is_refused_as_input(robustger, folder: Path, command: str) -> None:
    if "mixed" in command:
        assert robustger("mix", "recordings.jsonl", "--noise", "hum.wav", "-o", "mixed").code == 0
    before = contents(folder)
    result = robustger(*command.split())
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "is read by this command" in result.err
    assert contents(folder) == before


def test_a_folder_of_transcripts_may_hold_links_to_recordings(robustger, folder: Path) -> None:
    Path("texts").mkdir()
    os.link("a.wav", "texts/a.txt")
    Path("checkpoint/recognizer.yaml").write_text("kind: whisper\nmodel: whisper-base\n")
    result = robustger("transcribe", "a.wav", "--preset", "checkpoint", "-o", "texts")
    assert (result.code, result.err) == (
        2,
        "robustger: error: texts/a.txt: is one of the recordings; name another output\n",
    )


def test_a_file_of_a_corpus_is_no_output_but_an_earlier_manifest_is(robustger, folder: Path) -> None:
    Path("noizeus").mkdir()
    for name in ("sp01_car_sn5.wav", "sp01.wav"):
        Path("noizeus", name).write_bytes(Path("a.wav").read_bytes())
    Path("noizeus/transcripts.txt").write_text("sp01 half past ten\n", encoding="utf-8")
    os.link("noizeus/transcripts.txt", "linked.txt")
    before = contents(folder)
    for output in ("noizeus/transcripts.txt", "linked.txt", "noizeus/sp01.wav"):
        result = robustger("corpus", "noizeus", "noizeus", "-o", output)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert "is read by this command, as noizeus/" in result.err
        assert contents(folder) == before
    for _ in range(2):
        result = robustger("corpus", "noizeus", "noizeus", "-o", "noizeus/manifest.jsonl")
        assert "2 rows in noizeus/manifest.jsonl" in result.err


@pytest.mark.parametrize("command", ["baseline mbr -", "import-nbest - -f kaldi"])
def test_standard_input_may_come_from_the_output(folder: Path, command: str) -> None:
    before = contents(folder)
    name = "nbest.txt" if "kaldi" in command else "lists.jsonl"
    with Path(name).open(encoding="utf-8") as source:
        result = subprocess.run(
            [sys.executable, "-m", "robustger", *command.split(), "-o", name],
            stdin=source,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"robustger: error: {name}: is read by this command; name another output\n"
    assert contents(folder) == before

"""`robustger nbest`: manifests in all their forms, and its messages and files when something is wrong.

What is recorded and resumed is tested in `tests/recognition/bulk`, kills in `tests/end_to_end`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.tiny_preset import save_babble
from tests.tiny_whisper import build_tiny_whisper

from robustger.hypotheses import load_nbest


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "preset"
    build_tiny_whisper(folder / "recognizer")
    settings = {"kind": "whisper", "model": "recognizer", "n": 3, "beams": 4, "options": {"device": "cpu"}}
    (folder / "recognizer.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two recordings and the same manifest as JSONL, CSV and Kaldi folder."""
    folder = tmp_path / "work"
    (folder / "kaldi").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    texts = {"a": "half past ten", "b": "what is the fare"}
    for seed, id_ in enumerate(texts):
        save_babble(folder / f"{id_}.wav", 0.5, seed)
    rows = [{"id": id_, "audio": f"{id_}.wav", "text": text} for id_, text in texts.items()]
    Path("m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = [",".join(row.values()) for row in rows]
    Path("m.csv").write_text("\n".join(["id,audio,text", *lines]), encoding="utf-8")
    Path("kaldi/wav.scp").write_text("a ../a.wav\nb ../b.wav\n", encoding="utf-8")
    Path("kaldi/text").write_text("".join(f"{id_} {text}\n" for id_, text in texts.items()), encoding="utf-8")
    return folder


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_all_forms_of_a_manifest_give_the_same_lists(robustger: Callable, folder: Path, preset: Path) -> None:
    found = []
    for manifest in ("m.jsonl", "m.csv", "kaldi", "kaldi/wav.scp"):
        result = robustger("nbest", manifest, "-o", "lists.jsonl", "--preset", preset, "--restart")
        assert (result.code, result.out) == (0, "")
        summary = re.sub(r"[\d.]+ audio-hours", "7 audio-hours", result.err)
        assert summary == (
            "robustger: 2 utterances, 2 lists, 0.00 hours of audio (7 audio-hours per hour), 0 problems\n"
        )
        lists = load_nbest("lists.jsonl")
        assert [(nbest.id, nbest.reference) for nbest in lists] == [
            ("a", "half past ten"),
            ("b", "what is the fare"),
        ]
        found.append([(nbest.texts, nbest.audio_embedding) for nbest in lists])
    assert all(lists == found[0] for lists in found)
    assert all(len(texts) == 3 for texts, _ in found[0])


def test_a_sentence_stays_with_its_lists_and_mixtures(
    robustger: Callable, folder: Path, preset: Path
) -> None:
    for seed, path in enumerate(("noizeus/sp01_car_sn5.wav", "noise/hum.wav")):
        Path(path).parent.mkdir()
        save_babble(Path(path), 0.5, seed)
    robustger("corpus", "noizeus", "noizeus", "-o", "noizeus.jsonl")
    Path("takes.jsonl").write_text(
        '{"id": "a-take-2", "audio": "a.wav", "sentence": "a"}\n{"id": "b", "audio": "b.wav"}\n'
    )
    assert robustger("mix", "takes.jsonl", "--noise", "noise", "-o", "mixed", "--snr", 0).code == 0
    found = {}
    for manifest in ("noizeus.jsonl", "mixed/manifest.jsonl"):
        assert robustger("nbest", manifest, "-o", "lists.jsonl", "--preset", preset, "--restart").code == 0
        for nbest in load_nbest("lists.jsonl"):
            source = nbest.meta.get("mix", {}).get("source_id")
            found[nbest.id] = (nbest.meta.get("sentence"), source)
    assert found == {
        "sp01_car_sn5": ("sp01", None),
        "a-take-2_hum_0dB": ("a", "a-take-2"),
        "b_hum_0dB": (None, "b"),
    }


def test_readers_change_nothing(robustger: Callable, folder: Path, preset: Path) -> None:
    command = ("nbest", "m.jsonl", "-o", "lists.jsonl", "--preset", preset, "--restart")
    found = set()
    for workers in (0, 1, 3):
        assert robustger(*command, "--workers", workers).code == 0
        found.add(b"".join(path.read_bytes() for path in sorted(folder.glob("lists.*"))))
    assert len(found) == 1
    assert robustger(*command, "--workers", -1).code == 2


def test_options_reach_the_recognizer(robustger: Callable, folder: Path, preset: Path) -> None:
    options = (
        "-n",
        4,
        "--beams",
        6,
        "--normalizer",
        "number",
        "--set",
        "max_new_tokens=2",
        "--no-embeddings",
        "--embedding-frames",
        "all",
    )
    result = robustger("nbest", "m.jsonl", "-o", "lists.jsonl", "--preset", preset, *options)
    assert result.code == 0
    record = json.loads(Path("lists.run.json").read_text(encoding="utf-8"))
    chosen = {
        key: record["settings"][key]
        for key in ("n", "beams", "normalizer", "options", "embeddings", "embedding_frames")
    }
    assert chosen == {
        "n": 4,
        "beams": 6,
        "normalizer": "number",
        "options": {"device": "cpu", "max_new_tokens": 2},
        "embeddings": False,
        "embedding_frames": "all",
    }
    assert all(len(text) < 20 for nbest in load_nbest("lists.jsonl") for text in nbest.texts)
    assert contents(folder) >= {"lists.jsonl", "lists.run.json"}
    assert "lists.embeddings.safetensors" not in contents(folder)


def test_a_model_that_was_trained_anew_is_another_model(
    robustger: Callable, folder: Path, preset: Path, tmp_path: Path
) -> None:
    model = build_tiny_whisper(tmp_path / "model")
    arguments = ("nbest", "m.jsonl", "-o", "lists.jsonl", "--preset", preset, "--model", model)
    assert robustger(*arguments).code == 0
    assert robustger(*arguments).err.endswith("0 problems, complete already\n")
    build_tiny_whisper(model, seed=1)
    result = robustger(*arguments)
    assert result.code == 2
    assert result.err.startswith(
        "robustger: error: lists.jsonl: was made with other settings: the content of the model changed; "
    )
    assert robustger(*arguments, "--restart").code == 0


def test_fifty_broken_recordings_are_fifty_reports_and_nothing_else(
    robustger: Callable, folder: Path, preset: Path, broken_audio: Path
) -> None:
    files = sorted(broken_audio.iterdir())
    rows = [{"id": file.name, "audio": str(file)} for file in files]
    Path("broken.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    before = contents(folder)
    result = robustger("nbest", "broken.jsonl", "-o", "lists.jsonl", "--preset", preset)
    assert (result.code, result.out) == (1, "")
    *problems, summary = result.err.splitlines()
    assert len(problems) == 50
    for number, (file, problem) in enumerate(zip(files, problems, strict=True), start=1):
        assert problem.startswith(f"robustger: broken.jsonl:{number}: {file.name}: {file}: ")
    assert summary == "robustger: 50 utterances, 0 lists, 0.00 hours of audio, 50 problems"
    assert contents(folder) - before == {"lists.jsonl", "lists.run.json"}
    assert Path("lists.jsonl").read_bytes() == b""


def test_lines_that_cannot_be_read_are_reported(robustger: Callable, folder: Path, preset: Path) -> None:
    with Path("m.jsonl").open("a", encoding="utf-8") as file:
        file.write('not json\n{"id": "c", "audio": "none.wav"}\n{"id": "d", "adio": "a.wav"}\n')
    result = robustger("nbest", "m.jsonl", "-o", "lists.jsonl", "--preset", preset)
    assert result.code == 1
    *problems, summary = result.err.splitlines()
    assert [problem.split(":")[2] for problem in problems] == ["3", "4", "5"]
    assert summary.startswith("robustger: 5 utterances, 2 lists, 0.00 hours of audio (")
    assert summary.endswith(" audio-hours per hour), 3 problems")


def test_a_restart_that_cannot_begin_throws_nothing_away(
    robustger: Callable, folder: Path, preset: Path
) -> None:
    command = ["nbest", "m.jsonl", "-o", "lists.jsonl", "--preset", str(preset)]
    assert robustger(*command).code == 0
    before = {path: path.read_bytes() for path in folder.glob("lists*") if path.is_file()}
    assert robustger(*command, "--restart", "--device", "toaster").code == 2
    assert {path: path.read_bytes() for path in folder.glob("lists*") if path.is_file()} == before
    assert len(before) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "none.jsonl: cannot be read: "),
        (["kaldi/.."], "is a folder without wav.scp"),
        (["m.jsonl", "-o", "none/lists.jsonl"], "none/lists.jsonl: cannot be written: the folder none does"),
        (["m.jsonl", "-o", "kaldi"], "kaldi: is a folder; name a file to write"),
        (["m.jsonl", "-o", "-"], "nbest reads and writes files"),
        (["m.jsonl", "-o", "m.csv"], "m.csv: exists, and nothing says how it was made; "),
        (["m.jsonl", "-o", "m.jsonl", "--restart"], "m.jsonl: is read by this command; name another output"),
        (["m.jsonl", "--preset", "none"], "none: no such folder and no such preset with a recognizer"),
        (["m.jsonl", "--device", "toaster"], "device 'toaster' is not available here ("),
        (["m.jsonl", "--set", "model=m"], "has no option 'model'"),
        (
            ["m.jsonl", "--recognizer", "ctc"],
            "the recognizer 'ctc' needs a model of its own; name it with --model",
        ),
        (["m.jsonl", "--model", "none"], "none"),
        (["m.jsonl", "--shard", "2"], "--shard 2: write it as I/N, as in 1/4"),
        (["m.jsonl", "--shard", "3/2"], "shard 3/2: give i/n with i from 1 to n"),
        (["m.jsonl", "--set", "beams"], "--set beams: write it as key=value"),
        (
            ["m.jsonl", "--set", "max_new_tokens=ten"],
            "option max_new_tokens = 'ten': Input should be a valid int",
        ),
        (["m.jsonl", "--set", "memory_gb=abc"], "option memory_gb = 'abc': Input should be a valid number"),
        (["m.jsonl", "--set", "language=no"], "option language = False: Input should be a valid string"),
        (["m.jsonl", "--set", "language=2026-13-45"], "language=2026-13-45: not valid YAML"),
        (["m.jsonl", "--set", "color=red"], "has no option 'color'"),
        (["m.jsonl", "--set", "dtype={}"], "--set dtype={}: the value must be a number, a word, "),
        (["m.jsonl", "-n", "5", "--beams", "2"], "beams = 2: n = 5 hypotheses need at least as many beams"),
        (["m.jsonl", "--embedding-frames", "padded"], "embedding frames 'padded': choose real or all"),
        (["m.jsonl", "--normalizer", "none"], "normalizer: unknown normalizer 'none'"),
    ],
)
def test_what_is_refused_leaves_nothing(
    robustger: Callable, folder: Path, preset: Path, arguments: list[str], message: str
) -> None:
    if "--preset" not in arguments:
        arguments = [*arguments, "--preset", str(preset)]
    if "-o" not in arguments:
        arguments = [*arguments, "-o", "lists.jsonl"]
    before = contents(folder)
    result = robustger("nbest", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert contents(folder) == before

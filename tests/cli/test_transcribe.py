"""`robustger transcribe`: the places to which the text goes, and its messages when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from tests.pipeline.subtitle_reader import read_srt, read_vtt
from tests.tiny_preset import build_tiny_preset, save_broken
from tests.voice import save_voice

from robustger.text import normalize

TRANSCRIBE = ("transcribe", "--no-find-speech")  # what the tiny recognizer hears is no speech


@pytest.fixture(scope="module")
def preset(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_preset(tmp_path_factory.mktemp("tiny") / "preset", tiny_checkpoint)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with three recordings, one of them broken."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    save_voice(folder / "a.wav", 0.8, 1)
    save_voice(folder / "b.flac", 3.5, 2)
    save_broken(folder / "broken.wav", 1)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_one_file_to_stdout(robustger, folder: Path, preset: Path) -> None:
    result = robustger(*TRANSCRIBE, "a.wav", "--preset", preset)
    assert result.code == 0
    assert result.out.count("\n") == 1
    assert result.out.strip()
    assert result.err.startswith("robustger: 1 recordings, 0.8 s, ")
    assert result.err.endswith(", 0 problems\n")


def test_the_list_is_shown(robustger, folder: Path, preset: Path) -> None:
    result = robustger(*TRANSCRIBE, "a.wav", "--preset", preset, "--nbest", "-n", 3)
    text, times, *hypotheses = result.out.splitlines()
    assert text.strip()
    assert times == "  0.00 - 0.80 s"
    assert [line.split()[0] for line in hypotheses] == ["1", "2", "3"]


def test_several_files_in_one_stream(robustger, folder: Path, preset: Path) -> None:
    files = ["a.wav", "broken.wav", "b.flac"]
    result = robustger(*TRANSCRIBE, *files, "--preset", preset)
    assert result.code == 1
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [file for file, _ in lines] == files
    assert [bool(text) for _, text in lines] == [True, False, True]
    problem, summary = result.err.splitlines()
    assert problem.startswith("robustger: broken.wav: ")
    assert summary.startswith("robustger: 2 recordings, 4.3 s, ")
    assert summary.endswith(", 1 problems")
    as_json = robustger(*TRANSCRIBE, *files, "--preset", preset, "-o", "all.json")
    rows = [json.loads(line) for line in Path("all.json").read_text(encoding="utf-8").splitlines()]
    assert (as_json.code, as_json.out) == (1, "")
    assert [(row["audio"], row["text"]) for row in rows] == [(file, text) for file, text in lines]
    assert rows[1]["error"].startswith("broken.wav: ")
    assert len(rows[2]["segments"]) >= 2
    assert all(len(part["hypotheses"]) == 5 for part in rows[2]["segments"])


def test_the_corrector_takes_its_language_model_from_elsewhere(
    robustger, folder: Path, preset: Path, tiny_base: Path, tmp_path: Path
) -> None:
    text = robustger(*TRANSCRIBE, "a.wav", "--preset", preset).out
    broken = shutil.copytree(preset, tmp_path / "preset")
    config = yaml.safe_load((broken / "config.yaml").read_text(encoding="utf-8"))
    (broken / "config.yaml").write_text(
        yaml.safe_dump(config | {"base": "none/at-all", "quantization": "nf4"})
    )
    moved = shutil.copytree(tiny_base, tmp_path / "moved")
    found = robustger(*TRANSCRIBE, "a.wav", "--preset", broken, "--base", moved, "--quantization", "none")
    assert (found.code, found.out) == (0, text)


def test_the_normalizer_decides_how_the_corrector_reads(robustger, folder: Path, preset: Path) -> None:
    read = robustger(*TRANSCRIBE, "a.wav", "--preset", preset, "-f", "json", "--normalizer", "spoken")
    [segment] = json.loads(read.out)["segments"]
    assert segment["hypotheses"] == [normalize(text, "spoken") for text in segment["written"]]
    refused = robustger(*TRANSCRIBE, "a.wav", "--preset", preset, "--normalizer", "spken")
    assert (refused.code, refused.out) == (2, "")
    assert "'spken'" in refused.err


@pytest.mark.parametrize("output", ["out", "out/deep/"])
def test_a_folder_gets_one_file_per_recording(robustger, folder: Path, preset: Path, output: str) -> None:
    before = names(folder)
    result = robustger(
        *TRANSCRIBE, "a.wav", "broken.wav", "b.flac", "--preset", preset, "-o", output, "-f", "vtt"
    )
    assert (result.code, result.out) == (1, "")
    target = Path(output)
    assert names(folder) == sorted([*before, str(target / "a.vtt"), str(target / "b.vtt")])
    assert (
        (target / "a.vtt").read_text(encoding="utf-8").startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.800\n")
    )


def test_the_suffix_says_the_format(robustger, folder: Path, preset: Path) -> None:
    robustger(*TRANSCRIBE, "b.flac", "--preset", preset, "-o", "b.srt")
    assert Path("b.srt").read_text(encoding="utf-8").startswith("1\n00:00:0")


def test_words_have_times_in_json_srt_and_vtt(robustger, folder: Path, preset: Path) -> None:
    result = robustger(*TRANSCRIBE, "b.flac", "--preset", preset, "-f", "json", "--words")
    assert result.code == 0
    fields = json.loads(result.out)
    words = [word for part in fields["segments"] for word in part["words"]]
    assert " ".join(word["word"] for word in words) == fields["text"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 3.5
    assert "words" not in robustger(*TRANSCRIBE, "b.flac", "--preset", preset, "-f", "json").out
    one_by_one = read_srt(robustger(*TRANSCRIBE, "b.flac", "--preset", preset, "-f", "srt", "--words").out)
    assert [cue.lines for cue in one_by_one] == [[word["word"]] for word in words]
    assert [cue.start for cue in one_by_one] == [round(1000 * word["start"]) for word in words]
    marked = robustger(*TRANSCRIBE, "b.flac", "--preset", preset, "-f", "vtt", "--words").out
    assert marked.count("<c>") == len(words)
    assert " ".join(" ".join(cue.lines) for cue in read_vtt(marked)) == fields["text"]


def test_plain_is_what_the_corrector_reads(robustger, folder: Path, preset: Path) -> None:
    fields = json.loads(robustger(*TRANSCRIBE, "a.wav", "--preset", preset, "-f", "json").out)
    plain = robustger(*TRANSCRIBE, "a.wav", "--preset", preset, "--plain").out
    assert plain == fields["plain"] + "\n"
    assert robustger(*TRANSCRIBE, "a.wav", "--preset", preset).out == fields["text"] + "\n"


def test_a_file_that_cannot_be_read_leaves_the_output_as_it_was(
    robustger, folder: Path, preset: Path
) -> None:
    Path("kept.txt").write_text("kept\n", encoding="utf-8")
    before = names(folder)
    result = robustger(*TRANSCRIBE, "broken.wav", "--preset", preset, "-o", "kept.txt")
    assert (result.code, result.out) == (1, "")
    assert Path("kept.txt").read_text(encoding="utf-8") == "kept\n"
    assert names(folder) == before


def test_a_missing_file_whose_name_is_not_utf8_keeps_its_line(robustger, folder: Path, preset: Path) -> None:
    odd = os.fsdecode(b"miss\xe9.wav")
    result = robustger(*TRANSCRIBE, odd, "a.wav", "--preset", preset, "-o", "all.jsonl")
    assert result.code == 1
    assert "Traceback" not in result.err
    missing, there = map(json.loads, Path("all.jsonl").read_text(encoding="utf-8").splitlines())
    assert missing["audio"] == "miss\\udce9.wav"
    assert missing["error"] == "miss\\udce9.wav: cannot be read: No such file or directory"
    assert there["text"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["a.wav", "--preset", "none"],
            "none: no such folder and no such preset with a recognizer; presets: ",
        ),
        (["a.wav", "--preset", "."], "not a preset with a recognizer: recognizer.yaml is missing"),
        (["a.wav", "--recognizer", "ctc"], "the recognizer 'ctc' needs a model of its own"),
        (["a.wav", "--model", "none/at-all"], "--model whisper-base"),
        (["a.wav", "--model", "."], "no config.json there"),
        (["a.wav", "--checkpoint", "none"], "none: no such folder and no such preset"),
        (["a.wav", "--base", "none/at-all"], "none/at-all: not a folder, not an embedded model"),
        (["a.wav", "--quantization", "int3"], "quantization = 'int3': Input should be 'none'"),
        (["a.wav", "--guard", "sword"], "unknown guard 'sword'"),
        (["a.wav", "--format", "doc"], "unknown format 'doc'; choose one of: text, json, srt, vtt"),
        (["a.wav", "--beams", "2"], "beams = 2: n = 5 hypotheses need at least as many beams"),
        (["a.wav", "--window", "90"], "a window of 90 s: choose 0.1 to 2 s"),
        (["a.wav", "--nbest", "-o", "a.srt"], "--nbest does not go with the format srt"),
        (["a.wav", "--words"], "--words does not go with the format text; choose --format json, srt or vtt"),
        (["a.wav", "b.flac", "-f", "srt"], "do not fit into one file of subtitles"),
        (["a.wav", "-o", "a.wav"], "a.wav: is one of the recordings"),
        (["a.wav", "-o", "none/a.txt"], "none/a.txt: cannot be written"),
        (["a.wav", "./a.wav", "-o", "out/"], "would both be written to out/a.txt"),
        (["a.wav", "-o", "b.flac/"], "b.flac"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    robustger, folder: Path, preset: Path, arguments: list[str], message: str
) -> None:
    if "--preset" not in arguments:
        arguments = [*arguments, "--preset", str(preset)]
    before = names(folder)
    result = robustger(*TRANSCRIBE, *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert names(folder) == before

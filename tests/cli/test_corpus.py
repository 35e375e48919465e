"""`robustger corpus`: its files, its messages, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from robustger.audio import write_audio
from robustger.corpora import CORPORA
from robustger.manifest import load_manifest

SNRS = (0, 5, 10, 15)
NOISES = ("airport", "babble", "car", "exhibition", "restaurant", "station", "street", "train")


@pytest.fixture
def noizeus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `noizeus`: all of it, in files of 1 ms."""
    monkeypatch.chdir(tmp_path)
    folder = Path("noizeus")
    folder.mkdir()
    write_audio(folder / "sp01.wav", np.linspace(-0.1, 0.1, 16), 16_000)
    content = (folder / "sp01.wav").read_bytes()
    for sentence in (f"sp{number:02d}" for number in range(1, 31)):
        (folder / f"{sentence}.wav").write_bytes(content)
        for noise in NOISES:
            for snr in SNRS:
                (folder / f"{sentence}_{noise}_sn{snr}.wav").write_bytes(content)
    lines = (f"sp{number:02d} sentence number {number}\n" for number in range(1, 31))
    (folder / "transcripts.txt").write_text("".join(lines), encoding="utf-8")
    return folder


def test_a_complete_corpus(robustger, noizeus: Path) -> None:
    result = robustger("corpus", "noizeus", "noizeus", "-o", "manifest.jsonl")
    assert (result.code, result.out) == (0, "")
    lines = result.err.splitlines()
    assert (
        lines[0]
        == "robustger: noizeus test-0dB: 240 of 240 rows, 240 with a transcript, 240 with a clean partner"
    )
    assert lines[4] == "robustger: noizeus clean: 30 of 30 rows, 30 with a transcript"
    assert lines[5:] == ["robustger: 990 rows in manifest.jsonl, 0 problems"]
    assert len(load_manifest("manifest.jsonl")) == 990


def test_what_is_missing_is_named_and_the_rest_written(robustger, noizeus: Path) -> None:
    for number in range(3, 10):
        (noizeus / f"sp{number:02d}_car_sn10.wav").unlink()
    (noizeus / "sp01.wav").write_bytes(b"")
    result = robustger("corpus", "noizeus", "noizeus", "-o", "manifest.jsonl", "--split", "test-10dB")
    assert result.code == 1
    lines = result.err.splitlines()
    assert "noizeus/sp01.wav: has 0 bytes; get the file again; 'sp01_airport_sn10' goes without" in lines[0]
    assert lines[8:] == [
        "robustger: noizeus test-10dB: 233 of 240 rows, 233 with a transcript, 225 with a clean partner",
        "robustger: noizeus test-10dB: 7 missing: sp03_car_sn10, sp04_car_sn10, sp05_car_sn10, sp06_car_sn10, "
        "sp07_car_sn10 and 2 more",
        "robustger: noizeus test-10dB: 8 without a clean partner: sp01_airport_sn10, sp01_babble_sn10, "
        "sp01_car_sn10, sp01_exhibition_sn10, sp01_restaurant_sn10 and 3 more",
        "robustger: 233 rows in manifest.jsonl, 8 problems",
    ]
    assert len(load_manifest("manifest.jsonl")) == 233


def test_a_check_alone_is_the_result(robustger, noizeus: Path) -> None:
    (noizeus / "transcripts.txt").unlink()
    before = sorted(Path().rglob("*"))
    result = robustger("corpus", "noizeus", "noizeus", "--split", "clean", "--split", "test-0dB", "--probe")
    assert result.code == 1
    assert result.out.splitlines()[-2:] == [
        "noizeus clean: 30 of 30 rows, 0 with a transcript",
        "noizeus clean: 30 without a transcript: sp01, sp02, sp03, sp04, sp05 and 25 more",
    ]
    problem, counts = result.err.splitlines()
    assert problem.startswith(
        "robustger: noizeus/transcripts.txt: there is no such file: no transcripts; write "
    )
    assert counts == "robustger: 270 rows would be written, 1 problems"
    assert [path for path in sorted(Path().rglob("*")) if path.name != "stdin"] == before


def test_to_standard_output_and_only_short_ones(robustger, noizeus: Path) -> None:
    (noizeus / "transcripts.txt").write_text("sp01 one two\nsp02 one two three\n", encoding="utf-8")
    result = robustger("corpus", "noizeus", "noizeus", "-o", "-", "-s", "clean", "--max-words", 2)
    assert result.code == 1
    (line,) = result.out.splitlines()
    assert json.loads(line)["audio"] == "noizeus/sp01.wav"
    assert result.err.splitlines()[-1] == "robustger: 1 rows in -, 29 left out by --max-words, 0 problems"


def test_bad_input_writes_nothing(robustger, noizeus: Path) -> None:
    for arguments, message in (
        (("chime4", "noizeus"), "noizeus: is not CHiME-4: it holds no audio/16kHz"),
        (("noizeus", "nowhere"), "nowhere: no such folder"),
        (("timit", "noizeus"), "unknown corpus 'timit'; choose one of: chime4, "),
        (
            ("noizeus", "noizeus", "--split", "train"),
            "NOIZEUS has no split 'train'; choose among: test-0dB, ",
        ),
        (("noizeus", "noizeus", "--companion", "x"), "NOIZEUS needs no second folder"),
        (("noizeus",), "name a corpus and its folder"),
    ):
        result = robustger("corpus", *arguments, "-o", "manifest.jsonl")
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"robustger: error: {message}")
        assert len(result.err.splitlines()) == 1
    assert not Path("manifest.jsonl").exists()
    assert robustger("corpus", "noizeus", "noizeus", "-o", "no/folder.jsonl").code == 2


def test_the_list_shows_every_corpus_and_split(robustger) -> None:
    result = robustger("corpus", "--list")
    assert (result.code, result.err) == (0, "")
    for name in CORPORA.names():
        assert f"\n{name}: " in f"\n{result.out}"
        for split in CORPORA.get(name).splits:
            assert f"  {split.name} " in result.out
    assert "mix --recipe voicebank-demand-test" in result.out

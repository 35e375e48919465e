"""`robustger mix`: its files, its messages, and the files that it does not touch when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from robustger.audio import read_audio, write_audio
from robustger.manifest import Utterance, load_manifest, save_manifest
from robustger.mixing import measured_snr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `clean.jsonl`, four utterances, and `noise`, two kinds of two recordings each."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    generator = np.random.default_rng(0)
    for kind in ("rain", "siren"):
        Path("noise", kind).mkdir(parents=True)
        for number in range(2):
            write_audio(Path("noise", kind, f"{number}.wav"), generator.uniform(-0.1, 0.1, 8000))
    utterances = []
    for number in range(4):
        write_audio(f"{number}.wav", generator.uniform(-0.2, 0.2, 6000))
        utterances.append(Utterance(f"u{number}", Path(f"{number}.wav"), text="hello there"))
    save_manifest(utterances, "clean.jsonl")
    Path("full").mkdir()
    Path("full", "kept.txt").touch()
    return folder


def test_pairs_at_every_snr(robustger, folder: Path) -> None:
    result = robustger("mix", "clean.jsonl", "--noise", "noise", "-o", "out", "--snr=-5,2.5", "--workers", 2)
    assert (result.code, result.out) == (0, "")
    assert result.err == "robustger: 8 mixtures in out: 4 utterances mixed, 0 there already, 0 problems\n"
    rows = load_manifest("out/manifest.jsonl")
    assert [row.snr_db for row in rows] == [-5.0, 2.5] * 4
    for row in rows:
        assert row.clean_audio is not None
        assert row.text == "hello there"
        measured = measured_snr(read_audio(row.audio), read_audio(row.clean_audio))
        assert measured == pytest.approx(row.snr_db, abs=0.05)
    again = robustger("mix", "clean.jsonl", "--noise", "noise", "-o", "out", "--snr=-5,2.5")
    assert (again.code, "0 utterances mixed, 4 there already" in again.err) == (0, True)


def test_a_recipe_and_what_overrides_it(robustger, folder: Path) -> None:
    result = robustger(
        "mix", "clean.jsonl", "--noise", "noise", "-o", "out", "--recipe", "noizeus-test", "--format", "wav"
    )
    assert result.code == 0
    rows = load_manifest("out/manifest.jsonl")
    assert len(rows) == 4 * 2 * 4
    assert {row.snr_db for row in rows} == {0, 5, 10, 15}
    assert {row.audio.suffix for row in rows} == {".wav"}
    robustger(
        "mix",
        "clean.jsonl",
        "--noise",
        "noise",
        "-o",
        "few",
        "--recipe",
        "noizeus-test",
        "--snr",
        "5",
        "--draw-noise",
    )
    assert len(load_manifest("few/manifest.jsonl")) == 4
    assert json.loads(Path("few/mix.json").read_text())["every_noise"] is False


def test_train_and_test_use_other_recordings(robustger, folder: Path) -> None:
    used = {}
    for part, seed in (("train", 1), ("test", 2)):
        arguments = ("--noise", "noise", "-o", part, "--split", part, "--seed", seed, "--every-noise")
        assert robustger("mix", "clean.jsonl", *arguments).code == 0
        rows = load_manifest(f"{part}/manifest.jsonl")
        used[part] = {row.meta["mix"]["noise_file"] for row in rows}
    assert used["train"] | used["test"] == {
        f"noise/{kind}/{number}.wav" for kind in ("rain", "siren") for number in range(2)
    }
    assert not used["train"] & used["test"]


def test_bad_items_are_skipped_and_make_the_exit_code_1(robustger, folder: Path) -> None:
    Path("2.wav").write_text("no audio")
    with open("clean.jsonl", "a", encoding="utf-8") as file:
        file.write("{\n")
    result = robustger("mix", "clean.jsonl", "--noise", "noise", "-o", "out", "--snr", "0")
    assert (result.code, result.out) == (1, "")
    lines = result.err.splitlines()
    assert len(lines) == 3
    assert any(line.startswith("robustger: clean.jsonl:3: 2.wav: ") for line in lines)
    assert any(line.startswith("robustger: clean.jsonl:5: not valid JSON") for line in lines)
    assert lines[-1].endswith("3 utterances mixed, 0 there already, 2 problems")
    assert [row.meta["mix"]["source_id"] for row in load_manifest("out/manifest.jsonl")] == ["u0", "u1", "u3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "none.jsonl: cannot be read: "),
        (["noise"], "noise: is a folder without wav.scp"),
        (["clean.jsonl", "--noise", "none"], "none: no such file or folder"),
        (["clean.jsonl", "--snr", "five"], "--snr 'five': write numbers with commas between"),
        (["clean.jsonl", "--snr", ""], "--snr '': write numbers with commas between"),
        (["clean.jsonl", "--snr", "nan"], "an SNR must lie between -60 and 60 dB, not nan"),
        (["clean.jsonl", "--snr", "5,5"], "an SNR is given twice; give each once"),
        (["clean.jsonl", "--level", "loud"], "unknown speech level 'loud'; choose one of: p56, rms"),
        (["clean.jsonl", "--recipe", "soup"], "unknown recipe 'soup'; choose one of: voicebank-demand-train"),
        (["clean.jsonl", "--split", "dev"], "unknown split 'dev'; choose one of: train, test, all"),
        (["clean.jsonl", "--split", "test", "--test-fraction", "2"], "must lie between 0 and 1"),
        (["clean.jsonl", "--format", "mp3"], "unknown format 'mp3'; choose one of: flac, wav"),
        (["clean.jsonl", "-o", "full"], "full: is not empty, and not from `robustger mix`"),
        (["clean.jsonl", "-o", "noise"], "noise/rain/0.wav: lies in the output noise and is read"),
        (["clean.jsonl", "-o", "clean.jsonl"], "clean.jsonl: is a file; name a folder to fill"),
        (["clean.jsonl", "-o", "none/out"], "none/out: cannot be made: the folder none does not exist"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    robustger, folder: Path, arguments: list[str], message: str
) -> None:
    arguments = [*arguments, *(["-o", "out"] if "-o" not in arguments else [])]
    arguments = [*arguments, *(["--noise", "noise"] if "--noise" not in arguments else [])]
    before = {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
    result = robustger("mix", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")} == before


def test_an_empty_manifest_is_refused(robustger, folder: Path) -> None:
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    result = robustger("mix", "empty.jsonl", "--noise", "noise", "-o", "out")
    assert result.code == 2
    assert result.err == "robustger: error: empty.jsonl: names no recordings; give one line for each\n"
    assert not (folder / "out").exists()


def test_usage_errors(robustger, folder: Path) -> None:
    for arguments in (["clean.jsonl", "-o", "out"], ["clean.jsonl", "--noise", "noise"], []):
        assert robustger("mix", *arguments).code == 2
    assert robustger("mix", "clean.jsonl", "--noise", "noise", "-o", "out", "--workers", "0").code == 2
    assert not Path("out").exists()

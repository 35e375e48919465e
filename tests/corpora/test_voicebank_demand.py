"""VoiceBank-DEMAND: two halves, a log of noises, a folder of transcripts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.errors import InputError


@pytest.fixture
def voicebank(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    folder = fill()
    for part, ids in (
        ("trainset_56spk", ("p234_001", "p234_002", "p361_010")),
        ("testset", ("p232_001", "p257_434")),
    ):
        fill(*(f"{half}_{part}_wav/{id_}.wav" for half in ("noisy", "clean") for id_ in ids))
        for id_ in ids:
            note(folder / f"{part}_txt" / f"{id_}.txt", f"Please call {id_}.")
        noise = "cafeteria 15" if part.startswith("train") else "bus 17.5"
        note(folder / f"log_{part}.txt", *(f"{id_} {noise}" for id_ in ids))
    return folder


def test_the_papers_splits(make, voicebank: Path) -> None:
    made = make("vb-demand", voicebank)
    assert made.problems == []
    assert made.ids() == ["p234_001_noisy", "p234_002_noisy", "p361_010_noisy", "p232_001", "p257_434"]
    assert [(split.name, split.expected, split.found) for split in made.check.splits] == [
        ("train", 23_075, 3),
        ("test-clean", 824, 2),
    ]
    row = made.row("p361_010_noisy")
    assert row.audio == voicebank / "noisy_trainset_56spk_wav" / "p361_010.wav"
    assert row.clean_audio == voicebank / "clean_trainset_56spk_wav" / "p361_010.wav"
    assert (row.noise, row.snr_db, row.text) == ("cafeteria", 15.0, "Please call p361_010.")
    assert row.meta == {
        "corpus": "vb-demand",
        "split": "train",
        "speaker": "p361",
        "sentence": "p361_010",
    }
    row = made.row("p232_001")
    assert row.meta == {"corpus": "vb-demand", "split": "test-clean", "speaker": "p232"}
    assert (row.noise, row.snr_db, row.clean_audio) == (None, None, None)  # `mix` takes it as it is
    assert row.audio == voicebank / "clean_testset_wav" / "p232_001.wav"


def test_the_corpus_own_test_set_and_both_halves_in_one_manifest(make, voicebank: Path) -> None:
    made = make("vb-demand", voicebank, "test", "test-clean")
    assert made.check.problems == 0
    assert made.ids() == ["p232_001", "p257_434", "p232_001_noisy", "p257_434_noisy"]
    assert made.row("p257_434_noisy").snr_db == 17.5


def test_the_log_may_lie_in_a_folder(make, voicebank: Path) -> None:
    (voicebank / "logfiles").mkdir()
    (voicebank / "log_testset.txt").rename(voicebank / "logfiles" / "log_testset.txt")
    assert make("vb-demand", voicebank, "test").row("p232_001_noisy").noise == "bus"


def test_what_is_missing(make, voicebank: Path, note) -> None:
    (voicebank / "noisy_testset_wav" / "p232_001.wav").unlink()
    note(voicebank / "testset_txt" / "p299_999.txt", "Nobody recorded this.")
    (voicebank / "testset_txt" / "p257_434.txt").write_bytes(b"caf\xe9")
    made = make("vb-demand", voicebank, "test")
    assert made.split("test").missing == ["p232_001", "p299_999"]
    assert made.split("test").without_text == ["p257_434_noisy"]
    assert ["cannot be read as UTF-8" in problem for problem in made.problems] == [True]


def test_folders_that_were_not_unpacked_are_named(make, voicebank: Path) -> None:
    shutil.rmtree(voicebank / "testset_txt")
    shutil.rmtree(voicebank / "noisy_trainset_56spk_wav")
    made = make("vb-demand", voicebank)
    assert made.problems == [
        f"{voicebank / 'noisy_trainset_56spk_wav'}: there is no such folder: no recordings of train; unpack "
        "noisy_trainset_56spk_wav.zip beside the others, or name other splits with --split",
        f"{voicebank / 'testset_txt'}: there is no such folder: no transcripts; unpack testset_txt.zip beside the "
        "others",
    ]
    assert made.split("train").missing == ["p234_001", "p234_002", "p361_010"]
    assert made.split("test-clean").without_text == ["p232_001", "p257_434"]


def test_a_log_that_does_not_say(make, voicebank: Path, note) -> None:
    note(voicebank / "log_testset.txt", "p232_001 bus loud", "p232_001 bus 5")
    made = make("vb-demand", voicebank, "test")
    assert "stands in line 1 already" in made.problems[0]
    assert "'p232_001': expected a noise and an SNR in dB, not 'bus loud'" in made.problems[1]
    assert made.row("p232_001_noisy").noise is None
    for worse in ("p232_001 bus nan", "p232_001 bus"):
        note(voicebank / "log_testset.txt", worse, "p257_434 bus 5")
        made = make("vb-demand", voicebank, "test")
        assert "expected a noise and an SNR in dB" in made.problems[0]
        assert "p232_001.wav: has no line in the log" in made.problems[1]
    (voicebank / "log_testset.txt").unlink()
    made = make("vb-demand", voicebank, "test")
    assert made.problems == [
        f"{voicebank / 'log_testset.txt'}: there is no such file: noises and SNRs are not known; unpack logfiles.zip "
        "beside the others"
    ]
    assert not made.check.complete


def test_a_partner_missing_here_and_there_is_not_complete(make, voicebank: Path) -> None:
    (voicebank / "clean_testset_wav" / "p257_434.wav").unlink()
    check = make("vb-demand", voicebank, "test").split("test")
    check.expected = 2
    assert (check.with_clean, check.without_clean, check.complete) == (1, ["p257_434_noisy"], False)
    (voicebank / "clean_testset_wav" / "p232_001.wav").unlink()
    check = make("vb-demand", voicebank, "test").split("test")
    check.expected = 2
    assert (check.with_clean, len(check.without_clean), check.complete) == (0, 2, True)


def test_another_folder_is_refused(make, fill) -> None:
    with pytest.raises(
        InputError, match=r"is not VoiceBank-DEMAND: it holds no noisy_trainset_56spk_wav or clean_tests"
    ):
        make("vb-demand", fill("wav/p232_001.wav"))

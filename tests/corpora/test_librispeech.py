"""LibriSpeech and LibriSpeech-FreeSound: chapters with their transcripts, and noisy copies of their utterances."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.errors import InputError

CHAPTER = "LibriSpeech/test-clean/1089/134686"
FILE_NAMES = ("MetroSubway", "Car", "Traffic", "CafeRestaurant", "Babble", "ACVacuum")
IN_TABLES = {"metro", "car", "traffic", "cafe", "babble", "ac/vacuum"}


@pytest.fixture
def librispeech(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    ids = [f"1089-134686-{number:04d}" for number in range(3)]
    folder = fill(*(f"{CHAPTER}/{id_}.flac" for id_ in ids), root="speech")
    note(folder / CHAPTER / "1089-134686.trans.txt", *(f"{id_} HE SAID {id_[-1]}" for id_ in ids))
    fill("LibriSpeech/dev-other/116/288045/116-288045-0000.flac", root="speech")
    note(folder / "LibriSpeech/dev-other/116/288045/116-288045.trans.txt", "116-288045-0000 AS I APPROACHED")
    return folder


@pytest.mark.parametrize("inner", ["", "LibriSpeech"])
def test_librispeech(make, librispeech: Path, inner: str) -> None:
    made = make("librispeech", librispeech / inner, "test-clean", "dev-other")
    assert made.problems == []
    assert [(split.name, split.expected, split.found) for split in made.check.splits] == [
        ("dev-other", 2_864, 1),
        ("test-clean", 2_620, 3),
    ]
    row = made.row("1089-134686-0002")
    assert row.audio == librispeech / CHAPTER / "1089-134686-0002.flac"
    assert (row.text, row.noise, row.meta["speaker"]) == ("HE SAID 2", None, "1089")


def test_librispeech_with_gaps(make, librispeech: Path, note) -> None:
    listed = librispeech / CHAPTER / "1089-134686.trans.txt"
    note(
        listed,
        *listed.read_text().splitlines()[:2],
        "1089-134686-0009 NOT RECORDED",
        "1089-134686-0000 AGAIN",
    )
    made = make("librispeech", librispeech, "test-clean")
    assert made.split("test-clean").missing == ["1089-134686-0009"]
    assert made.split("test-clean").without_text == ["1089-134686-0002"]
    assert len(made.problems) == 1
    assert "stands in line 1 already" in made.problems[0]
    assert made.row("1089-134686-0000").text == "HE SAID 0"


def test_a_folder_without_the_subset_is_refused(make, librispeech: Path) -> None:
    with pytest.raises(
        InputError, match="is not LibriSpeech: it holds no train-clean-360; name the folder that does"
    ):
        make("librispeech", librispeech, "train-clean-360")


def noisy(fill: Callable[..., Path], count: int) -> Path:
    """So many utterances in all conditions, and some in one that the paper does not use."""
    ids = [f"1089-134686-{number:04d}" for number in range(count)]
    names = (
        f"{id_}_{noise}_{snr}db.wav" for id_ in ids for noise in FILE_NAMES for snr in (0, 5, 10, 15, 20)
    )
    return fill(*names, *(f"{id_}_AirportStation_0db.wav" for id_ in ids[:2]), root="noisy")


@pytest.fixture
def freesound(fill: Callable[..., Path]) -> Path:
    """Four utterances; three of them are in the LibriSpeech above."""
    return noisy(fill, 4)


def test_freesound(make, freesound: Path, librispeech: Path) -> None:
    made = make("ls-freesound", freesound, companion=librispeech)
    assert made.problems == []
    assert [(split.found, split.expected) for split in made.check.splits] == [(24, 708)] * 5
    assert {row.noise for row in made.rows} == IN_TABLES
    row = made.row("1089-134686-0001_ac/vacuum_15dB")
    assert row.audio == freesound / "1089-134686-0001_ACVacuum_15db.wav"
    assert row.clean_audio == librispeech / CHAPTER / "1089-134686-0001.flac"
    assert (row.noise, row.snr_db, row.text, row.meta["speaker"]) == ("ac/vacuum", 15.0, "HE SAID 1", "1089")
    assert {row.meta["sentence"] for row in made.rows} == {f"1089-134686-000{number}" for number in range(4)}
    assert len(made.split("test-0dB").without_text) == 6  # the fourth is not in the LibriSpeech at hand
    clean = make("ls-freesound", freesound, "clean", companion=librispeech)
    assert clean.ids() == [f"1089-134686-000{number}" for number in range(3)]
    assert not any("sentence" in row.meta for row in clean.rows)
    assert clean.split("clean").missing == ["1089-134686-0003"]


def test_freesound_with_a_gap(make, freesound: Path, librispeech: Path) -> None:
    (freesound / "1089-134686-0002_Car_5db.wav").unlink()
    (freesound / "1089-134686-0002_Horn_5db.wav").write_bytes(b"x")
    made = make("ls-freesound", freesound, companion=librispeech / "LibriSpeech")
    assert made.split("test-5dB").missing == ["1089-134686-0002_car_5dB"]
    assert "Horn_5db.wav: no noise and SNR of LibriSpeech-FreeSound" in made.problems[0]


def test_freesound_is_complete_with_118_utterances(make, librispeech: Path, fill, note) -> None:
    ids = [f"1089-134686-{number:04d}" for number in range(118)]
    fill(*(f"{CHAPTER}/{id_}.flac" for id_ in ids), root="speech")
    note(librispeech / CHAPTER / "1089-134686.trans.txt", *(f"{id_} WORDS" for id_ in ids))
    made = make("ls-freesound", noisy(fill, 118), companion=librispeech)
    assert made.check.complete
    assert len(made.rows) == 3_540


def test_freesound_without_librispeech_has_no_transcripts(make, freesound: Path) -> None:
    made = make("ls-freesound", freesound, "test-0dB")
    assert made.problems == [
        f"{freesound}: transcripts and clean partners are not in it but in LibriSpeech; name that folder with "
        "--companion"
    ]
    check = made.split("test-0dB")
    assert (check.found, len(check.without_text), check.with_clean, check.complete) == (24, 24, 0, False)


def test_freesound_beside_a_librispeech_without_the_subset(make, freesound: Path, librispeech: Path) -> None:
    shutil.rmtree(librispeech / "LibriSpeech" / "test-clean")
    made = make("ls-freesound", freesound, "test-0dB", companion=librispeech)
    assert made.problems == [
        f"{librispeech / 'LibriSpeech'}: 1 of 1 chapters are in none of its subsets, the first 1089/134686: no "
        "transcripts and clean partners of them; unpack the subset that has them, such as test-clean"
    ]
    assert (made.check.problems, made.split("test-0dB").with_clean) == (1, 0)


def test_folders_that_are_something_else(make, freesound: Path, librispeech: Path) -> None:
    with pytest.raises(InputError, match="is not LibriSpeech-FreeSound: no file is called like"):
        make("ls-freesound", librispeech)
    with pytest.raises(InputError, match="noisy: is not LibriSpeech: it holds no train-clean-100 or"):
        make("ls-freesound", freesound, companion=freesound)
    with pytest.raises(InputError, match="LibriSpeech needs no second folder"):
        make("librispeech", librispeech, companion=freesound)

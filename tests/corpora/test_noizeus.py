"""NOIZEUS: every file becomes the row its name says, in miniature and in the real folder."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustger.audio import read_audio
from robustger.corpora.noizeus import NOIZEUS_NOISES, NOIZEUS_SENTENCES, NOIZEUS_SNRS_DB
from robustger.errors import InputError
from robustger.mixing import measured_snr

NOISY = [
    f"{s}_{noise}_sn{snr}" for snr in NOIZEUS_SNRS_DB for noise in NOIZEUS_NOISES for s in NOIZEUS_SENTENCES
]


@pytest.fixture
def noizeus(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    """The whole corpus, unpacked as the archives unpack."""
    folder = fill(
        *(f"clean/{sentence}.wav" for sentence in NOIZEUS_SENTENCES),
        *(f"{n.split('_')[1]}_{n.split('sn')[1]}dB/{n.split('sn')[1]}dB/{n}.wav" for n in NOISY),
    )
    note(folder / "transcripts.txt", *(f"{sentence} words of {sentence}" for sentence in NOIZEUS_SENTENCES))
    return folder


def test_the_whole_corpus(make, noizeus: Path) -> None:
    made = make("noizeus", noizeus)
    assert made.check.complete
    assert made.problems == []
    assert sorted(made.ids()) == sorted([*NOISY, *NOIZEUS_SENTENCES])
    assert [split.found for split in made.check.splits] == [240, 240, 240, 240, 30]
    row = made.row("sp07_restaurant_sn15")
    assert (row.noise, row.snr_db, row.text) == ("restaurant", 15.0, "words of sp07")
    assert row.audio == noizeus / "restaurant_15dB" / "15dB" / "sp07_restaurant_sn15.wav"
    assert row.clean_audio == noizeus / "clean" / "sp07.wav"
    assert row.meta == {"corpus": "noizeus", "split": "test-15dB", "sentence": "sp07"}
    clean = made.row("sp07")
    assert (clean.noise, clean.snr_db, clean.clean_audio, clean.text) == (None, None, None, "words of sp07")
    assert "sentence" not in clean.meta  # its id is the sentence
    sentences = Counter(row.meta.get("sentence", row.id) for row in made.rows)
    assert sentences == dict.fromkeys(NOIZEUS_SENTENCES, 33)


def test_one_split_is_all_that_is_asked_for_and_checked(make, noizeus: Path) -> None:
    shutil.rmtree(noizeus / "car_0dB")
    made = make("noizeus", noizeus, "test-5dB")
    assert made.check.complete
    assert {row.snr_db for row in made.rows} == {5.0}
    assert make("noizeus", noizeus, "test-0dB").split("test-0dB").found == 210


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gone=st.sets(st.sampled_from([*NOISY, *NOIZEUS_SENTENCES]), min_size=1, max_size=8))
def test_what_is_taken_away_is_what_is_missing(make, noizeus: Path, gone: set[str]) -> None:
    paths = {path.stem: path for path in noizeus.rglob("*.wav") if path.stem in gone}
    kept = {path: path.read_bytes() for path in paths.values()}
    for path in kept:
        path.unlink()
    try:
        made = make("noizeus", noizeus)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert not made.check.complete
    assert {name for split in made.check.splits for name in split.missing} == gone
    assert not gone & set(made.ids())
    assert len(made.rows) == 990 - len(gone)
    for split in made.check.splits:
        assert split.expected == split.found + len(split.missing)
    without = {name for split in made.check.splits for name in split.without_clean}
    assert without == {name for name in NOISY if name not in gone and name[:4] in gone}


def test_copies_empty_files_and_what_a_mac_leaves(make, noizeus: Path) -> None:
    twice = noizeus / "old" / "sp01_car_sn0.wav"
    twice.parent.mkdir()
    shutil.copy(noizeus / "clean" / "sp01.wav", twice)
    (noizeus / "__MACOSX").mkdir()
    for junk in ("__MACOSX/sp02_car_sn0.wav", "clean/._sp03.wav"):
        (noizeus / junk).write_bytes(b"junk")
    (noizeus / "babble_5dB" / "5dB" / "sp09_babble_sn5.wav").write_bytes(b"")
    made = make("noizeus", noizeus)
    assert len(made.problems) == made.check.problems == 2
    assert "id 'sp01_car_sn0' stands at" in made.problems[1]
    assert "sp09_babble_sn5.wav: has 0 bytes" in made.problems[0]
    assert len(made.rows) == 989
    assert made.row("sp01_car_sn0").audio == noizeus / "car_0dB" / "0dB" / "sp01_car_sn0.wav"
    assert not made.split("test-5dB").complete


def test_a_sentence_without_a_transcript_and_a_transcript_without_a_sentence(make, noizeus: Path) -> None:
    listed = noizeus / "transcripts.txt"
    lines = listed.read_text().splitlines()
    listed.write_text("\n".join([*lines[:29], "sp31 nobody said this"]) + "\n")
    made = make("noizeus", noizeus)
    assert made.problems == [f"{listed}: 'sp31' is no sentence of NOIZEUS (sp01 to sp30)"]
    assert made.split("clean").without_text == ["sp30"]
    assert len(made.split("test-0dB").without_text) == 8
    assert made.row("sp30").text is None
    assert len(made.rows) == 990
    listed.unlink()
    made = make("noizeus", noizeus, "clean")
    assert len(made.split("clean").without_text) == 30
    assert made.problems == [
        f"{listed}: there is no such file: no transcripts; write the corpus's table there, in lines of 'sp01 WORDS'"
    ]


def test_files_of_no_condition_are_named(make, noizeus: Path) -> None:
    shutil.copy(noizeus / "clean" / "sp01.wav", noizeus / "sp01_siren_sn5.wav")
    made = make("noizeus", noizeus)
    assert made.problems == [
        f"{noizeus / 'sp01_siren_sn5.wav'}: no sentence, noise and SNR of NOIZEUS; left out"
    ]
    assert len(made.rows) == 990


def test_another_folder_is_refused_and_nothing_written(make, fill, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"corpus: is not NOIZEUS: no file is called like sp01_airport_sn0\.wav"
    ):
        make("noizeus", fill("p226_001.wav"))
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        make("noizeus", tmp_path / "nowhere")
    assert not (tmp_path / "manifest.jsonl").exists()
    assert not list(tmp_path.glob(".robustger*"))


@pytest.mark.skipif("ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA does not name the shared data")
def test_the_real_corpus(make) -> None:
    """Labels against the folders' names and against the sound; texts against the list."""
    folder = Path(os.environ["ROBUSTGER_DATA"]) / "audio" / "noizeus"
    made = make("noizeus", folder)
    assert made.check.complete
    assert made.problems == []
    noisy = [row for row in made.rows if row.noise is not None]
    assert (len(noisy), len(made.rows)) == (960, 990)
    assert set(Counter((row.noise, row.snr_db) for row in noisy).values()) == {30}
    said = dict(line.split(" ", 1) for line in (folder / "transcripts.txt").read_text().splitlines())
    for row in made.rows:
        assert row.text == said[row.id[:4]].strip()
    for row in noisy:
        assert row.audio.parent.name == f"{row.noise}_{row.snr_db:g}dB"
        assert row.clean_audio == folder / "clean" / f"{row.id[:4]}.wav"
    for row in noisy[::80]:
        assert row.clean_audio is not None
        measured = measured_snr(read_audio(row.audio), read_audio(row.clean_audio))
        assert measured == pytest.approx(row.snr_db, abs=0.3)  # resampled from 8 kHz, each by itself

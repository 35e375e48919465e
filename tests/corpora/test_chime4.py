"""CHiME-4: six microphones for training, one for testing, and the clean partners."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.errors import InputError

ENVIRONMENTS = ("bus", "caf", "ped", "str")
AUDIO = "data/audio/16kHz"
SENTENCES = {"tr05": "011C0201", "dt05": "050C0101", "et05": "440C0201"}


def named(part: str, kind: str, speaker: str = "F01") -> list[str]:
    return [f"{part}_{env}_{kind}/{speaker}_{SENTENCES[part]}_{env.upper()}" for env in ENVIRONMENTS]


@pytest.fixture
def chime4(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    """A sentence in every environment of the five sets."""
    track = [name for part in ("dt05", "et05") for kind in ("real", "simu") for name in named(part, kind)]
    folder = fill(
        *(f"{AUDIO}/isolated/{name}.CH{number}.wav" for name in named("tr05", "real") for number in range(7)),
        *(f"{AUDIO}/isolated_1ch_track/{name}.wav" for name in track),
        *(f"{AUDIO}/isolated/{name}.CH{number}.wav" for name in track for number in (0, 5) if "real" in name),
        *(f"{AUDIO}/isolated/{part}_bth/F01_{SENTENCES[part]}_BTH.CH0.wav" for part in ("dt05", "et05")),
    )
    for part, kind in (("tr05", "real"), *((p, k) for p in ("dt05", "et05") for k in ("real", "simu"))):
        ids = [name.split("/")[1] for name in named(part, kind)]
        note(
            folder / "data" / "transcriptions" / f"{part}_{kind}.trn_all",
            *(f"{id_} THE WORDS OF {id_}" for id_ in ids),
        )
    return folder


def test_every_split(make, chime4: Path) -> None:
    made = make("chime4", chime4)
    assert made.problems == []
    assert {split.name: split.found for split in made.check.splits} == {
        "train": 24,
        "test-real": 4,
        "test-simu": 4,
        "dev-real": 4,
        "dev-simu": 4,
    }
    assert [split.expected for split in made.check.splits] == [9_600, 1_320, 1_320, 1_640, 1_640]
    assert not any(split.missing or split.without_text or split.without_clean for split in made.check.splits)
    assert not made.check.complete  # a miniature: the counts are not those of the corpus

    audio = chime4 / AUDIO
    row = made.row("F01_011C0201_STR.CH2_REAL")
    assert row.audio == audio / "isolated" / "tr05_str_real" / "F01_011C0201_STR.CH2.wav"
    assert row.clean_audio == audio / "isolated" / "tr05_str_real" / "F01_011C0201_STR.CH0.wav"
    assert (row.noise, row.text) == ("street", "THE WORDS OF F01_011C0201_STR")
    assert row.meta == {
        "corpus": "chime4",
        "split": "train",
        "speaker": "F01",
        "sentence": "F01_011C0201",
        "kind": "real",
        "channel": "CH2",
    }

    row = made.row("F01_440C0201_CAF_REAL")
    assert row.audio == audio / "isolated_1ch_track" / "et05_caf_real" / "F01_440C0201_CAF.wav"
    assert row.clean_audio == audio / "isolated" / "et05_caf_real" / "F01_440C0201_CAF.CH0.wav"
    assert (row.noise, row.meta["split"]) == ("cafe", "test-real")

    row = made.row("F01_050C0101_PED_SIMU")
    assert row.clean_audio == audio / "isolated" / "dt05_bth" / "F01_050C0101_BTH.CH0.wav"
    assert (row.noise, row.text) == ("pedestrian", "THE WORDS OF F01_050C0101_PED")


def test_microphones_environments_and_simulation_are_one_sentence(make, chime4: Path) -> None:
    made = make("chime4", chime4)
    assert {(row.meta["split"][-4:], row.meta["sentence"]) for row in made.rows} == {
        ("rain", "F01_011C0201"),
        ("real", "F01_050C0101"),
        ("simu", "F01_050C0101"),
        ("real", "F01_440C0201"),
        ("simu", "F01_440C0201"),
    }


def test_a_whole_set_is_complete(make, fill, note) -> None:
    ids = [f"F0{n % 4}_{n:03d}C0201_{env.upper()}" for n in range(330) for env in ENVIRONMENTS]
    folder = fill(*(f"{AUDIO}/isolated_1ch_track/et05_{id_[-3:].lower()}_real/{id_}.wav" for id_ in ids))
    note(
        folder / "data" / "transcriptions" / "et05_real.dot_all", *(f"WORDS ARE HERE ({id_})" for id_ in ids)
    )
    made = make("chime4", folder, "test-real")
    assert made.check.complete  # without partners, which only lie beside the other microphones
    assert len(made.rows) == 1_320
    assert {row.text for row in made.rows} == {"WORDS ARE HERE"}
    assert {row.clean_audio for row in made.rows} == {None}


def test_the_folder_inside_and_the_other_name_of_the_microphones(make, chime4: Path) -> None:
    (chime4 / AUDIO / "isolated").rename(chime4 / AUDIO / "isolated_6ch_track")
    assert make("chime4", chime4 / "data", "train").split("train").found == 24
    assert make("chime4", chime4, "dev-real").split("dev-real").with_clean == 4


def test_what_is_missing_on_either_side(make, chime4: Path, note) -> None:
    (chime4 / AUDIO / "isolated" / "tr05_bus_real" / "F01_011C0201_BUS.CH4.wav").unlink()
    listed = chime4 / "data" / "transcriptions" / "et05_real.trn_all"
    note(listed, *listed.read_text().splitlines()[1:], "M05_440C0202_STR NO RECORDING OF THIS")
    made = make("chime4", chime4)
    assert made.split("train").missing == ["F01_011C0201_BUS.CH4"]
    assert made.split("test-real").missing == ["M05_440C0202_STR"]
    assert made.split("test-real").without_text == ["F01_440C0201_BUS_REAL"]
    assert made.row("F01_440C0201_BUS_REAL").text is None


def test_transcripts_that_are_missing_or_stand_twice(make, chime4: Path, note) -> None:
    folder = chime4 / "data" / "transcriptions"
    (folder / "dt05_real.trn_all").unlink()
    made = make("chime4", chime4, "dev-real")
    assert made.problems == [
        f"{folder / 'dt05_real.trn_all'}: there is no such file, and no .dot_all: no transcripts; unpack the corpus's "
        "transcriptions there"
    ]
    assert len(made.split("dev-real").without_text) == 4
    note(folder / "dt05_simu.trn_all", "F01_050C0101_BUS_SIMU FIRST", "F01_050C0101_BUS SECOND")
    made = make("chime4", chime4, "dev-simu")
    assert "dt05_simu.trn_all:2: 'F01_050C0101_BUS' stands in an earlier line already" in made.problems[0]
    assert made.row("F01_050C0101_BUS_SIMU").text == "FIRST"


def test_without_the_1_channel_track(make, chime4: Path) -> None:
    shutil.rmtree(chime4 / AUDIO / "isolated_1ch_track")
    made = make("chime4", chime4, "train", "dev-real", "dev-simu")
    assert made.problems == [
        f"{chime4 / AUDIO / 'isolated_1ch_track'}: there is no such folder: no recordings of dev-real, dev-simu; "
        "unpack it there, or name other splits with --split"
    ]
    assert {split.name: (split.found, len(split.missing)) for split in made.check.splits} == {
        "train": (24, 0),
        "dev-real": (0, 4),
        "dev-simu": (0, 4),
    }
    assert make("chime4", chime4, "train").problems == []


def test_without_the_microphones(make, chime4: Path) -> None:
    shutil.rmtree(chime4 / AUDIO / "isolated")
    made = make("chime4", chime4, "train", "dev-real")
    assert made.problems == [
        f"{chime4 / AUDIO / 'isolated'}: there is no such folder, and no isolated_6ch_track: no recordings of train; "
        "unpack it there, or name other splits with --split"
    ]
    assert make("chime4", chime4, "dev-real").problems == []  # partners may be left at home


def test_another_folder_is_refused(make, fill) -> None:
    with pytest.raises(InputError, match="is not CHiME-4: it holds no audio/16kHz"):
        make("chime4", fill("clean/sp01.wav"))
    with pytest.raises(
        InputError, match="it holds nothing of the splits train of CHiME-4; nothing is written"
    ):
        make("chime4", fill(f"{AUDIO}/embedded/x.wav"), "train")

"""RATS: segments of long recordings, by channel; recordings counted against the corpus's own table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.errors import InputError


def line(start: str, end: str, label: str = "S", text: str = "", part: str = "train") -> str:
    return "\t".join(
        [part, "10002_20705_eng_A", start, end, label, "manual", "spk7", "m", "eng", "original", text, ""]
    )


@pytest.fixture
def rats(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    folder = fill(
        "data/train/audio/eng/A/10002_20705_eng_A.flac",
        "data/train/audio/eng/B/10002_20705_eng_B.flac",
        "data/train/audio/eng/src/10002_eng_src.flac",
        "data/dev-1/audio/A/10003_20706_alv_A.flac",
    )
    for place in (
        "train/kws/eng/A/10002_20705_eng_A",
        "train/kws/eng/B/10002_20705_eng_B",
        "dev-1/sad/A/10003_20706_alv_A",
    ):
        note(
            folder / "data" / f"{place}.tab",
            line("0.5", "2.25", text="well hello there"),
            line("2.25", "3.0", "NS"),
            line("3.0", "4.0", "NT"),
            line("12.125", "13.5"),
        )
    note(
        folder / "docs" / "retrans_fileset_info.tab",
        "RETRANS_ID\tRETRANS_BGN_AT\tN_PTT\tCHANNELS\tPART",
        "10002_20705\t20110101_000000\t12\tAB_DEFGH\ttrain",
        "10003_20706\t20110101_000000\t12\tABCDEFG_\tdev-1",
    )
    return folder


def test_segments_of_channel_a(make, rats: Path) -> None:
    made = make("rats", rats)
    assert made.problems == []
    assert [(split.name, split.found, split.missing) for split in made.check.splits] == [
        ("train-A", 2, []),
        ("dev-1-A", 2, []),
        ("dev-2-A", 0, []),
    ]
    row = made.row("10002_20705_eng_A-00000500-00002250")
    assert row.audio == rats / "data/train/audio/eng/A/10002_20705_eng_A.flac"
    assert (row.start, row.end, row.text) == (0.5, 2.25, "well hello there")
    assert (row.noise, row.snr_db, row.clean_audio) == ("channel A", None, None)
    assert row.meta == {
        "corpus": "rats",
        "split": "train-A",
        "speaker": "spk7",
        "language": "eng",
        "recording": "10002_20705_eng_A",
        "sentence": "10002: well hello there",
    }
    assert made.split("train-A").without_text == ["10002_20705_eng_A-00012125-00013500"]


def test_other_channels_and_what_the_table_says_of_them(make, rats: Path) -> None:
    made = make("rats", rats, "train-B", "train-C", "train-D")
    assert {split.name: (split.found, split.missing) for split in made.check.splits} == {
        "train-B": (2, []),
        "train-C": (0, []),  # failed in this transmission
        "train-D": (0, ["10002_20705_D"]),
    }


def test_a_sentence_is_the_same_on_all_channels(make, rats: Path, note) -> None:
    note(rats / "data/train/kws/eng/B/10002_20705_eng_B.tab", line("0.75", "2.5", text="well hello there"))
    rows = make("rats", rats, "train-A", "train-B", "dev-1-A").rows
    assert [(row.meta["split"], row.meta.get("sentence")) for row in rows] == [
        ("train-A", "10002: well hello there"),
        ("train-A", None),  # without a transcript it is a sentence of its own
        ("train-B", "10002: well hello there"),
        ("dev-1-A", "10003: well hello there"),
        ("dev-1-A", None),
    ]


def test_audio_without_a_table_and_a_table_without_audio(make, rats: Path) -> None:
    (rats / "data/train/kws/eng/B/10002_20705_eng_B.tab").unlink()
    (rats / "data/train/audio/eng/A/10002_20705_eng_A.flac").unlink()
    made = make("rats", rats)
    assert made.split("train-A").missing == ["10002_20705_eng_A"]
    with pytest.raises(InputError, match="it holds nothing of the splits train-B of RATS"):
        make("rats", rats, "train-B")


def test_lines_that_are_no_segments(make, rats: Path, note) -> None:
    table = rats / "data/train/kws/eng/A/10002_20705_eng_A.tab"
    note(
        table,
        line("1", "x"),
        line("2", "1"),
        "train\tonly\tthree",
        line("nan", "4"),
        line("1", "inf"),
        line("5", "6"),
    )
    made = make("rats", rats, "train-A")
    assert [problem.split(": ", 1)[0] for problem in made.problems] == [
        f"{table}:{number}" for number in range(1, 6)
    ]
    assert "3 columns instead of 12" in made.problems[2]
    assert made.ids() == ["10002_20705_eng_A-00005000-00006000"]


def test_without_its_table_it_cannot_be_checked(make, rats: Path) -> None:
    (rats / "docs" / "retrans_fileset_info.tab").unlink()
    made = make("rats", rats)
    assert len(made.problems) == 1
    assert "so missing recordings cannot be reported" in made.problems[0]
    with pytest.raises(InputError, match="is not RATS: it holds no data/train/audio"):
        make("rats", rats / "data")

"""speechocean762: as it is published, and as a selection with lists."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.errors import InputError


@pytest.fixture
def speechocean(fill: Callable[..., Path], note: Callable[..., None]) -> Path:
    folder = fill("WAVE/SPEAKER0001/000010011.WAV", "WAVE/SPEAKER0003/000030012.WAV")
    for split, id_, speaker in (("train", "000010011", "0001"), ("test", "000030012", "0003")):
        note(folder / split / "wav.scp", f"{id_}\tWAVE/SPEAKER{speaker}/{id_}.WAV")
        note(folder / split / "text", f"{id_}\tMARK IS GOING")
        note(folder / split / "utt2spk", f"{id_}\t{speaker}")
    return folder


def test_as_published(make, speechocean: Path, note) -> None:
    made = make("speechocean762", speechocean)
    assert made.problems == []
    assert [(split.expected, split.found) for split in made.check.splits] == [(2_500, 1), (2_500, 1)]
    row = made.row("000030012")
    assert row.audio == speechocean / "WAVE" / "SPEAKER0003" / "000030012.WAV"
    assert (row.text, row.noise) == ("MARK IS GOING", None)
    assert row.meta == {"corpus": "speechocean762", "split": "test", "speaker": "0003"}
    note(speechocean / "test" / "text", "000030013 NO RECORDING")
    (speechocean / "WAVE" / "SPEAKER0001" / "000010011.WAV").unlink()
    made = make("speechocean762", speechocean)
    assert made.split("train").missing == ["000010011"]
    assert made.split("test").missing == ["000030013"]
    assert made.split("test").without_text == ["000030012"]
    (speechocean / "test" / "text").unlink()
    assert make("speechocean762", speechocean, "test").problems == [
        f"{speechocean / 'test' / 'text'}: there is no such file: no transcripts; get it again with the corpus"
    ]


def test_a_selection(make, fill, note) -> None:
    folder = fill("test/a.wav", "test/b.wav")
    lines = [{"id": id_, "audio": f"test/{id_}.wav", "text": "hello", "speaker": "7"} for id_ in ("a", "c")]
    note(folder / "test.jsonl", *map(json.dumps, lines), "{")
    made = make("speechocean762", folder)
    assert made.ids() == ["a"]
    assert made.row("a").meta["speaker"] == "7"
    assert made.split("test").missing == ["c"]
    assert [problem.rpartition("/")[2].split(": ")[0] for problem in made.problems] == [
        "test.jsonl:3",
        "b.wav",
    ]
    with pytest.raises(InputError, match=r"holds no train/wav\.scp or train\.jsonl or test/wav\.scp"):
        make("speechocean762", folder / "test")


@pytest.mark.skipif("ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA does not name the shared data")
def test_the_real_selection(make) -> None:
    folder = Path(os.environ["ROBUSTGER_DATA"]) / "audio" / "speechocean762"
    made = make("speechocean762", folder)
    assert made.problems == []
    found = {
        split: [json.loads(line) for line in (folder / f"{split}.jsonl").open()]
        for split in ("train", "test")
    }
    assert {split.name: split.found for split in made.check.splits} == {
        name: len(v) for name, v in found.items()
    }
    assert not made.check.complete  # a selection of adults
    for row, line in zip(made.rows, found["train"] + found["test"], strict=True):
        assert (row.id, row.text, row.meta["speaker"]) == (line["id"], line["text"], line["speaker"])
        assert row.audio.is_file()

"""HyPoradise and RobustHP: files of lists are counted, and missing ones are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustger.corpora import CorpusCheck, corpus_manifest
from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest

ENTRY = {"input": ["what is the fair", "what is the fare"], "output": "what is the fare"}


@pytest.fixture
def lists(tmp_path: Path) -> Callable[..., tuple[list[NBest], CorpusCheck, list[str]]]:
    def run(name: str, folder: Path, *splits: str) -> tuple[list[NBest], CorpusCheck, list[str]]:
        problems: list[str] = []
        check = corpus_manifest(
            name,
            folder,
            tmp_path / "lists.jsonl",
            splits=splits,
            on_problem=lambda place, message: problems.append(f"{place}: {message}"),
        )
        return load_nbest(tmp_path / "lists.jsonl"), check, problems

    return run


@pytest.fixture
def hyporadise(tmp_path: Path, note: Callable[..., None]) -> Path:
    folder = tmp_path / "hp"
    note(folder / "test" / "test_wsj_score.json", json.dumps([ENTRY | {"am_score": [-0.1, -0.2]}] * 836))
    note(folder / "test" / "test_wsj.json", json.dumps([ENTRY]))
    note(folder / "test" / "test_cv.json", json.dumps([ENTRY, {"output": "nothing heard"}]))
    note(folder / "train" / "train_td3.json", json.dumps([ENTRY] * 3))
    return folder


def test_hyporadise(lists, hyporadise: Path) -> None:
    rows, check, problems = lists("hyporadise", hyporadise, "test_wsj", "train_td3")
    assert check.complete
    assert problems == []
    assert [(split.name, split.expected, split.found) for split in check.splits] == [
        ("train_td3", None, 3),
        ("test_wsj", 836, 836),
    ]
    assert rows[3].id == "test_wsj_score-00000"
    assert rows[3].hypotheses[0].score == -0.1
    assert rows[3].meta == {"corpus": "hyporadise", "split": "test_wsj"}


def test_hyporadise_with_gaps_and_a_broken_file(lists, hyporadise: Path, note) -> None:
    note(hyporadise / "train" / "train_cv.json", "{")
    _, check, problems = lists("hyporadise", hyporadise, "test_cv", "test_atis", "train_cv")
    by_name = {split.name: split for split in check.splits}
    assert (by_name["test_cv"].found, by_name["test_cv"].expected) == (1, 2_000)
    assert by_name["test_atis"].missing == ["test_atis.json"]
    assert "train_cv.json: not valid JSON" in problems[0]
    assert "test_cv.json: entry 2: has neither 'input' nor 'input1'" in problems[1]
    with pytest.raises(
        InputError, match=r"is not HyPoradise: it holds no train_atis\.json or train_atis_score\.json"
    ):
        corpus_manifest("hyporadise", hyporadise.parent)


def item(id_: str, **more: Any) -> dict[str, Any]:
    texts = {"input": ["what is the fair", "what is the fare"], "ground_truth": "what is the fare"}
    return {"id": id_, "am_score": [-0.1, -0.2], **texts, **more}


@pytest.fixture
def robusthp(tmp_path: Path) -> Path:
    import torch

    folder = tmp_path / "robusthp"
    for name, ids in {
        "train_chime4": ["F01_011C0201_STR.CH1_REAL"],
        "test_chime4/test_real": ["F05_440C0201_BUS_REAL"],
        "test_lf/ACVacuum_5dB": ["1089-134686-0000", "1089-134686-0001"],
        "test_lf/Car_5dB": ["1089-134686-0000"],
        "test_lf/clean": ["1089-134686-0000"],
        "test_noizeus/babble_15dB": ["sp01"],
        "test_vb/baby_cry": ["p232_001"],
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        torch.save([item(id_) for id_ in ids], folder / f"{name}.pt")
    return folder


def test_robusthp(lists, robusthp: Path) -> None:
    rows, check, problems = lists("robusthp", robusthp)
    assert problems == []
    found = {split.name: (split.found, split.expected) for split in check.splits}
    assert found["train_chime4"] == (1, 9_600)
    assert found["train_vb"] == (0, 23_075)
    assert found["test_chime4-test-real"] == (1, 1_320)
    assert found["test_lf"] == (3, 3_540)
    assert found["test_noizeus"] == (1, 960)
    assert found["test_vb"] == (1, 2_472)
    by_id = {row.id: row for row in rows}
    row = by_id["test_lf/ACVacuum_5dB/1089-134686-0000"]
    assert row.meta == {
        "corpus": "robusthp",
        "split": "test_lf",
        "sentence": "1089-134686-0000",
        "noise": "ac/vacuum",
        "snr_db": 5.0,
    }
    assert (row.best, row.reference) == ("what is the fair", "what is the fare")
    assert "test_lf/Car_5dB/1089-134686-0000" in by_id  # the same utterance in another noise
    assert by_id["test_noizeus/babble_15dB/sp01"].meta["noise"] == "babble"
    assert by_id["test_vb/baby_cry/p232_001"].meta["noise"] == "baby_cry"
    assert not any("clean" in id_ for id_ in by_id)
    missing = {split.name: split.missing for split in check.splits}
    assert missing["train_vb"] == ["train_vb_noisy.pt"]
    assert missing["test_chime4-dev-simu"] == ["test_chime4/dev_simu.pt"]
    assert len(missing["test_lf"]) == 28


def test_robusthp_names_the_sentence_and_not_the_position_in_a_file(lists, robusthp: Path) -> None:
    import torch

    torch.save([{**item("x"), "id": None}], robusthp / "test_noizeus" / "car_5dB.pt")
    rows, _, problems = lists("robusthp", robusthp)
    assert problems == []
    assert {row.id: row.meta.get("sentence") for row in rows} == {
        "train_chime4/F01_011C0201_STR.CH1_REAL": "F01_011C0201",
        "test_chime4/test_real/F05_440C0201_BUS_REAL": "F05_440C0201",
        "test_vb/baby_cry/p232_001": "p232_001",
        "test_noizeus/babble_15dB/sp01": "sp01",
        "test_noizeus/car_5dB/car_5dB-00000": None,
        "test_lf/ACVacuum_5dB/1089-134686-0000": "1089-134686-0000",
        "test_lf/ACVacuum_5dB/1089-134686-0001": "1089-134686-0001",
        "test_lf/Car_5dB/1089-134686-0000": "1089-134686-0000",
    }


def test_robusthp_files_that_are_of_no_use(lists, robusthp: Path) -> None:
    import torch

    (robusthp / "test_noizeus" / "car_5dB.pt").write_bytes(b"not torch")
    tokens = {"id": "x", "input_ids": torch.tensor([1, 2]), "input_ids_no_response": torch.tensor([1])}
    torch.save([tokens], robusthp / "test_noizeus" / "car_0dB.pt")
    torch.save([item("a"), item("a")], robusthp / "train_chime4.pt")
    rows, check, problems = lists("robusthp", robusthp, "test_noizeus", "train_chime4")
    assert [row.id for row in rows] == ["train_chime4/a", "test_noizeus/babble_15dB/sp01"]
    assert "id 'train_chime4/a' stands at" in problems[0]
    assert "car_0dB.pt" in problems[1]
    assert "tokens and no texts" in problems[1]
    assert "car_5dB.pt: not a file of" in problems[2]
    assert check.problems == 3
    with pytest.raises(InputError, match="is not RobustHP"):
        corpus_manifest("robusthp", robusthp / "test_lf")
    with pytest.raises(InputError, match="holds no audio that could be probed"):
        corpus_manifest("robusthp", robusthp, probe=True)

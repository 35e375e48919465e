"""The parts of a run: their content, and errors that are reported before anything slow begins."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from robustger.errors import InputError
from robustger.hypotheses import NBest, save_nbest
from robustger.training.config import TrainingConfig
from robustger.training.lists import list_files
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training

LORA = "corrector.lora={r: 4, alpha: 8, dropout: 0.1}"
Config = Callable[..., TrainingConfig]


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_what_training_starts_from_is_not_rounded(tiny_config: Config, tmp_path: Path) -> None:
    changes = ("corrector.variant=paper", LORA, "dtype=bfloat16")
    fine = 1 + 2**-12  # the next bfloat16 is 1
    given = Trainer(prepare_training(tiny_config(*changes)))
    with torch.no_grad():
        for parameter in given.parts.parameters.values():
            parameter.fill_(fine)
    given.parts.corrector.save_pretrained(tmp_path / "fine")
    started = Trainer(prepare_training(tiny_config(*changes, f"initial={tmp_path / 'fine'}")))
    assert started.parts.corrector.llm.llm.dtype == torch.bfloat16
    for name, parameter in started.parts.parameters.items():
        assert (parameter == fine).all(), name


def test_lists_left_out_are_counted(
    tiny_config: Config, spoken_lists: list[NBest], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = tmp_path / "odd.jsonl"
    long = " ".join(["and on and on"] * 100)
    save_nbest(
        [
            NBest.from_texts("a", ["no reference"]),
            NBest.from_texts("b", ["an empty reference"], reference=" "),
            NBest.from_texts("c", [long, f"{long} on"], reference=long),
            *spoken_lists,
        ],
        odd,
    )
    with caplog.at_level(logging.WARNING, "robustger"):
        trainer = Trainer(prepare_training(tiny_config(f"data.train=[{odd}]")))
    assert trainer.parts.train.ids == [nbest.id for nbest in spoken_lists]
    assert caplog.messages == [
        "data.train: 2 lists have no reference and are left out",
        "data.train: 1 lists exceed data.max_tokens and are left out",
    ]
    with caplog.at_level(logging.INFO, "robustger"):
        trainer.run()
    assert caplog.messages[-1] == (
        "4 steps done on 8 lists; left out of data.train: 2 with no reference, 1 longer than data.max_tokens"
    )
    assert {record["left_out"] for record in log_of(tmp_path / "run")} == {3}


def test_patterns_and_variables_are_expanded(
    monkeypatch: pytest.MonkeyPatch, spoken_lists: list[NBest], tmp_path: Path
) -> None:
    for number, nbest in enumerate(spoken_lists[:3]):
        save_nbest([nbest], tmp_path / f"{number}.train.jsonl")
    monkeypatch.setenv("LISTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    names = [file.name[0] for file in list_files(["$LISTS/*.train.jsonl"])]
    assert names == ["0", "1", "2"]
    assert [file.name[0] for file in list_files(["~/1.train.jsonl", "${LISTS}/0.*"])] == ["1", "0"]


def test_the_output_folder_is_expanded(
    monkeypatch: pytest.MonkeyPatch, tiny_config: Config, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNS", str(tmp_path))
    assert prepare_training(tiny_config("output=$RUNS/mine")).output == tmp_path / "mine"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("data.train=[{folder}/nothing*.jsonl]", "data: no file matches {folder}/nothing*.jsonl"),
        ("data.dev=[$NOT_SET/a.jsonl]", "data: no file matches $NOT_SET/a.jsonl; is the variable set?"),
        ("data.train=[{folder}/bare.jsonl]", "data.train: no list there has a reference"),
        ("data.dev=[{folder}/bare.jsonl]", "data.dev: no list there has a reference"),
        ("data.max_tokens=16", "data.train: every list is longer than data.max_tokens = 16; raise it"),
        ("evaluation.normalizer=upper", "unknown normalizer 'upper'"),
        ("output={folder}/bare.jsonl", "output: {folder}/bare.jsonl cannot be written: File exists"),
        ("corrector.base={folder}/no/model", "{folder}/no/model"),
    ],
)
def test_runs_that_cannot_begin(tiny_config: Config, tmp_path: Path, change: str, said: str) -> None:
    save_nbest([NBest.from_texts("a", ["no reference"])], tmp_path / "bare.jsonl")
    config = tiny_config(change.format(folder=tmp_path))
    with pytest.raises(InputError) as caught:
        Trainer(prepare_training(config))
    assert str(caught.value).startswith(said.format(folder=tmp_path))
    assert "\n" not in str(caught.value)

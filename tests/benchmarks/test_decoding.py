"""The benchmark of decoding on tiny models: every row has its numbers, and drafted answers are those of `generate`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import decoding
from robustger.correction import Corrector
from robustger.noise.extractors import SentenceBert


def test_every_row_has_its_numbers(
    tiny_corrector: Callable[..., Corrector], tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrector = tiny_corrector()
    monkeypatch.delenv("ROBUSTGER_DATA", raising=False)
    monkeypatch.setattr(Corrector, "from_pretrained", lambda *arguments, **options: corrector)
    monkeypatch.setattr(decoding, "SentenceBert", partial(SentenceBert, tiny_encoder))
    monkeypatch.setattr(decoding, "BATCH", 4)
    monkeypatch.setattr(decoding, "BATCHES", 1)
    monkeypatch.setattr(decoding, "ALONE", 2)
    monkeypatch.setattr(decoding, "ROUNDS", 2)
    monkeypatch.setattr(decoding, "EVERY", 2)
    rows = decoding.measure(quick=False)
    assert [row.part for row in rows] == ["a", "a", "b", "b", "b", "b", "a", "a"]
    assert all(value > 0 for row in rows[:6] for value in row.values)
    assert all(len(row.values) == 2 for row in rows[:6])
    details: list[Any] = [row.details for row in rows]
    assert details[1]["same_answers"] == details[1]["lists"] == 4
    loop, whole = details[2], details[4]
    assert (loop["lists"], loop["baseline_lists"]) == (whole["lists"], whole["baseline_lists"]) == (4, 2)
    assert whole["baseline_seconds"] > loop["baseline_seconds"]
    assert whole["seconds"] > loop["seconds"]

"""The thresholds of the guard, set on the command line, with the real corrector of the preset `lab`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

LISTS = [
    {
        "id": "one word",
        "hypotheses": [
            "the fairy to the island leaves at noon",
            "the ferry to the island leaves at noon",
            "the ferry to island leaves at noon",
        ],
    },
    {
        "id": "shorter",
        "hypotheses": [
            "turn of the light in the kitchen um uh you know",
            "turn off the light in the kitchen",
            "turn off the lights in the kitchen",
        ],
    },
]


@pytest.fixture
def correct(robustger, tmp_path: Path) -> Callable[..., list[bool]]:
    """Tells for each list whether its correction stays, with the options given."""
    path = tmp_path / "lists.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in LISTS), encoding="utf-8")

    def run(*options: object) -> list[bool]:
        result = robustger("correct", path, "--preset", "lab", "--device", "cpu", *options)
        assert result.code == 0, result.err
        return [row["text"] != row["best"] for row in map(json.loads, result.out.splitlines())]

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--guard", "none"], [True, True]),
        (["--guard", "edits", "--max-edit-rate", 99, "--max-deletion-rate", 99], [True, True]),
        (["--guard", "edits", "--max-edit-rate", 0.2, "--max-deletion-rate", 99], [True, False]),
        (["--guard", "edits", "--max-edit-rate", 99, "--max-deletion-rate", 0], [True, False]),
        (["--guard", "margin", "--max-edit-rate", 99, "--min-gain", 1e9], [False, False]),
    ],
)
def test_correct_takes_each_threshold(correct: Callable, options: list[object], kept: list[bool]) -> None:
    assert correct(*options) == kept


@pytest.mark.slow
def test_transcribe_takes_them_too(robustger) -> None:
    clips = sorted(Path(str(resources.files("robustger.presets") / "lab" / "demo")).glob("*.flac"))
    arguments = ("transcribe", *clips, "--preset", "lab", "--device", "cpu", "-f", "json", "--guard")

    def edits(*options: object) -> int:
        rows = map(json.loads, robustger(*arguments, *options).out.splitlines())
        return sum(len(part["edits"]) for row in rows for part in row["segments"])

    assert edits("none") > 0
    assert edits("edits", "--max-edit-rate", 0) == 0

"""Items of Robust HyPoradise as the released code saves them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from robustger.corpora.import_robusthp import import_robusthp
from robustger.hypotheses import NBest, load_nbest

LISTS = {
    "F01_BUS": (
        ["what is the fair", "what is the fare", "what is a fare", "watt is the fare", "what is fare"],
        "what is the fare",
    ),
    "M03_STR": (
        [
            "show me the first fight",
            "show me the first flight",
            "show me a flight",
            "<UNK>",
            "show the flight",
        ],
        "show me the first flight",
    ),
}


WIDTH, FRAMES = 8, 6  # of the embeddings


PROMPT = (
    "Below is the best-hypotheses transcribed from speech recognition system. Please try to revise it using the words "
    "which are only included into other-hypothesis, and write the response for the true transcription.\n\n"
    "### Best-hypothesis:\n{}\n\n### Other-hypothesis:\n{}\n\n### Response:\n"
)


def save(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def without_texts(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("input", "ground_truth")}


def expected(id_: str) -> tuple[tuple[str, ...], str]:
    hypotheses, reference = LISTS[id_]
    return tuple(text.replace("<UNK>", "") for text in hypotheses), reference


def run(source: Path, target: Path, **options: Any) -> tuple[list[NBest], list[str], Any]:
    problems: list[str] = []
    summary = import_robusthp(
        source,
        target,
        on_problem=lambda place, message: problems.append(f"{Path(place).name}: {message}"),
        **options,
    )
    return load_nbest(target), problems, summary


class Runs:
    """What pickle would run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)

"""HyPoradise-v0 (Chen et al., 2023): N-best lists with references, and no audio.

Layout: https://huggingface.co/datasets/PeacefulData/HyPoradise-v0, folders `train` and `test` with files
`train_chime4.json`, `test_chime4.json` and so on; `robustger.hypotheses.hyporadise` says what is in them. WSJ is
published as `..._wsj_score.json`, with scores, and once was without them. The file with scores is preferred.

The number of lists is checked for those files that were at hand to be counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from robustger.corpora.corpus import CORPORA, Corpus, Scan, Split, SplitRow
from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.hypotheses.hyporadise import numbered_hyporadise

_TITLE = "HyPoradise"
_TRAIN = {
    "atis": 3_964,
    "chime4": None,
    "coraal": None,
    "cv": None,
    "lrs2": None,
    "other_500": None,
    "swbd": None,
    "td3": None,
    "wsj": None,
}
TEST = {
    "atis": 809,
    "chime4": 1_320,
    "coraal": None,
    "cv": 2_000,
    "lrs2": None,
    "ls_clean": 2_620,
    "ls_other": 2_939,
    "swbd": 2_000,
    "td3": 1_155,
    "wsj": 836,
}


def _read(scan: Scan) -> Iterator[SplitRow]:
    root = scan.root(_TITLE, *(str(path) for split in scan.splits for path in reversed(_places(split))))
    for split in scan.splits:
        path = next((root / path for path in _places(split) if (root / path).is_file()), None)
        if path is None:
            scan.missing[split].append(f"{split}.json")
            continue
        try:
            entries = numbered_hyporadise(path)
        except InputError as error:
            scan.problem(path, str(error).removeprefix(f"{path}: "))
            continue
        for number, value in entries:
            if isinstance(value, BadLine):
                scan.problem(f"{path}: entry {number}", value.message)
            else:
                yield split, value


def _places(split: str) -> list[Path]:
    """Where the file of a split may lie, the best first."""
    part = split.partition("_")[0]
    return [Path(folder, f"{split}{end}.json") for folder in (part, "") for end in ("_score", "")]


CORPORA.register("hyporadise")(
    Corpus(
        _TITLE,
        (
            *(Split(f"train_{domain}", count, "lists for training") for domain, count in _TRAIN.items()),
            *(Split(f"test_{domain}", count, "lists for testing") for domain, count in TEST.items()),
        ),
        _read,
        lists=True,
    )
)

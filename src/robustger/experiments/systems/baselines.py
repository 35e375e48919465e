"""The baselines of a table, each computed once for the same lists, models and settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustger.correction.baselines import load_baseline
from robustger.errors import MissingModelError
from robustger.experiments.data import lists_digest, lists_with_reference
from robustger.experiments.experiment import Context
from robustger.experiments.measures.scoreboard import FORMAT_ONLY, System
from robustger.experiments.systems.kept import kept
from robustger.hypotheses import NBest


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """A baseline as a row of a table.

    Attributes:
        title: the name in tables.
        name: in `robustger.correction.baselines.BASELINES`.
        needs: the parts of the data, `train` or `dev`, without which the baseline cannot work.
        takes: the parts that the baseline uses where the data has them.
        options: further keyword arguments.
        slow: whether a language model reads every list; slow baselines are left out of a first look.
        revision: number of the baseline's answers; a change of its answers raises it, so that old ones are not reused.
        tunes_on_train: whether some lists of `train` take the place of a missing `dev`. A pretrained language model has
            learned from neither of them.
    """

    title: str
    name: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    revision: int = 1
    tunes_on_train: bool = False


# The number of lists of `train` that take the place of `dev`; the language model reads all of their hypotheses.
TUNING_LISTS = 500
LM_RANK = "LM_rank, n-gram"
BASELINE_ROWS = (
    BaselineRow(FORMAT_ONLY, "format-only"),
    BaselineRow(
        LM_RANK, "ngram-rank", ("train",), ("dev",)
    ),  # a small model of the training text, as in the paper, but of n-grams; the paper's is a Transformer
    BaselineRow("LM_rank, pretrained LLM", "lm-rank", ("dev",), slow=True, tunes_on_train=True),
    BaselineRow("MBR", "mbr"),
    BaselineRow("ROVER", "rover"),
    BaselineRow("zero-shot", "zero-shot", slow=True),
    BaselineRow("few-shot", "few-shot", ("train",), options={"shots": 2}, slow=True),
)


def baseline_systems(
    context: Context, lists: Sequence[NBest], baselines: Sequence[BaselineRow] = BASELINE_ROWS
) -> tuple[list[System], list[str]]:
    """Runs baselines on lists.

    Args:
        context: its data gives the lists to train and tune on; its cache keeps the transcripts.
        lists: the test lists.
        baselines: to run.

    Returns:
        the systems, and a line for each baseline that was left out.
    """
    systems, notes = [], []
    for baseline in baselines:
        parts = _parts(context, baseline)
        lacking = [part for part in baseline.needs if not parts[part]]
        if lacking:
            notes.append(f"{baseline.title}: left out, the data has no lists to {_purpose(lacking[0])}.")
            continue
        if baseline.name in context.without:
            notes.append(f"{baseline.title}: left out, as it was asked for.")
            continue
        if baseline.slow and context.quick:
            notes.append(f"{baseline.title}: left out of a quick look.")
            continue
        try:
            systems.append(System(baseline.title, (_texts(context, baseline, lists),)))
        except MissingModelError as error:
            notes.append(f"{baseline.title}: left out: {error}.")
    return systems, notes


def _purpose(part: str) -> str:
    return {"train": "train on", "dev": "tune its weight on"}[part]


def _parts(context: Context, baseline: BaselineRow) -> dict[str, tuple[Path, ...]]:
    """The files of both parts that the baseline may be given."""
    train, dev = context.data.train, context.data.dev
    return {"train": train, "dev": train if baseline.tunes_on_train and not dev else dev}


def _given(context: Context, baseline: BaselineRow) -> dict[str, list[NBest]]:
    """The lists that the baseline is given, all with a reference."""
    parts = _parts(context, baseline)
    used = [part for part in (*baseline.needs, *baseline.takes) if parts[part]]
    given = {part: lists_with_reference(parts[part], part) for part in used}
    if "dev" in given and not context.data.dev:
        # A draw by hash takes about the same share of every file.
        drawn = sorted(given["dev"], key=lambda nbest: hashlib.sha256(nbest.id.encode()).digest())
        given["dev"] = drawn[:TUNING_LISTS]
    return given


def _texts(context: Context, baseline: BaselineRow, lists: Sequence[NBest]) -> dict[str, str]:
    """The baseline's transcripts by list id, from the cache where the same question was asked before."""
    given = _given(context, baseline)
    asked = [baseline.revision, dict(baseline.options), lists_digest(lists)]
    asked += [[part, lists_digest(known)] for part, known in given.items()]

    def make() -> dict[str, str]:
        context.say(f"{baseline.title}: {len(lists)} lists")
        made = load_baseline(baseline.name, **given, **baseline.options)
        return {transcript.id: transcript.text for transcript in made.transcribe(lists)}

    return kept(context, f"baseline-{baseline.name}", asked, make)

"""The baselines of a table, each computed once for the same lists, models and settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robustger.correction.baselines import load_baseline
from robustger.errors import MissingModelError
from robustger.experiments.data import lists_digest, with_reference
from robustger.experiments.experiment import Context
from robustger.experiments.measures.scoreboard import FORMAT_ONLY, System
from robustger.experiments.systems.kept import kept
from robustger.hypotheses import NBest

TRAIN, DEV = "train", "dev"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A row of a table.

    Attributes:
        title: as tables call it.
        name: in `robustger.correction.baselines.BASELINES`.
        needs: which of the data's `train` and `dev` it cannot do without.
        takes: which of them it takes where they are there.
        options: further keyword arguments.
        slow: whether a language model reads every list: left out of a first look.
        revision: raised when its answers change, as after a repair: those that are kept are of one.
        tunes_on_train: whether some of `train` stand in for `dev` where that is not there. A language model that has
            not learned from them is as new to the one as to the other.
    """

    title: str
    name: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    revision: int = 1
    tunes_on_train: bool = False


# Of `train`, where they stand in for `dev`: the language model reads all of their hypotheses.
TUNING_LISTS = 500
LM_RANK = "LM_rank"
BASELINES = (
    Baseline(FORMAT_ONLY, "format-only"),
    Baseline(LM_RANK, "ngram-rank", (TRAIN,), (DEV,)),  # the paper's way: a small model of the training text
    Baseline("LM_rank, pretrained LLM", "lm-rank", (DEV,), slow=True, tunes_on_train=True),
    Baseline("MBR", "mbr"),
    Baseline("ROVER", "rover"),
    Baseline("zero-shot", "zero-shot", slow=True),
    Baseline("few-shot", "few-shot", (TRAIN,), options={"shots": 2}, slow=True),
)


def baseline_systems(
    context: Context, lists: Sequence[NBest], baselines: Sequence[Baseline] = BASELINES
) -> tuple[list[System], list[str]]:
    """Baselines on some lists, and a line on each that could not be had.

    Args:
        context: its data gives the text and the lists to tune on; its cache keeps the transcripts.
        lists: the test lists.
        baselines: which.
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
    return {TRAIN: "train on", DEV: "tune its weight on"}[part]


def _parts(context: Context, baseline: Baseline) -> dict[str, tuple[Path, ...]]:
    """Files of what it may be given."""
    train, dev = context.data.train, context.data.dev
    return {TRAIN: train, DEV: train if baseline.tunes_on_train and not dev else dev}


def _given(context: Context, baseline: Baseline) -> dict[str, list[NBest]]:
    """What it is given, all lists with a reference."""
    parts = _parts(context, baseline)
    used = [part for part in (*baseline.needs, *baseline.takes) if parts[part]]
    given = {part: with_reference(parts[part], part) for part in used}
    if DEV in given and not context.data.dev:
        # By a hash: of every file about as large a share as it has of all.
        drawn = sorted(given[DEV], key=lambda nbest: hashlib.sha256(nbest.id.encode()).digest())
        given[DEV] = drawn[:TUNING_LISTS]
    return given


def _texts(context: Context, baseline: Baseline, lists: Sequence[NBest]) -> dict[str, str]:
    """By list id; from the cache where the same was asked before."""
    given = _given(context, baseline)
    asked = [baseline.revision, dict(baseline.options), lists_digest(lists)]
    asked += [[part, lists_digest(known)] for part, known in given.items()]

    def make() -> dict[str, str]:
        context.say(f"{baseline.title}: {len(lists)} lists")
        made = load_baseline(baseline.name, **given, **baseline.options)
        return {transcript.id: transcript.text for transcript in made.transcribe(lists)}

    return kept(context, f"baseline-{baseline.name}", asked, make)

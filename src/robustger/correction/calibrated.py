"""Calibrates a checkpoint's guard `heard` on lists with references, and writes the checkpoint with the new guard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import yaml

from robustger.correction.calibration import Calibration, JudgedList, calibrate
from robustger.correction.checkpoint import CONFIG_FILE, checkpoint_folder, read_config
from robustger.correction.config import EvidenceWeights, GuardConfig
from robustger.correction.guards.guard import Revision
from robustger.correction.guards.heard_guard import HeardGuard
from robustger.correction.weighing import CandidateText
from robustger.errors import InputError
from robustger.files import atomic_folder
from robustger.hypotheses import NBest
from robustger.text import get_normalizer, normalize

if TYPE_CHECKING:
    from robustger.correction.answers import BatchAnswers
    from robustger.correction.model import Corrector


EVIDENCE_OF = {
    "scored": ("recognizer", "prior"),
    "twice_scored": ("recognizer", "second", "prior"),
    "unscored": ("language_model",),
}


class CollectingGuard(HeardGuard):
    """Keeps every 1-best, and collects the candidates of every list.

    Attributes:
        found: the candidates, by the position of their list.
    """

    def __init__(self, config: GuardConfig) -> None:
        super().__init__(config)
        self.found: dict[int, list[CandidateText]] = {}

    def revise(self, answers: BatchAnswers) -> list[Revision]:
        prompts = answers.batch.prompts
        for prompt, some in zip(prompts, self.candidates(answers), strict=True):
            self.found[prompt.index] = some
        return [Revision(prompt.nbest.best) for prompt in prompts]


def group_of(nbest: NBest) -> str:
    """The speaker of a list where its `meta` names one; else what was said, without case and punctuation."""
    speaker = nbest.meta.get("speaker")
    return f"speaker {speaker}" if speaker else normalize(nbest.reference or "", "spoken")


def judged_lists(
    corrector: Corrector,
    lists: Sequence[NBest],
    on_progress: Callable[[int], object] = lambda lists: None,
) -> list[JudgedList]:
    """The candidates of all lists that the language model reads, with their references.

    Raises:
        InputError: a list has no reference.
    """
    for nbest in lists:
        if not (nbest.reference or "").strip():
            raise InputError(f"list {nbest.id!r} has no reference; a calibration needs what was said")
    asked = {
        kind: _weights(corrector.config.guard, kind).model_copy(update=dict.fromkeys(EVIDENCE_OF[kind], 0.5))
        for kind in EVIDENCE_OF
    }
    collector = CollectingGuard(corrector.config.guard.model_copy(update=asked))
    corrector.correct(lists, guard=collector, on_progress=on_progress)
    return [
        JudgedList(collector.found[place], nbest.reference or "", group_of(nbest))
        for place, nbest in enumerate(lists)
        if place in collector.found
    ]


def calibrate_corrector(
    corrector: Corrector,
    lists: Sequence[NBest],
    *,
    risk: float | None = None,
    normalizer: str = "number",
    on_progress: Callable[[int], object] = lambda lists: None,
) -> tuple[GuardConfig, dict[str, Calibration]]:
    """The guard `heard` with weights and thresholds for some lists; those with and without scores are apart.

    Lists with second scores also count as lists with scores, because the second recognizer may be missing elsewhere.

    A kind with too few lists keeps its weights.

    Args:
        corrector: writes and scores the candidates.
        lists: with references.
        risk: as for `calibrate`.
        normalizer: the form in which words are compared.
        on_progress: as for `Corrector.correct`.

    Raises:
        InputError: as `judged_lists` and `calibrate` raise.
    """
    settings = corrector.config.guard.model_copy(update={"name": "heard", "min_gain": None})
    normalize_words = get_normalizer(normalizer)
    judged = judged_lists(corrector, lists, on_progress)
    problems: list[InputError] = []
    found: dict[str, Calibration] = {}
    for kind in EVIDENCE_OF:
        some = [one for one in judged if _has_evidence(one, kind)]
        if not some:
            continue
        try:
            found[kind] = calibrate(some, evidence=EVIDENCE_OF[kind], normalize=normalize_words, risk=risk)
        except InputError as error:  # a few lists of one kind among many of the other
            problems.append(error)
            continue
        same = {"unheard_word": _weights(settings, kind).unheard_word}
        settings = settings.model_copy(update={kind: found[kind].weights.model_copy(update=same)})
    if not found:
        raise (
            problems[0]
            if problems
            else InputError(
                "all lists agree, or their 1-best loops, so there is nothing to decide; give other lists"
            )
        )
    return settings, found


def _weights(guard: GuardConfig, kind: str) -> EvidenceWeights:
    """The weights for a kind of lists; where lists with second scores have none, those of lists with scores."""
    return getattr(guard, kind) or guard.scored


def _has_evidence(one: JudgedList, kind: str) -> bool:
    best = one.candidates[0]
    if kind == "unscored":
        return best.recognizer is None
    return best.recognizer is not None and (kind == "scored" or best.second is not None)


def save_with_guard(name: str | os.PathLike[str], guard: GuardConfig, folder: str | os.PathLike[str]) -> None:
    """Copies a checkpoint, with another guard.

    Args:
        name: the checkpoint's folder, or the name of a preset.
        guard: the guard.
        folder: to write; it may hold a checkpoint, or nothing.
    """
    source = checkpoint_folder(name)
    config = read_config(source).model_copy(update={"guard": guard})
    with atomic_folder(folder, own_file=CONFIG_FILE) as target:
        for file in sorted(source.iterdir()):
            if file.is_file():
                shutil.copyfile(file, target / file.name)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
        (target / CONFIG_FILE).write_text(text, encoding="utf-8")

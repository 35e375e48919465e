"""The guard `margin`: keeps the parts of a correction that the language model is sure of, and puts back the others.

A correction often mends one place and spoils another. So the words that differ from the 1-best are grouped into
stretches, and each stretch is put back by itself. The log-probability that this costs tells how sure the model is of
the stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from robustger.correction.decoding.reading import Reading
from robustger.correction.guards.edits_guard import EditsGuard
from robustger.correction.guards.guard import Revision

if TYPE_CHECKING:
    from robustger.correction.answers import BatchAnswers


class MarginGuard(EditsGuard):
    """Puts back every edited stretch that gains less than `min_gain`, and then decides as `edits` does."""

    def revise(self, answers: BatchAnswers) -> list[Revision]:
        bests = [prompt.nbest.best for prompt in answers.batch.prompts]
        texts = keep_sure_stretches(
            answers.reading,
            answers.tokens.answer,
            bests,
            # An answer that was cut off is dropped anyway: comparing the 1-best with itself costs no pass.
            [
                text if answer.finished else best
                for text, answer, best in zip(answers.texts, answers.answers, bests, strict=True)
            ],
            [answer.log_probability for answer in answers.answers],
            answers.best_log_probabilities(),
            self.config.min_gain or 0.0,
        )
        return [Revision(text) for text in texts]


@dataclass(frozen=True, slots=True)
class EditedStretch:
    """Neighboring words of a text that replace other words of the 1-best; either side may be empty.

    Attributes:
        best: start and end among the words of the 1-best.
        text: start and end among the words of the text.
    """

    best: tuple[int, int]
    text: tuple[int, int]


def edited_stretches(best: Sequence[str], text: Sequence[str]) -> list[EditedStretch]:
    """The stretches in which two word sequences differ, from left to right; neighboring edits form one stretch."""
    stretches: list[EditedStretch] = []
    for edit in Levenshtein.opcodes(best, text):
        if edit.tag == "equal":
            continue
        last = stretches[-1] if stretches else None
        if last and last.best[1] == edit.src_start and last.text[1] == edit.dest_start:
            stretches[-1] = EditedStretch((last.best[0], edit.src_end), (last.text[0], edit.dest_end))
        else:
            stretches.append(EditedStretch((edit.src_start, edit.src_end), (edit.dest_start, edit.dest_end)))
    return stretches


def put_back(best: Sequence[str], text: Sequence[str], stretches: Sequence[EditedStretch]) -> str:
    """The text in which the given stretches hold the words of the 1-best again."""
    words = list(text)
    for stretch in reversed(stretches):
        words[slice(*stretch.text)] = best[slice(*stretch.best)]
    return " ".join(words)


def keep_sure_stretches(
    reading: Reading,
    answer_tokens: Callable[[str], list[int]],
    bests: Sequence[str],
    texts: Sequence[str],
    log_probabilities: Sequence[float],
    best_log_probabilities: Sequence[float],
    min_gain: float,
) -> list[str]:
    """The texts, in which every stretch that gains less than `min_gain` is put back.

    The gain of a stretch is the log-probability of the text minus that of the text with this stretch put back.

    Args:
        reading: scores texts under the prompts of the lists.
        answer_tokens: gives the token ids of a text, with the token that ends it.
        bests: the 1-best of every list.
        texts: the text that the language model wrote for every list.
        log_probabilities: log-probability of every text, in nats.
        best_log_probabilities: log-probability of every 1-best, in nats. Where a text has one stretch only, putting it
            back gives the 1-best, and nothing else is scored.
        min_gain: the least gain in nats with which a stretch stays.
    """
    words = [(best.split(), text.split()) for best, text in zip(bests, texts, strict=True)]
    stretches = [edited_stretches(best, text) for best, text in words]
    gains = [
        [log_probabilities[row] - best_log_probabilities[row]] * len(found)
        for row, found in enumerate(stretches)
    ]
    trials = [
        (row, index, put_back(*words[row], [stretch]))
        for row, found in enumerate(stretches)
        if len(found) > 1
        for index, stretch in enumerate(found)
    ]
    scores = reading.score([row for row, _, _ in trials], [answer_tokens(text) for _, _, text in trials])
    for (row, index, _), score in zip(trials, scores, strict=True):
        gains[row][index] = log_probabilities[row] - score
    return [
        put_back(
            *words[row], [stretch for stretch, gain in zip(found, gains[row], strict=True) if gain < min_gain]
        )
        for row, found in enumerate(stretches)
    ]

"""The guard `margin`: of a correction, only the stretches that the language model is sure of are kept.

A correction often mends one place and spoils another. So the words that differ from the 1-best are grouped into
stretches, each stretch is put back by itself, and what this costs in log-probability says how sure the model is of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from robustger.correction.decoding.reading import Reading


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighboring words of a text that stand for other words of the 1-best; either side may be empty.

    Attributes:
        best: start and end in the words of the 1-best.
        text: start and end in the words of the text.
    """

    best: tuple[int, int]
    text: tuple[int, int]


def edited_stretches(best: Sequence[str], text: Sequence[str]) -> list[Stretch]:
    """Where two word sequences differ, from left to right, neighboring edits joined."""
    stretches: list[Stretch] = []
    for edit in Levenshtein.opcodes(best, text):
        if edit.tag == "equal":
            continue
        last = stretches[-1] if stretches else None
        if last and last.best[1] == edit.src_start and last.text[1] == edit.dest_start:
            stretches[-1] = Stretch((last.best[0], edit.src_end), (last.text[0], edit.dest_end))
        else:
            stretches.append(Stretch((edit.src_start, edit.src_end), (edit.dest_start, edit.dest_end)))
    return stretches


def put_back(best: Sequence[str], text: Sequence[str], stretches: Sequence[Stretch]) -> str:
    """The text with the 1-best's words in the given stretches."""
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
    """Texts with every stretch put back that gains less than `min_gain` over the 1-best's words.

    Args:
        reading: the prompts as the language model reads them.
        answer_tokens: a transcription as token ids, with the token that ends it.
        bests: the 1-bests.
        texts: what the language model wrote.
        log_probabilities: of the texts.
        best_log_probabilities: of the 1-bests; all that is needed where a text has one stretch.
        min_gain: in nats, for each stretch.
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

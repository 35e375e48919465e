"""Estimates the probability that each word of a transcript is right.

A logistic model judges each word by three facts that are at hand without the audio:

=================  =====================================================================================================
share              how much of the list holds the word at its place: the share of the hypotheses, or where they have
                   scores, the softmax of the scores summed over these hypotheses
edited             whether the recognizer's 1-best does not hold it there
log_probability    the mean log-probability of the tokens that the language model wrote; 0 where it was not asked
=================  =====================================================================================================

Each hypothesis is aligned with the text by Levenshtein distance over words. Words count without case and punctuation. A
word that no hypothesis holds may only be written apart ("d c" for "dc", "twenty six" for "twenty-six"), so it is then
looked for in the letters of the hypotheses.

A checkpoint keeps its coefficients in `confidence.yaml`; `recipes/confidence/fit.py` fits them.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from robustger.correction.config import Section, validate_config
from robustger.hypotheses import NBest, Transcript
from robustger.yaml_files import read_yaml

CONFIDENCE_FILE = "confidence.yaml"
UNJUDGED = ("language", "loop", "too_long", "no_answer")  # sources of texts that nothing has judged

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SMOOTHING = 0.05  # keeps the log-odds of the shares 0 and 1 finite
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """The facts about a word of a transcript.

    Attributes:
        share: how much of the list holds the word at its place, from 0 to 1.
        edited: whether the recognizer's 1-best does not hold it there.
        log_probability: the mean log-probability of the tokens that the language model wrote for the list, in nats.
    """

    share: float
    edited: bool
    log_probability: float

    @property
    def share_log_odds(self) -> float:
        """The log-odds of the share, smoothed, so that they lie between -3.05 and 3.05."""
        return math.log((self.share + _SMOOTHING) / (1 - self.share + _SMOOTHING))


class ConfidenceModel(Section):
    """A logistic model of the probability that a word is right; the typed content of `confidence.yaml`.

    The defaults are the coefficients of the preset `whisper`. A checkpoint without the file takes them.
    """

    intercept: float = 0.92
    share_log_odds: float = 0.92
    edited: float = 0.82
    log_probability: float = 3.65

    @classmethod
    def of_checkpoint(cls, folder: Path) -> ConfidenceModel:
        """The model in the folder of a checkpoint, or the default model where the folder has none.

        Raises:
            InputError: the file is broken.
        """
        path = folder / CONFIDENCE_FILE
        return validate_config(cls, read_yaml(path), str(path)) if path.exists() else cls()

    def probability(self, evidence: WordEvidence) -> float:
        """The probability that a word is right."""
        logit = (
            self.intercept
            + self.share_log_odds * evidence.share_log_odds
            + self.edited * evidence.edited
            + self.log_probability * evidence.log_probability
        )
        return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))

    def judged(self, transcript: Transcript, nbest: NBest) -> Transcript:
        """The transcript with the confidence of its text and of every word of it.

        Args:
            transcript: in the form that the list has; its confidence is the geometric mean of the probabilities of the
                tokens that the language model wrote.
            nbest: its list, as it was given.

        Returns:
            the transcript. Its confidence is the mean confidence of its words. That of a text without words is the
            share of the list that is empty. Texts that nothing has judged keep their confidence of 0.
        """
        if transcript.source in UNJUDGED:
            return transcript
        words = tuple(
            round(self.probability(evidence), 4)
            for evidence in word_evidence(transcript.text, nbest, transcript.confidence)
        )
        if words:
            mean = math.fsum(words) / len(words)
        else:
            shares = zip(nbest.texts, list_shares(nbest), strict=True)
            mean = min(1.0, math.fsum(share for text, share in shares if not text))
        return dataclasses.replace(transcript, confidence=mean, word_confidences=words)


def word_evidence(text: str, nbest: NBest, probability: float) -> list[WordEvidence]:
    """The facts about each word of a transcript.

    Args:
        text: the transcript, in the form of the list; white space separates its words.
        nbest: the list.
        probability: the geometric mean of the probabilities of the tokens that the language model wrote.
    """
    words = text.split()
    tokens = [_tokens(word) for word in words]
    flat = [token for parts in tokens for token in parts]
    hypotheses = [[token for word in text.split() for token in _tokens(word)] for text in nbest.texts]
    shares, in_best = _held_shares(flat, hypotheses, list_shares(nbest))
    log_probability = math.log(max(probability, _LEAST_PROBABILITY))
    evidence, begin = [], 0
    for parts in tokens:
        own = slice(begin, begin + len(parts))
        begin += len(parts)
        evidence.append(WordEvidence(min(1.0, *shares[own]), not all(in_best[own]), log_probability))
    return evidence


def list_shares(nbest: NBest) -> list[float]:
    """The weight of each hypothesis: the softmax of the scores, or the same for all where there are none."""
    scores = [hypothesis.score or 0.0 for hypothesis in nbest.hypotheses]
    weights = [math.exp(score - max(scores)) for score in scores]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _tokens(word: str) -> list[str]:
    """The parts of a word without case and punctuation; the word itself where it has no letters or digits."""
    return _TOKEN.findall(word.casefold()) or [word]


def _held_shares(
    tokens: Sequence[str], hypotheses: Sequence[Sequence[str]], shares: Sequence[float]
) -> tuple[list[float], list[bool]]:
    """For each token the weight of the hypotheses that hold it at its place, and whether the first one does."""
    weights = [0.0] * len(tokens)
    in_best = [False] * len(tokens)

    def add(positions: Iterator[int], hypothesis: int) -> None:
        for position in positions:
            weights[position] += shares[hypothesis]
            in_best[position] |= hypothesis == 0

    for number, hypothesis in enumerate(hypotheses):
        add(_held(tokens, hypothesis), number)
    missing = {position for position, weight in enumerate(weights) if not weight}
    if missing:
        for number, hypothesis in enumerate(hypotheses):
            add(
                (position for position in _held_as_letters(tokens, hypothesis) if position in missing), number
            )
    return weights, in_best


def _held(tokens: Sequence[str], hypothesis: Sequence[str]) -> Iterator[int]:
    """The positions of the tokens that a hypothesis holds at their place."""
    for block in Levenshtein.opcodes(tokens, hypothesis):
        if block.tag == "equal":
            yield from range(block.src_start, block.src_end)


def _held_as_letters(tokens: Sequence[str], hypothesis: Sequence[str]) -> Iterator[int]:
    """The positions of the tokens whose letters a hypothesis holds at their place, in whatever words.

    A token beside which letters differ does not count: "azam" is not held by "azaman".
    """
    letters, others = "".join(tokens), "".join(hypothesis)
    # A token begins and ends within letters that are equal, or where both texts begin and end.
    inner = [
        (block.src_start + bool(block.src_start + block.dest_start), block.src_end - (not ends))
        for block in Levenshtein.opcodes(letters, others)
        if block.tag == "equal"
        for ends in [block.src_end == len(letters) and block.dest_end == len(others)]
    ]
    begin = number = 0
    for position, token in enumerate(tokens):
        end = begin + len(token)
        while number < len(inner) and inner[number][1] < end:
            number += 1
        if number < len(inner) and inner[number][0] <= begin:
            yield position
        begin = end

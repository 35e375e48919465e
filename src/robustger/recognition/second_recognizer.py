"""Lets a second recognizer hear every audio again, and score what the first one wrote.

Two recognizers err differently, so the second one's log-probabilities say which hypotheses of the first are likely to
be right. Scoring is cheap: the second recognizer encodes the audio and reads the hypotheses, but does not search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robustger.errors import InputError, MissingModelError
from robustger.recognition.recognizer import (
    AudioEmbedding,
    Listens,
    Recognition,
    Recognizer,
    TimedWord,
)

if TYPE_CHECKING:
    import numpy as np

UNHEARABLE_NATS = -1e4  # of a text that is longer than a recognizer takes


class TwiceHeard:
    """A recognizer whose hypotheses are scored by a second recognizer, too: `Hypothesis.second_score`.

    All else comes from the first recognizer. Where the second one does not know the language, or takes shorter audio
    only, its scores are missing.

    Args:
        first: writes the hypotheses.
        second: scores them.

    Raises:
        InputError: one of them cannot score texts.
    """

    def __init__(self, first: Recognizer, second: Recognizer) -> None:
        for one in (first, second):
            if not isinstance(one, Listens):
                raise InputError(
                    f"{type(one).__name__} cannot score texts, so it takes no part in recognition by two recognizers; "
                    "go without a second recognizer"
                )
            assert isinstance(one, Listens)
        self._first: Listens = first  # type: ignore[assignment]
        self._second: Listens = second  # type: ignore[assignment]

    @property
    def window_seconds(self) -> float | None:
        """As `Recognizer.window_seconds`."""
        return self._first.window_seconds

    @property
    def pads(self) -> bool:
        """As `Recognizer.pads`."""
        return self._first.pads

    @property
    def embedding_size(self) -> int:
        """As `Recognizer.embedding_size`."""
        return self._first.embedding_size

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        """As `Recognizer.recognize`, with second scores."""
        found = self._first.recognize(audios, n=n, beams=beams)
        return [self._scored(audio, one) for audio, one in zip(audios, found, strict=True)]

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`."""
        return self._first.embed(audios)

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list[TimedWord]:
        """As `Listens.align`."""
        return self._first.align(audio, text, language=language)

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        """As `Listens.score`."""
        return self._first.score(audio, texts, language=language)

    def _scored(self, audio: np.ndarray, found: Recognition) -> Recognition:
        texts = [hypothesis.text for hypothesis in found.hypotheses]
        scores = second_scores(self._second, audio, texts, found.language)
        if scores is None:
            return found
        hypotheses = (
            replace(hypothesis, second_score=score)
            for hypothesis, score in zip(found.hypotheses, scores, strict=True)
        )
        return replace(found, hypotheses=tuple(hypotheses))


def load_second_recognizer(model: str, device: str | None = None) -> Recognizer:
    """Whisper through transformers, which reads all hypotheses in one pass.

    Args:
        model: as for `robustger.models.resolve_model`.
        device: where it runs; None picks the GPU if there is one.

    Raises:
        MissingModelError: there is no such model; the message says how to go without it.
    """
    from robustger.models import cpu_multiplies_bfloat16, torch_device
    from robustger.recognition.known_recognizers import load_recognizer

    where = torch_device(device)
    dtype = "bfloat16" if where.type == "cpu" and cpu_multiplies_bfloat16() else None
    try:
        return load_recognizer("whisper", model, device=str(where), dtype=dtype)
    except MissingModelError as error:
        raise MissingModelError(f"{error}; or go without it (--second-recognizer none)") from error


def second_scores(
    recognizer: Listens, audio: np.ndarray, texts: Sequence[str], language: str | None
) -> list[float] | None:
    """Log p(text | audio) of each text under a recognizer; None if it cannot hear this audio or language.

    Args:
        recognizer: the second recognizer.
        audio: 16 kHz mono, float32 (samples,).
        texts: as the first recognizer wrote them; one that is too long for the recognizer gets `UNHEARABLE_NATS`.
        language: the code of the language; None means English.
    """
    try:
        return recognizer.score(audio, texts, language=language)
    except InputError:
        pass
    scores = [_score(recognizer, audio, text, language) for text in texts]
    if all(score is None for score in scores):
        return None
    return [UNHEARABLE_NATS if score is None else score for score in scores]


def _score(recognizer: Listens, audio: np.ndarray, text: str, language: str | None) -> float | None:
    try:
        return recognizer.score(audio, [text], language=language)[0]
    except InputError:
        return None

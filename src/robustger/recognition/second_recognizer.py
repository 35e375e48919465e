"""Lets a second recognizer hear every audio again, score what the first one wrote, and add what it would write itself.

Two recognizers err differently, so the second one's log-probabilities say which hypotheses of the first are likely to
be right, and its own best text is often right where no hypothesis of the first is. The first one scores that text in
turn. A narrow search is enough for it, so a small second recognizer costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from robustger.errors import InputError, MissingModelError
from robustger.hypotheses import Hypothesis
from robustger.recognition.recognizer import (
    AudioEmbedding,
    HearsLanguages,
    Listens,
    Recognition,
    Recognizer,
    TimedWord,
)
from robustger.recognition.recognizers.recent_encodings import KEPT
from robustger.text import normalize
from robustger.text.loops import is_loop, says_twice

if TYPE_CHECKING:
    import numpy as np

SECOND_BEAMS = 3  # more find nearly the same best text
UNHEARABLE_NATS = -1e4  # of a text that is longer than a recognizer takes


class TwiceHeard:
    """A recognizer whose hypotheses are scored by a second recognizer, too: `Hypothesis.second_score`.

    The best text of the second recognizer comes last in the list, so there may be one hypothesis more than was asked
    for. It is left out if the first one has it already or hears nothing, if it repeats itself, and if the language is
    known and not English. All else comes from the first recognizer. Where the second one does not know the language, or
    takes shorter audio only, it takes no part.

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
        self.first: Listens = first  # type: ignore[assignment]
        self.second: Listens = second  # type: ignore[assignment]

    @property
    def window_seconds(self) -> float | None:
        """As `Recognizer.window_seconds`."""
        return self.first.window_seconds

    @property
    def pads(self) -> bool:
        """As `Recognizer.pads`."""
        return self.first.pads

    @property
    def embedding_size(self) -> int:
        """As `Recognizer.embedding_size`."""
        return self.first.embedding_size

    def in_language(self, language: str) -> Recognizer:
        """As `HearsLanguages.in_language`: the first recognizer alone where the second does not hear the language."""
        if not isinstance(self.first, HearsLanguages):
            raise InputError(f"{type(self.first).__name__} cannot be told a language")
        first = self.first.in_language(language)
        if not isinstance(self.second, HearsLanguages):
            return first
        try:
            return TwiceHeard(first, self.second.in_language(language))
        except InputError:
            return first

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        """As `Recognizer.recognize`, with second scores and, last, the best text of the second recognizer."""
        found: list[Recognition] = []
        for begin in range(0, len(audios), KEPT):  # as many as both remember until they score
            some = audios[begin : begin + KEPT]
            found += self.heard_again(some, self.first.recognize(some, n=n, beams=beams))
        return found

    def heard_again(self, audios: Sequence[np.ndarray], found: Sequence[Recognition]) -> list[Recognition]:
        """What the first recognizer found, with what the second one has to say about it."""
        from robustger.audio import SAMPLE_RATE

        most = self.second.window_seconds
        fitting = [
            place
            for place, audio in enumerate(audios)
            if most is None or len(audio) <= most * SAMPLE_RATE + 1e-6
        ]
        others = self.second.recognize([audios[place] for place in fitting], n=1, beams=SECOND_BEAMS)
        heard = list(found)
        for place, other in zip(fitting, others, strict=True):
            with_text = self._with_text(audios[place], found[place], other.hypotheses[0].text)
            heard[place] = self._scored(audios[place], with_text)
        return heard

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`."""
        return self.first.embed(audios)

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list[TimedWord]:
        """As `Listens.align`."""
        return self.first.align(audio, text, language=language)

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        """As `Listens.score`."""
        return self.first.score(audio, texts, language=language)

    def _with_text(self, audio: np.ndarray, found: Recognition, text: str) -> Recognition:
        """The recognition with the text of the second recognizer, if it is a new and sound one."""
        known = {normalize(one.text, "spoken") for one in found.hypotheses}
        words = normalize(text, "spoken")
        is_english = found.language is None or found.language == "en"
        is_sound = bool(words) and not is_loop(text) and not says_twice(text)
        if not is_english or not is_sound or words in known or not found.hypotheses[0].text.strip():
            return found
        score = _score(self.first, audio, text, found.language)
        if score is None:
            return found
        hypotheses = (*found.hypotheses, Hypothesis(text, score))
        return replace(found, hypotheses=hypotheses, distinct=len(hypotheses))

    def _scored(self, audio: np.ndarray, found: Recognition) -> Recognition:
        texts = [hypothesis.text for hypothesis in found.hypotheses]
        scores = second_scores(self.second, audio, texts, found.language)
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

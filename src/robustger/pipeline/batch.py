"""Recognizes and corrects a batch: excerpts of one or several recordings, and lists that came without a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.pipeline.transcription import Segment
from robustger.pipeline.words import timed_words
from robustger.recognition.recognizer import HearsLanguages, Listens
from robustger.recognition.recording import Excerpt, recognized_lists

if TYPE_CHECKING:
    import numpy as np

    from robustger.correction.list_prompts import Listener
    from robustger.pipeline.robustger import RobustGER
    from robustger.recognition import Recognizer

UNHEARABLE = -1e4  # nats


@dataclass(frozen=True, slots=True, eq=False)
class BatchItem:
    """One item of a batch.

    Attributes:
        source: an excerpt that is recognized first, or a list.
        corrects: whether the corrector reads its list; False keeps the recognizer's 1-best.
        words: whether its words get times, which needs an excerpt.
        language: the language of its excerpt; None leaves it to the recognizer.
    """

    source: Excerpt | NBest
    corrects: bool = True
    words: bool = False
    language: str | None = None


@dataclass(slots=True)
class Stages:
    """The seconds that a batch took in each stage: what one item alone took cannot be told apart."""

    recognition: float = 0.0
    correction: float = 0.0
    word_times: float = 0.0


def transcribe_batch(
    robustger: RobustGER,
    items: Sequence[BatchItem],
    correction: Mapping[str, Any],
    clock: Callable[[], float] = lambda: 0.0,
    stages: Stages | None = None,
) -> list[Segment]:
    """Recognizes the excerpts of a batch, corrects all lists, and finds the times of words.

    Args:
        robustger: the recognizer and the corrector.
        items: the batch; each gets the answer that it would get alone, up to rounding.
        correction: options of `Corrector.correct`.
        clock: tells the time in seconds.
        stages: gets the seconds of each stage.

    Returns:
        one segment for each item, in order; that of a list begins and ends at 0.

    Raises:
        InputError: an option that the corrector refuses, or an item that the recognizer refuses.
    """
    stages = stages or Stages()
    begun = clock()
    lists = _recognized(robustger, items)
    stages.recognition, begun = clock() - begun, clock()

    wanted = [position for position, item in enumerate(items) if item.corrects]
    transcripts = [uncorrected(nbest) for nbest in lists]
    if wanted:
        robustger.corrector.forget()  # what earlier batches left would change the last digits of confidences
        listener = _listener(robustger.recognizer, items, lists)
        corrected = robustger.corrector.correct(
            [lists[position] for position in wanted], listener=listener, **correction
        )
        for position, transcript in zip(wanted, corrected, strict=True):
            transcripts[position] = transcript
    stages.correction, begun = clock() - begun, clock()

    segments = []
    for item, nbest, transcript in zip(items, lists, transcripts, strict=True):
        if not isinstance(item.source, Excerpt):
            segments.append(Segment(0.0, 0.0, nbest, transcript))
            continue
        window, samples = item.source.window, cast("np.ndarray", item.source.sound)
        segment = Segment(window.start, window.end, nbest, transcript)
        if item.words:
            timed = timed_words(
                robustger.recognizer, samples, segment.text, start=window.start, language=nbest.language
            )
            segment = replace(segment, words=timed)
        segments.append(segment)
    stages.word_times = clock() - begun
    return segments


def uncorrected(nbest: NBest) -> Transcript:
    """The recognizer's 1-best as a transcript, where no correction is asked for."""
    written = nbest.hypotheses[0].written
    return Transcript(
        id=nbest.id,
        text=nbest.best,
        best=nbest.best,
        generated=nbest.best,
        source="recognizer",
        guard="none",
        confidence=0.0,
        written=written,
    )


def recognizer_for(recognizer: Recognizer, language: str | None) -> Recognizer:
    """The recognizer for recordings in a language; None leaves the language to it.

    Raises:
        InputError: it does not hear this language.
    """
    if language is None or not isinstance(recognizer, HearsLanguages):
        return recognizer
    return recognizer.in_language(language)


def _recognized(robustger: RobustGER, items: Sequence[BatchItem]) -> list[NBest]:
    """The list of each item; the excerpts of one language are recognized together."""
    lists = [item.source for item in items]
    by_language: dict[str | None, list[int]] = {}
    for position, item in enumerate(items):
        if isinstance(item.source, Excerpt):
            by_language.setdefault(item.language, []).append(position)
    for language, positions in by_language.items():
        pairs = recognized_lists(
            recognizer_for(robustger.recognizer, language),
            [cast("Excerpt", lists[position]) for position in positions],
            n=robustger.n,
            beams=robustger.beams,
            normalizer=robustger.normalizer,
        )
        for position, (nbest, _) in zip(positions, pairs, strict=True):
            lists[position] = nbest
    return cast("list[NBest]", lists)


def _listener(recognizer: Recognizer, items: Sequence[BatchItem], lists: Sequence[NBest]) -> Listener | None:
    """Lets the recognizer score texts under the sound of their list; None if it can only recognize."""
    if not isinstance(recognizer, Listens):
        return None
    sounds = {
        id(nbest): (item.source.sound, nbest.language)
        for nbest, item in zip(lists, items, strict=True)
        if isinstance(item.source, Excerpt)
    }

    def listener(nbest: NBest) -> Callable[[Sequence[str]], Sequence[float]] | None:
        sound, language = sounds.get(id(nbest), (None, None))
        if sound is None:
            return None
        return lambda texts: [_heard_score(recognizer, sound, text, language) for text in texts]

    return listener


def _heard_score(recognizer: Listens, sound: Any, text: str, language: str | None) -> float:
    """Log p(text | audio); hardly anything for a text that is longer than the recognizer takes."""
    try:
        return recognizer.score(sound, [text], language=language)[0]
    except InputError:
        return UNHEARABLE

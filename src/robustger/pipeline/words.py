"""Finds the times at which the words of a text are heard."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from robustger.errors import InputError
from robustger.pipeline.edits import blocks_between
from robustger.pipeline.writing_systems import display_words
from robustger.recognition.recognizer import Listens, TimedWord

if TYPE_CHECKING:
    import numpy as np

    from robustger.recognition import Recognizer

_FRAMES_PER_SECOND = 100
_ZERO = 1e-5  # less than half a step of 16 bits; decoders leave such values where there is no sound
_QUIET_DB = (
    30.0  # below the loudest 10 ms; speech spans about this much between its vowels and its consonants
)


def timed_words(
    recognizer: Recognizer, samples: np.ndarray, text: str, *, start: float, language: str | None
) -> tuple[TimedWord, ...]:
    """The words of a text with the times at which they are heard in the recording.

    A recognizer that `Listens` finds the times. If the recognizer does not listen, or the text is too long for it, the
    words are spread between the first and the last loud place of the samples in proportion to their length, and have no
    confidence.

    Args:
        recognizer: the recognizer that heard the samples.
        samples: the stretch in which the text is said, 16 kHz mono, float32 (samples,).
        text: what is said. Its words are its `display_words`: words between blanks, or single characters in scripts
            without blanks.
        start: where the samples begin in the recording, in seconds; it is added to every time.
        language: the code of the text's language; None takes the recognizer's own.

    Returns:
        one word for each word of the text, in order. Times are in seconds, to the millisecond. They do not decrease,
        and lie within the samples but outside the digital silence with which these may begin and end.

    Raises:
        InputError: the recognizer's words are not those of the text.
    """
    if not text.split():
        return ()
    heard: Sequence[TimedWord] | None = None
    if isinstance(recognizer, Listens):
        try:
            heard = recognizer.align(samples, text, language=language)
        except InputError:  # the text is too long for the recognizer
            heard = None
    if heard is None:
        heard = spread_words(text, *_loud_span(samples))
    elif "".join("".join(word.text for word in heard).split()) != "".join(text.split()):
        raise InputError(
            f"{type(recognizer).__name__}.align: its {len(heard)} words are not those of the text {text[:60]!r}; "
            "it has to give each word of the text once, in order"
        )
    return _in_order(retimed(heard, text), start, *_audible_span(samples))


def spread_words(text: str, start: float, end: float) -> tuple[TimedWord, ...]:
    """Spreads the words of a text over a stretch in proportion to their length in characters, without confidence.

    Args:
        text: the words.
        start: where the stretch begins, in seconds.
        end: where the stretch ends, in seconds.
    """
    parts = [piece.text for piece in display_words(text)]
    total = sum(map(len, parts))
    words, before = [], 0
    for part in parts:
        after = before + len(part)
        words.append(
            TimedWord(part, start + (end - start) * before / total, start + (end - start) * after / total)
        )
        before = after
    return tuple(words)


def retimed(words: Sequence[TimedWord], text: str) -> tuple[TimedWord, ...]:
    """Gives the words of another form of a text the times of the words of the first form.

    The two forms are aligned character by character, and each character takes the time of its partner: "fifty mm"
    takes the times of "50 mm". The confidence of a word is the lowest confidence among its partners.

    Args:
        words: the words of the first form, in order; if there are none, all times are 0.
        text: the other form, for example without punctuation.
    """
    parts = [piece.text for piece in display_words(text)]
    if [word.text for word in words] == parts:
        return tuple(words)
    if not words or not parts:
        return spread_words(text, 0.0, 0.0)
    # For each character of the first form: the index of its word, and its share of the word's time.
    owners = [index for index, word in enumerate(words) for _ in word.text]
    spans = [span for word in words for span in _character_spans(word)]
    source, target = "".join(word.text for word in words), "".join(parts)
    found: list[tuple[float, float, range]] = []
    for equal, before, after in blocks_between([*map(str.casefold, source)], [*map(str.casefold, target)]):
        count = len(after)
        if equal:
            found += [(*spans[index], range(index, index + 1)) for index in before]
        elif count:
            opening = spans[before[0]][0] if before else (found[-1][1] if found else words[0].start)
            closing = spans[before[-1]][1] if before else opening
            step = (closing - opening) / count
            found += [(opening + step * k, opening + step * (k + 1), before) for k in range(count)]
    result, position = [], 0
    for part in parts:
        characters = found[position : position + len(part)]
        position += len(part)
        beside = {owners[index] for _, _, indices in characters for index in indices}
        confidences = [words[index].confidence for index in beside]
        known = [confidence for confidence in confidences if confidence is not None]
        result.append(TimedWord(part, characters[0][0], characters[-1][1], min(known) if known else None))
    return tuple(result)


def _character_spans(word: TimedWord) -> list[tuple[float, float]]:
    """The start and end of each character of a word; all take equally long, and punctuation takes no time."""
    voiced = [unicodedata.category(character)[0] != "P" for character in word.text]
    if not any(voiced):
        voiced = [True] * len(voiced)
    times = [
        word.start + (word.end - word.start) * said / sum(voiced) for said in accumulate(voiced, initial=0)
    ]
    return list(pairwise(times))


def _in_order(
    words: Sequence[TimedWord], start: float, earliest: float, latest: float
) -> tuple[TimedWord, ...]:
    """The words on the time line of the recording, moved to lie between two times and not to overlap."""
    result = []
    for word in words:
        begin = min(max(word.start, earliest), latest)
        earliest = min(max(word.end, begin), latest)
        confidence = None if word.confidence is None else round(min(max(word.confidence, 0.0), 1.0), 4)
        result.append(TimedWord(word.text, round(start + begin, 3), round(start + earliest, 3), confidence))
    return tuple(result)


def _audible_span(samples: np.ndarray) -> tuple[float, float]:
    """The times of the first and the last sample that is not zero, in seconds; the whole length if all are zero.

    Where a track begins late, a recognizer may time a word before the first sound.
    """
    import numpy as np

    from robustger.audio import SAMPLE_RATE

    [heard] = np.nonzero(np.abs(samples) > _ZERO)
    if not heard.size:
        return 0.0, samples.size / SAMPLE_RATE
    return float(heard[0]) / SAMPLE_RATE, float(heard[-1] + 1) / SAMPLE_RATE


def _loud_span(samples: np.ndarray) -> tuple[float, float]:
    """The start of the first loud 10 ms and the end of the last, in seconds; the whole length if none are louder."""
    import numpy as np

    from robustger.audio import SAMPLE_RATE

    frame = SAMPLE_RATE // _FRAMES_PER_SECOND
    count = samples.size // frame
    if not count:
        return 0.0, samples.size / SAMPLE_RATE
    power = np.square(samples[: count * frame].astype(np.float64)).reshape(count, frame).mean(axis=1)
    [loud] = np.nonzero(power >= power.max() * 10 ** (-_QUIET_DB / 10))
    return float(loud[0]) * frame / SAMPLE_RATE, float(loud[-1] + 1) * frame / SAMPLE_RATE

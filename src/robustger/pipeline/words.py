"""When each word of a text is heard."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from robustger.errors import InputError
from robustger.pipeline.edits import blocks_between
from robustger.pipeline.writing_systems import pieces
from robustger.recognition.recognizer import Listens, Word

if TYPE_CHECKING:
    import numpy as np

    from robustger.recognition import Recognizer

SAMPLE_RATE = 16_000  # Hz; as robustger.audio, which loads numpy, has it
_FRAME = SAMPLE_RATE // 100  # 10 ms
_ZERO = 1e-5  # less than half a step of 16 bits; what decoders leave where there is nothing
_QUIET_DB = (
    30.0  # below the loudest 10 ms; speech spans about this much between its vowels and its consonants
)


def timed_words(
    recognizer: Recognizer, samples: np.ndarray, text: str, *, start: float, language: str | None
) -> tuple[Word, ...]:
    """The words of a text and where they are heard on the recording's time line.

    A recognizer that `Listens` says when. Where it does not, or finds the text too long, the words are spread between
    the first and the last loud place of the samples in proportion to their length, with no confidence.

    Args:
        recognizer: what is asked.
        samples: the stretch in which the text is said, 16 kHz mono, float32 (samples,).
        text: what is said. Its words are the `pieces` of its writing system: what stands between blanks, or single
            characters where the script has no blanks.
        start: where the samples begin in the recording, in seconds; it is added to every time.
        language: code of the text's language; None takes the recognizer's own.

    Returns:
        one word for each word of the text, in order; times in seconds, to the millisecond, that do not decrease and
        lie within the samples, and not in the digital silence with which they may begin and end.

    Raises:
        InputError: the recognizer's words are not those of the text.
    """
    if not text.split():
        return ()
    heard: Sequence[Word] | None = None
    if isinstance(recognizer, Listens):
        try:
            heard = recognizer.align(samples, text, language=language)
        except InputError:  # longer than the recognizer can hold against an audio
            heard = None
    if heard is None:
        heard = spread_words(text, *_loud_span(samples))
    elif "".join("".join(word.text for word in heard).split()) != "".join(text.split()):
        raise InputError(
            f"{type(recognizer).__name__}.align: its {len(heard)} words are not those of the text {text[:60]!r}; "
            "it has to give each word of the text once, in order"
        )
    return _in_order(retimed(heard, text), start, *_audible_span(samples))


def spread_words(text: str, start: float, end: float) -> tuple[Word, ...]:
    """The words of a text, spread evenly over a stretch by their length in characters; none has a confidence.

    Args:
        text: the words.
        start: of the stretch, in seconds.
        end: of the stretch, in seconds.
    """
    parts = [piece.text for piece in pieces(text)]
    total = sum(map(len, parts))
    words, before = [], 0
    for part in parts:
        after = before + len(part)
        words.append(
            Word(part, start + (end - start) * before / total, start + (end - start) * after / total)
        )
        before = after
    return tuple(words)


def retimed(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """The words of another form of the same text, with the times of these words.

    The forms are laid against each other character by character: "50 mm" and "fifty mm", or characters cut from a
    word, take the times of what they stand against. A word's confidence is the lowest of those it stands against.

    Args:
        words: words in order; without any, all times are 0.
        text: the same text in another form, such as without punctuation.
    """
    parts = [piece.text for piece in pieces(text)]
    if [word.text for word in words] == parts:
        return tuple(words)
    if not words or not parts:
        return spread_words(text, 0.0, 0.0)
    # Of each source character: its word, and its share of the word's time.
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
        result.append(Word(part, characters[0][0], characters[-1][1], min(known) if known else None))
    return tuple(result)


def _character_spans(word: Word) -> list[tuple[float, float]]:
    """When each character of the word is said, as if all took the same time, and punctuation none."""
    voiced = [unicodedata.category(character)[0] != "P" for character in word.text]
    if not any(voiced):
        voiced = [True] * len(voiced)
    times = [
        word.start + (word.end - word.start) * said / sum(voiced) for said in accumulate(voiced, initial=0)
    ]
    return list(pairwise(times))


def _in_order(words: Sequence[Word], start: float, earliest: float, latest: float) -> tuple[Word, ...]:
    """The words on the recording's time line: between two times, none before the end of the one before it."""
    result = []
    for word in words:
        begin = min(max(word.start, earliest), latest)
        earliest = min(max(word.end, begin), latest)
        confidence = None if word.confidence is None else round(min(max(word.confidence, 0.0), 1.0), 4)
        result.append(Word(word.text, round(start + begin, 3), round(start + earliest, 3), confidence))
    return tuple(result)


def _audible_span(samples: np.ndarray) -> tuple[float, float]:
    """Where the samples begin and cease to be other than zero, in seconds; all of them where they never are.

    A recognizer does not look that closely: where a track begins late it may time a word before the first sound.
    """
    import numpy as np

    [heard] = np.nonzero(np.abs(samples) > _ZERO)
    if not heard.size:
        return 0.0, samples.size / SAMPLE_RATE
    return float(heard[0]) / SAMPLE_RATE, float(heard[-1] + 1) / SAMPLE_RATE


def _loud_span(samples: np.ndarray) -> tuple[float, float]:
    """Where the first loud 10 ms begin and the last ones end, in seconds; all of the samples where none are louder."""
    import numpy as np

    count = samples.size // _FRAME
    if not count:
        return 0.0, samples.size / SAMPLE_RATE
    power = np.square(samples[: count * _FRAME].astype(np.float64)).reshape(count, _FRAME).mean(axis=1)
    [loud] = np.nonzero(power >= power.max() * 10 ** (-_QUIET_DB / 10))
    return float(loud[0]) * _FRAME / SAMPLE_RATE, float(loud[-1] + 1) * _FRAME / SAMPLE_RATE

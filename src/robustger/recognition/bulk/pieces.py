"""An utterance as what a recognizer takes: its samples, cut into windows where they are too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.manifest import Utterance

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import ReadingOptions
    from robustger.recognition.recognizer import Features

PAIR_TOLERANCE_SECONDS = (
    0.1  # by which the lengths of a noisy and its clean recording may differ: encoders pad
)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What becomes one N-best list: an utterance, or one window of a long one.

    Attributes:
        utterance: what it is a piece of.
        window: its number among the windows, from 1.
        windows: how many there are.
        start: where it begins in the recording, in seconds; None is the beginning.
        end: where it ends, in seconds; None is the end.
        audio: 16 kHz mono, float32 (samples,), or the features that a recognizer takes in its place; None where nobody
            speaks: then there is this one piece, which need not be recognized.
        clean: the same stretch of the clean recording.
    """

    utterance: Utterance
    window: int
    windows: int
    start: float | None
    end: float | None
    audio: np.ndarray | Features | None
    clean: np.ndarray | Features | None

    @property
    def id(self) -> str:
        """The utterance's id; where there are several windows, with `#` and the window's number."""
        return self.utterance.id if self.windows == 1 else f"{self.utterance.id}#{self.window}"

    def window_meta(self) -> dict[str, Any] | None:
        """Which of several windows this is; None where there is but one."""
        if self.windows == 1:
            return None
        return {"of": self.utterance.id, "number": self.window, "count": self.windows}

    def meta(self) -> dict[str, Any]:
        """What the manifest says of the utterance."""
        meta = dict(self.utterance.meta)
        for key in ("noise", "snr_db"):
            if (value := getattr(self.utterance, key)) is not None:
                meta[key] = value
        return meta


def cut_utterance(
    utterance: Utterance,
    window_seconds: float | None,
    *,
    with_clean: bool,
    find_speech: bool = False,
    options: ReadingOptions | None = None,
) -> tuple[list[Piece], list[str]]:
    """The pieces of an utterance, at least one, and what is wrong with its recordings, where they could be used anyway.

    What fits a window is one piece, whole: somebody marked it as an utterance. Where the clean recording is of no use
    the pieces come without it.

    Args:
        utterance: what to read.
        window_seconds: the longest piece, in seconds; None where any length is taken.
        with_clean: whether the clean recording is read, where there is one.
        find_speech: whether longer ones are cut at pauses in speech, without those in which nobody speaks; else they
            are cut at their quietest places.
        options: of `read_audio`, for both recordings; None is its default.

    Raises:
        AudioError: the recording cannot be used.
    """
    from robustger.audio import SAMPLE_RATE, ReadingOptions, Window, read_audio, windows

    options = options or ReadingOptions()
    problems: list[str] = []
    samples = read_audio(
        utterance.audio,
        start=utterance.start,
        end=utterance.end,
        options=options,
        on_warning=problems.append,
    )
    seconds = samples.size / SAMPLE_RATE
    whole = [Window(0.0, seconds)]
    if window_seconds is None or seconds <= window_seconds:
        spans = whole
    else:
        spans = windows(samples, window_seconds, find_speech=find_speech)
    clean = None
    if with_clean and spans and utterance.clean_audio is not None:
        try:
            clean = _clean_samples(utterance, samples.size, options)
        except InputError as error:
            problems.append(f"{error} (its list has no clean embedding)")
    if not spans:
        return [Piece(utterance, 1, 1, utterance.start, utterance.end, None, None)], problems
    offset = utterance.start or 0.0
    pieces = []
    for number, span in enumerate(spans, start=1):
        pieces.append(
            Piece(
                utterance,
                number,
                len(spans),
                utterance.start if spans == whole else round(offset + span.start, 3),
                utterance.end if spans == whole else round(offset + span.end, 3),
                samples[span.samples],
                None if clean is None else clean[span.samples],
            )
        )
    return pieces, problems


def _clean_samples(utterance: Utterance, length: int, options: ReadingOptions) -> np.ndarray:
    """The clean recording, exactly as long as the noisy one.

    Raises:
        InputError: it cannot be read, or is another utterance by its length.
    """
    import numpy as np

    from robustger.audio import SAMPLE_RATE, read_audio

    assert utterance.clean_audio is not None
    clean = read_audio(utterance.clean_audio, start=utterance.start, end=utterance.end, options=options)
    if abs(clean.size - length) > PAIR_TOLERANCE_SECONDS * SAMPLE_RATE:
        raise InputError(
            f"{utterance.clean_audio}: lasts {clean.size / SAMPLE_RATE:.2f} s, and {utterance.audio} "
            f"{length / SAMPLE_RATE:.2f} s; a pair runs sample by sample alongside"
        )
    return np.pad(clean[:length], (0, max(0, length - clean.size)))

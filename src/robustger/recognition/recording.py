"""The one way from a recording to N-best lists: cut it into windows, recognize the windows, build their lists.

`robustger nbest` and `robustger transcribe` both pass through here, so both call a window by the same id, describe it
by the same keys, and let the recognizer hear the same samples::

    cut(source, blocks, cutting)               samples -> excerpts, one for each window
    recognized_lists(recognizer, excerpts)     excerpts -> N-best lists

A recording that is one window keeps its own id. The windows of a longer one are called `ID#1`, `ID#2`, and so on, and
`meta["window"]` of their lists says `of` which recording they are, their `number` and the `count` of all windows.
`robustger evaluate` joins them by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.recognition.lists import list_of

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import Window
    from robustger.hypotheses import NBest
    from robustger.recognition.recognizer import Features, Recognition, Recognizer

WINDOW_SECONDS = 30.0  # of recognizers that take any length, because their memory grows with the length
SHORTEST_WINDOW_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class AudioSource:
    """A recording, or a stretch of one, as its lists describe it.

    Attributes:
        id: the name of the recording.
        audio: the path of the file as the lists write it; None for samples that came as an array.
        start: where the stretch begins in the file, in seconds; None is the beginning.
        end: where the stretch ends in the file, in seconds; None is the end.
        text: what is said in it; None where nobody knows.
        meta: further facts that each list repeats.
    """

    id: str
    audio: str | None = None
    start: float | None = None
    end: float | None = None
    text: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cutting:
    """The rules by which recordings are cut into windows.

    Attributes:
        window_seconds: the longest window, in seconds.
        find_speech: whether long recordings are cut at pauses in speech and lose the stretches in which nobody speaks,
            and whether faint speech is made louder. False cuts at the quietest places and leaves nothing out.
        keeps_short: whether a recording that fits one window is kept even if no speech is found in it.

    Raises:
        InputError: the window is shorter than 0.1 s.
    """

    window_seconds: float
    find_speech: bool = True
    keeps_short: bool = False

    def __post_init__(self) -> None:
        if not self.window_seconds >= SHORTEST_WINDOW_SECONDS:
            raise InputError(
                f"a window of {self.window_seconds:g} s: choose at least {SHORTEST_WINDOW_SECONDS:g} s"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """The part of a recording that becomes one N-best list.

    Attributes:
        source: the recording.
        window: where the excerpt lies in the source, in seconds from the beginning of the source.
        is_whole: whether the excerpt is all of the source.
        sound: 16 kHz mono, float32 (samples,), or the features that a recognizer takes instead; None where nobody
            speaks, which is not recognized.
        number: the number of the window among the source's windows, from 1.
        count: how many windows the source has; None while the end of the source is still to be read, which means at
            least 2.
        clean: the same stretch of the clean recording, in the form of `sound`; None where there is none.
    """

    source: AudioSource
    window: Window
    is_whole: bool
    sound: np.ndarray | Features | None
    number: int = 1
    count: int | None = 1
    clean: np.ndarray | Features | None = None

    @property
    def id(self) -> str:
        """The id of the list: the id of the source, with `#` and the number where there are several windows."""
        return self.source.id if self.count == 1 else f"{self.source.id}#{self.number}"


def longest_window(recognizer_seconds: float | None, asked_seconds: float | None = None) -> float:
    """The length of the longest window, in seconds.

    Args:
        recognizer_seconds: the longest audio that the recognizer takes at once; None means any length, and the limit is
            then 30 s.
        asked_seconds: the length that the user asks for; None takes the longest.

    Raises:
        InputError: the user asks for more than the recognizer takes, or for less than 0.1 s.
    """
    most = WINDOW_SECONDS if recognizer_seconds is None else recognizer_seconds
    if asked_seconds is None:
        return most
    if not SHORTEST_WINDOW_SECONDS <= asked_seconds <= most:
        raise InputError(f"a window of {asked_seconds:g} s: choose {SHORTEST_WINDOW_SECONDS:g} to {most:g} s")
    return asked_seconds


def cut(source: AudioSource, blocks: Iterable[np.ndarray], cutting: Cutting) -> Iterator[Excerpt]:
    """Cuts a recording into excerpts, and yields each one as soon as its end and its id are known.

    About two windows of sound are held in memory, however long the recording is.

    Args:
        source: the recording.
        blocks: its samples, 16 kHz mono, float32 (samples,) each, one block after the other.
        cutting: the rules.

    Yields:
        the excerpts in order; none where nobody speaks.

    Raises:
        InputError: an error of reading `blocks`.
    """
    from robustger.audio import SAMPLE_RATE, stream_windows

    size = 0  # samples read so far

    def counted() -> Iterator[np.ndarray]:
        nonlocal size
        for block in blocks:
            size += len(block)
            yield block

    coming = counted()
    if cutting.keeps_short:
        begun = _up_to_longer_than(cutting.window_seconds, coming)
        if size <= _samples(cutting.window_seconds):
            yield from _whole(source, begun, cutting)
            return
        coming = chain(begun, coming)
    found = stream_windows(coming, cutting.window_seconds, find_speech=cutting.find_speech)
    first, second = next(found, None), next(found, None)
    if first is not None and second is None:
        window, samples = first
        is_whole = window.start == 0 and window.end == size / SAMPLE_RATE
        yield Excerpt(source, window, is_whole, heard(samples, cutting))
        return
    windows = chain([one for one in (first, second) if one is not None], found)
    for number, (window, samples) in enumerate(windows, start=1):
        yield Excerpt(source, window, False, heard(samples, cutting), number, None)


def heard(samples: np.ndarray, cutting: Cutting) -> np.ndarray:
    """The samples of a window as the recognizer gets them: faint speech is made louder where speech is looked for."""
    from robustger.audio import audible

    return audible(samples) if cutting.find_speech else samples


def recognized_lists(
    recognizer: Recognizer, excerpts: Sequence[Excerpt], *, n: int, beams: int | None, normalizer: str
) -> list[tuple[NBest, Recognition | None]]:
    """The N-best list of each excerpt, with the recognition from which it was made.

    Args:
        recognizer: hears the excerpts, all in one call.
        excerpts: a batch.
        n: hypotheses in a list.
        beams: the width of the beam search; None leaves it to the recognizer.
        normalizer: the name of the normalizer that rewrites the hypotheses, see `robustger.recognition.lists.list_of`.

    Returns:
        one pair for each excerpt, in order. Where nobody speaks there is no recognition, and the list holds one empty
        hypothesis.
    """
    # Any: only recognizers that take features are given some.
    sounds: list[Any] = [excerpt.sound for excerpt in excerpts if excerpt.sound is not None]
    found = iter(recognizer.recognize(sounds, n=n, beams=beams) if sounds else ())
    pairs: list[tuple[NBest, Recognition | None]] = []
    for excerpt in excerpts:
        recognition = None if excerpt.sound is None else next(found)
        pairs.append((_list_of_excerpt(excerpt, recognition, normalizer), recognition))
    return pairs


def with_count(nbest: NBest, count: int) -> NBest:
    """The list of a window whose recording has been read to its end, with the number of all windows in `meta`."""
    if count == 1:
        return nbest
    return replace(nbest, meta={**nbest.meta, "window": {**nbest.meta["window"], "count": count}})


def _list_of_excerpt(excerpt: Excerpt, recognition: Recognition | None, normalizer: str) -> NBest:
    source = excerpt.source
    start, end = source.start, source.end
    if not excerpt.is_whole:
        offset = source.start or 0.0
        start = round(offset + excerpt.window.start, 3)
        end = round(offset + excerpt.window.end, 3)
    window: dict[str, Any] | None = None
    if excerpt.count != 1:
        window = {"of": source.id, "number": excerpt.number}
        if excerpt.count is not None:
            window["count"] = excerpt.count
    return list_of(
        excerpt.id,
        recognition,
        normalizer,
        text=source.text,
        window=window,
        meta=source.meta,
        audio=source.audio,
        start=start,
        end=end,
    )


def _up_to_longer_than(seconds: float, blocks: Iterator[np.ndarray]) -> list[np.ndarray]:
    """Blocks from the iterator: as few as are longer than `seconds` together, or all of them."""
    taken: list[np.ndarray] = []
    left = _samples(seconds)
    for block in blocks:
        taken.append(block)
        left -= len(block)
        if left < 0:
            break
    return taken


def _whole(source: AudioSource, blocks: Sequence[np.ndarray], cutting: Cutting) -> Iterator[Excerpt]:
    """A recording that fits one window, as one excerpt."""
    import numpy as np

    from robustger.audio import SAMPLE_RATE, Window

    samples = blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros(0, np.float32), *blocks])
    yield Excerpt(source, Window(0.0, len(samples) / SAMPLE_RATE), True, heard(samples, cutting))


def _samples(seconds: float) -> int:
    """How many samples fit a window, as `robustger.audio.windows` counts them."""
    from robustger.audio import SAMPLE_RATE

    return int(seconds * SAMPLE_RATE + 1e-6)

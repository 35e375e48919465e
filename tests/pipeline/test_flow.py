"""Recordings on their way through batches, in order, also if one of them turns out to be damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from tests.tiny_whisper import babble

from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.pipeline import Segment, Transcription
from robustger.pipeline.flow import Flow, UnreadRecording
from robustger.recognition.recording import AudioSource, Cutting, Excerpt, cut

CUTTING = Cutting(2.0, find_speech=False)


def recording(name: str, seconds: float, damage: str | None = None) -> UnreadRecording:
    def read() -> Iterator[np.ndarray]:
        yield babble(seconds, len(name))
        if damage is not None:
            raise InputError(damage)

    return UnreadRecording(AudioSource(name), read)


def segment(excerpt: Excerpt) -> Segment:
    nbest = NBest.from_texts(excerpt.id, [excerpt.id], meta={"window": {"of": excerpt.source.id}})
    transcript = Transcript(nbest.id, nbest.best, nbest.best, nbest.best, "llm", "none", 1.0)
    return Segment(excerpt.window.start, excerpt.window.end, nbest, transcript)


def flow(transcribe: Callable[[Sequence[Excerpt]], list[Segment]], batch: int, progress: list[float]) -> Flow:
    return Flow(lambda source, blocks: cut(source, blocks, CUTTING), transcribe, batch, None, progress.append)


def test_windows_of_a_recording_that_turns_out_to_be_damaged_are_not_recognized() -> None:
    heard: list[str] = []

    def transcribe(excerpts: Sequence[Excerpt]) -> list[Segment]:
        heard.extend(excerpt.id for excerpt in excerpts)
        return [segment(excerpt) for excerpt in excerpts]

    recordings = [recording("whole", 1.0), recording("damaged", 9.0, "cut off"), recording("last", 5.0)]
    progress: list[float] = []
    results = list(flow(transcribe, 16, progress).run(recordings))
    assert [source.id for source, _ in results] == ["whole", "damaged", "last"]
    assert str(results[1][1]) == "cut off"
    last = results[2][1]
    assert isinstance(last, Transcription)
    count = len(last.segments)
    assert heard == ["whole", *(f"last#{number}" for number in range(1, count + 1))]
    assert [part.nbest.meta["window"]["count"] for part in last.segments] == [count] * count
    assert sum(progress) == 6.0


def test_a_batch_is_done_as_soon_as_it_is_full() -> None:
    sizes: list[int] = []

    def transcribe(excerpts: Sequence[Excerpt]) -> list[Segment]:
        sizes.append(len(excerpts))
        return [segment(excerpt) for excerpt in excerpts]

    results = list(flow(transcribe, 3, []).run(recording("a" * k, 1.0) for k in range(1, 8)))
    assert sizes == [3, 3, 1]
    assert [source.id for source, _ in results] == ["a" * k for k in range(1, 8)]

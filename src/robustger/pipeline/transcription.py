"""RobustGER: audio in, corrected text out. The rooms below, wired in the order in which an utterance passes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.hypotheses.checks import printable
from robustger.pipeline.presets import load_preset_recognizer
from robustger.pipeline.values import Failure, Segment, Transcription
from robustger.pipeline.words import timed_words
from robustger.text import get_normalizer

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import Window
    from robustger.correction import Corrector
    from robustger.recognition import Recognition, Recognizer

WINDOW_SECONDS = 30.0  # where the recogniser takes any length: memory grows with it
SAMPLE_RATE = 16_000  # Hz; as robustger.audio, which loads numpy, has it
BATCH_WINDOWS = 16  # recognised and corrected together; those of several short files make up one batch


@dataclass(frozen=True, slots=True, eq=False)
class _Recording:
    id: str
    audio: str | None
    samples: np.ndarray
    windows: list[Window]


class RobustGER:
    """A recogniser and a corrector, each loaded when it is first used.

    Use `from_preset`; the constructor is for parts of one's own.

    Args:
        load_recognizer: gives the recogniser.
        load_corrector: gives the corrector.
        n: hypotheses per utterance.
        beams: width of the beam search; None leaves it to the recogniser.
        normalizer: name of the normaliser that writes the hypotheses as the corrector knows them.

    Example:
        >>> from robustger import RobustGER
        >>> RobustGER.from_preset("lab").transcribe("noisy.flac").text  # doctest: +SKIP
        'the ferry to the island leaves at noon'
    """

    def __init__(
        self,
        load_recognizer: Callable[[], Recognizer],
        load_corrector: Callable[[], Corrector],
        *,
        n: int = 5,
        beams: int | None = None,
        normalizer: str = "raw",
    ) -> None:
        self._load_recognizer = load_recognizer
        self._load_corrector = load_corrector
        self._normalize = get_normalizer(normalizer)
        self._rewritten = normalizer != "raw"
        self.n = n
        self.beams = beams

    @classmethod
    def from_preset(
        cls,
        name: str | os.PathLike[str] = "whisper",
        *,
        recognizer: str | Recognizer | None = None,
        model: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        base: str | None = None,
        quantization: str | None = None,
        n: int | None = None,
        beams: int | None = None,
        device: str | None = None,
        **options: Any,
    ) -> RobustGER:
        """The recogniser and the corrector of a preset; no model is loaded before it is needed.

        Args:
            name: a preset of the package, or a folder with the same files.
            recognizer: another kind of recogniser, which needs a `model` too; or a recogniser that is loaded already.
            model: other weights for the recogniser: a folder or a name.
            checkpoint: another corrector: a checkpoint folder or the name of a preset.
            base: the corrector's language model from elsewhere: a folder or a name; None takes the one its checkpoint
                names.
            quantization: of the language model's weights, as `CorrectorConfig.quantization`; None takes the
                checkpoint's.
            n: hypotheses per utterance; None takes the preset's.
            beams: width of the beam search; None takes the preset's.
            device: of both models; None picks the GPU where there is one.
            options: further keyword arguments of the recogniser's class, such as `language`.

        Raises:
            InputError: no such preset, a bad setting in it, or an argument that does not fit the others.
        """
        kind = recognizer if isinstance(recognizer, str) else None
        settings = load_preset_recognizer(name).chosen(kind, model, n, beams)
        if device is not None:
            options["device"] = device
        changes: dict[str, Any] = {"base": base, "quantization": quantization}

        def load_corrector() -> Corrector:
            from robustger.correction import Corrector

            return Corrector.from_pretrained(
                checkpoint or settings.corrector or name, device=device, **changes
            )

        def load_recognizer() -> Recognizer:
            if recognizer is None or isinstance(recognizer, str):
                return settings.load(**options)
            return recognizer

        return cls(
            load_recognizer,
            load_corrector,
            n=settings.n,
            beams=settings.beams,
            normalizer=settings.normalizer,
        )

    @cached_property
    def recognizer(self) -> Recognizer:
        """The recogniser.

        Raises:
            MissingModelError: neither on this machine nor to be had from a model hub.
        """
        return self._load_recognizer()

    @cached_property
    def corrector(self) -> Corrector:
        """The corrector.

        Raises:
            InputError: no such checkpoint, or a broken one.
        """
        return self._load_corrector()

    def transcribe(
        self,
        audio: str | os.PathLike[str] | BinaryIO | np.ndarray,
        *,
        id: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        window_seconds: float | None = None,
        **correction: Any,
    ) -> Transcription:
        """The text of one recording.

        Recordings that are longer than a window are cut at their quietest places; each stretch is recognised and
        corrected by itself.

        Args:
            audio: a file that `robustger.audio.read_audio` reads, or samples: (samples,) or (frames, channels).
            id: what the transcription and its lists are called; None takes the file's name, or "audio".
            sample_rate: of samples that come as an array, in Hz.
            window_seconds: longest stretch that is recognised at once; None takes the recogniser's.
            correction: options of `Corrector.correct`, such as `guard`; and `words`, whether the times of the words are
                looked for.

        Raises:
            AudioError: the audio cannot be read, or holds nothing to recognise.
            InputError: an option that the corrector refuses.
        """
        samples = _read(audio, sample_rate)
        name = os.fspath(audio) if isinstance(audio, str | os.PathLike) else None
        recording = self._cut(id or (_id(name) if name else "audio"), name, samples, window_seconds)
        return self._transcribed([recording], lambda seconds: None, correction)[0]

    def transcribe_files(
        self,
        files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        window_seconds: float | None = None,
        on_progress: Callable[[float], object] = lambda seconds: None,
        **correction: Any,
    ) -> Iterator[Transcription | Failure]:
        """One value per file, in order; short files share batches. "-" is standard input.

        Args:
            files: the recordings; a single path is one recording.
            window_seconds: as for `transcribe`.
            on_progress: called with the seconds of audio just finished.
            correction: as for `transcribe`.

        Raises:
            InputError: a model that cannot be loaded, or an option it refuses; never for a file.
        """
        from robustger.audio import AudioError

        if isinstance(files, str | os.PathLike):  # one file, and not its letters
            files = [files]
        waiting: list[_Recording | Failure] = []
        for file in (os.fspath(file) for file in files):
            try:
                samples = _read(file, SAMPLE_RATE)
            except InputError as error:
                message = str(error) if isinstance(error, AudioError) else f"{file}: {error}"
                waiting.append(Failure(_id(file), printable(file), message))
            else:
                waiting.append(self._cut(_id(file), printable(file), samples, window_seconds))
            if sum(len(item.windows) for item in waiting if isinstance(item, _Recording)) >= BATCH_WINDOWS:
                yield from self._in_order(waiting, on_progress, correction)
                waiting = []
        yield from self._in_order(waiting, on_progress, correction)

    def _cut(
        self, id: str, audio: str | None, samples: np.ndarray, window_seconds: float | None
    ) -> _Recording:
        from robustger.audio import Window, windows

        longest = self.recognizer.window_seconds or WINDOW_SECONDS
        if window_seconds is not None:
            if not 0 < window_seconds <= longest:
                raise InputError(
                    f"a window of {window_seconds:g} s: choose more than 0 and at most {longest:g} s"
                )
            longest = window_seconds
        seconds = samples.size / SAMPLE_RATE
        whole = seconds <= longest  # an utterance is not cut at its own pauses
        return _Recording(id, audio, samples, [Window(0.0, seconds)] if whole else windows(samples, longest))

    def _in_order(
        self,
        waiting: Sequence[_Recording | Failure],
        on_progress: Callable[[float], object],
        correction: Mapping[str, Any],
    ) -> Iterator[Transcription | Failure]:
        recordings = [item for item in waiting if isinstance(item, _Recording)]
        transcribed = iter(self._transcribed(recordings, on_progress, correction) if recordings else ())
        for item in waiting:
            yield item if isinstance(item, Failure) else next(transcribed)

    def _transcribed(
        self,
        recordings: Sequence[_Recording],
        on_progress: Callable[[float], object],
        correction: Mapping[str, Any],
    ) -> list[Transcription]:
        """Transcriptions of recordings that are read and cut, their windows in batches."""
        # What is missing is told before the work begins.
        recognizer, corrector = self.recognizer, self.corrector
        correction = dict(correction)
        words = bool(correction.pop("words", False))
        jobs = [(index, window) for index, recording in enumerate(recordings) for window in recording.windows]
        segments: list[list[Segment]] = [[] for _ in recordings]
        for first in range(0, len(jobs), BATCH_WINDOWS):
            batch = jobs[first : first + BATCH_WINDOWS]
            ids = [_window_id(recordings[index], window) for index, window in batch]
            recognitions = recognizer.recognize(
                [_slice(recordings[index].samples, window) for index, window in batch],
                n=self.n,
                beams=self.beams,
            )
            lists = [
                self._nbest(id, recordings[index].audio, window, recognition)
                for id, (index, window), recognition in zip(ids, batch, recognitions, strict=True)
            ]
            transcripts = corrector.correct(lists, **correction)
            for (index, window), nbest, transcript in zip(batch, lists, transcripts, strict=True):
                segment = Segment(window.start, window.end, nbest, transcript)
                if words:
                    samples = _slice(recordings[index].samples, window)
                    heard = timed_words(
                        recognizer, samples, segment.text, start=window.start, language=nbest.language
                    )
                    segment = replace(segment, words=heard)
                segments[index].append(segment)
            on_progress(sum(window.end - window.start for _, window in batch))
        return [
            Transcription(recording.id, recording.audio, recording.samples.size / SAMPLE_RATE, tuple(parts))
            for recording, parts in zip(recordings, segments, strict=True)
        ]

    def _nbest(self, id: str, audio: str | None, window: Window, recognition: Recognition) -> NBest:
        meta: dict[str, Any] = {"distinct": recognition.distinct}
        if self._rewritten:
            meta["recognized"] = recognition.hypotheses[0].text
        return NBest(
            id=id,
            hypotheses=tuple(
                replace(hypothesis, text=self._normalize(hypothesis.text))
                for hypothesis in recognition.hypotheses
            ),
            audio=audio,
            start=window.start,
            end=window.end,
            meta=meta,
        )


def _read(audio: Any, sample_rate: int) -> np.ndarray:
    from robustger.audio import as_samples

    is_stdin = isinstance(audio, str) and audio == "-"
    return as_samples(sys.stdin.buffer.read() if is_stdin else audio, sample_rate)


def _id(file: str) -> str:
    return "stdin" if file == "-" else printable(Path(file).stem)


def _window_id(recording: _Recording, window: Window) -> str:
    """The recording's own id where it is one window: the id under which a manifest may have it too."""
    return recording.id if len(recording.windows) == 1 else f"{recording.id}-{round(1000 * window.start):08d}"


def _slice(samples: np.ndarray, window: Window) -> np.ndarray:
    return samples[round(window.start * SAMPLE_RATE) : round(window.end * SAMPLE_RATE)]

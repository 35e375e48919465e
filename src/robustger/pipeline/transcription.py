"""RobustGER: audio in, corrected text out. The rooms below, wired in the order in which an utterance passes them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.hypotheses.checks import printable
from robustger.pipeline.flow import Flow, Job, Kept, Source
from robustger.pipeline.presets import load_preset_recognizer
from robustger.pipeline.values import Failure, Segment, Transcription
from robustger.pipeline.words import timed_words
from robustger.recognition.lists import list_of
from robustger.text import get_normalizer

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import ReadingOptions, Window
    from robustger.correction import Corrector
    from robustger.recognition import Recognizer

WINDOW_SECONDS = 30.0  # where the recognizer takes any length: memory grows with it
SAMPLE_RATE = 16_000  # Hz; as robustger.audio, which loads numpy, has it
BATCH_WINDOWS = 16  # recognized and corrected together; those of several short files make up one batch


class RobustGER:
    """A recognizer and a corrector, each loaded when it is first used.

    Use `from_preset`; the constructor is for parts of one's own.

    Args:
        load_recognizer: gives the recognizer.
        load_corrector: gives the corrector.
        n: hypotheses per utterance.
        beams: width of the beam search; None leaves it to the recognizer.
        normalizer: name of the normalizer that writes the hypotheses as the corrector knows them. In a language that is
            known and not English, `words` takes the place of an English one.
        find_speech: whether silence, noise and music are left out, so that nobody's speech becomes an empty text.
            False recognizes everything: short recordings as they are, long ones cut at their quietest places.
        identity: what tells these models and settings from others, values that JSON can hold; a transcription into a
            file that was killed goes on only where this is known.

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
        find_speech: bool = True,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self._load_recognizer = load_recognizer
        self._load_corrector = load_corrector
        get_normalizer(normalizer)  # an unknown one is told now
        self.normalizer = normalizer
        self.n = n
        self.beams = beams
        self.find_speech = find_speech
        self.identity = identity

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
        normalizer: str | None = None,
        device: str | None = None,
        find_speech: bool | None = None,
        **options: Any,
    ) -> RobustGER:
        """The recognizer and the corrector of a preset; no model is loaded before it is needed.

        Args:
            name: a preset of the package, or a folder with the same files.
            recognizer: another kind of recognizer, which needs a `model` too; or a recognizer that is loaded already.
            model: other weights for the recognizer: a folder or a name.
            checkpoint: another corrector: a checkpoint folder or the name of a preset.
            base: the corrector's language model from elsewhere: a folder or a name; None takes the one its checkpoint
                names.
            quantization: of the language model's weights, as `CorrectorConfig.quantization`; None takes the
                checkpoint's.
            n: hypotheses per utterance; None takes the preset's.
            beams: width of the beam search; None takes the preset's.
            normalizer: how the corrector reads English; None takes the preset's.
            device: of both models; None picks the GPU where there is one.
            find_speech: as for the class; None is True, but False where `recognizer` is a loaded one: what of one's own
                recognizes decides for itself what is speech.
            options: further keyword arguments of the recognizer's class, such as `language` and `search`.

        Raises:
            InputError: no such preset, a bad setting in it, or an argument that does not fit the others.
        """
        kind = recognizer if isinstance(recognizer, str) else None
        settings = load_preset_recognizer(name).chosen(kind, model, n, beams, normalizer)
        is_loaded = recognizer is not None and kind is None
        if find_speech is None:
            find_speech = not is_loaded
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

        identity = {
            **settings.model_dump(),
            "options": settings.options | options,
            "corrector": str(checkpoint or settings.corrector or name),
            **changes,
            "find_speech": find_speech,
        }
        return cls(
            load_recognizer,
            load_corrector,
            n=settings.n,
            beams=settings.beams,
            normalizer=settings.normalizer,
            find_speech=find_speech,
            identity=None if is_loaded else identity,
        )

    @cached_property
    def recognizer(self) -> Recognizer:
        """The recognizer.

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
        audio: Any,
        *,
        id: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        window_seconds: float | None = None,
        words: bool = False,
        reading: ReadingOptions | None = None,
        on_warning: Callable[[str], object] = lambda message: None,
        **correction: Any,
    ) -> Transcription:
        """The text of one recording.

        A recording that is longer than a window is cut at pauses in speech, and stretches without speech are left out;
        each window is recognized and corrected by itself. Where nobody speaks there are no segments.

        Args:
            audio: a file, its path or open, that `robustger.audio.read_audio` reads; or samples in any form that
                `robustger.audio.as_samples` takes.
            id: what the transcription and its lists are called; None takes the file's name, or "audio".
            sample_rate: of samples that come as an array, in Hz.
            window_seconds: longest stretch that is recognized at once; None takes the recognizer's.
            words: whether the times of the words are looked for.
            reading: how a file is read, as for `read_audio`; None is its default.
            on_warning: called with one line for what is missing of a damaged file.
            correction: options of `Corrector.correct`, such as `guard`.

        Raises:
            AudioError: the audio cannot be read, or is silent.
            InputError: an option that the corrector refuses.
        """
        name = printable(os.fspath(audio)) if isinstance(audio, str | os.PathLike) else None
        source = Source(
            id or (_id(name) if name else "audio"),
            name,
            lambda: _blocks(audio, sample_rate, reading, on_warning),
        )
        flow = self._flow(window_seconds, words, None, lambda seconds: None, correction)
        [(_, outcome)] = flow.run([source])
        if isinstance(outcome, InputError):
            raise outcome
        return outcome

    def transcribe_files(
        self,
        files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        window_seconds: float | None = None,
        words: bool = False,
        reading: ReadingOptions | None = None,
        kept: Kept | None = None,
        on_progress: Callable[[float], object] = lambda seconds: None,
        on_warning: Callable[[str], object] = lambda message: None,
        **correction: Any,
    ) -> Iterator[Transcription | Failure]:
        """One value per file, in order; short files share batches. "-" is standard input.

        However long the recordings, no more of their sound is held than the windows of a batch and the next one.

        Args:
            files: the recordings; a single path is one recording.
            window_seconds: as for `transcribe`.
            words: as for `transcribe`.
            reading: as for `transcribe`.
            kept: what remembers the batches of a run that was killed; see `robustger.pipeline.resume`.
            on_progress: called with the seconds of audio just finished.
            on_warning: as for `transcribe`.
            correction: as for `transcribe`.

        Raises:
            InputError: a model that cannot be loaded, or an option it refuses; never for a file.
        """
        if isinstance(files, str | os.PathLike):  # one file, and not its letters
            files = [files]
        sources = (_file_source(os.fspath(file), reading, on_warning) for file in files)
        flow = self._flow(window_seconds, words, kept, on_progress, correction)
        for source, outcome in flow.run(sources):
            if isinstance(outcome, InputError):
                file = str(source.audio)
                message = printable(str(outcome))
                yield Failure(source.id, file, message if file in message else f"{file}: {message}")
            else:
                yield outcome

    def _flow(
        self,
        window_seconds: float | None,
        words: bool,
        kept: Kept | None,
        on_progress: Callable[[float], object],
        correction: Mapping[str, Any],
    ) -> Flow:
        return Flow(
            lambda blocks: self._cut(blocks, window_seconds),
            lambda jobs: self._segments(jobs, words, correction),
            BATCH_WINDOWS,
            kept,
            on_progress,
        )

    def _cut(
        self, blocks: Iterator[np.ndarray], window_seconds: float | None
    ) -> Iterator[tuple[Window, np.ndarray]]:
        from robustger.audio import audible, stream_windows

        longest = self.recognizer.window_seconds or WINDOW_SECONDS
        if window_seconds is not None:
            if not 0 < window_seconds <= longest:
                raise InputError(
                    f"a window of {window_seconds:g} s: choose more than 0 and at most {longest:g} s"
                )
            longest = window_seconds
        _ = self.corrector  # what is missing is told before the work begins
        found = stream_windows(blocks, longest, find_speech=self.find_speech)
        return ((window, audible(samples)) for window, samples in found) if self.find_speech else found

    def _segments(self, jobs: Sequence[Job], words: bool, correction: Mapping[str, Any]) -> list[Segment]:
        """What becomes of a batch of windows."""
        recognitions = self.recognizer.recognize([job.samples for job in jobs], n=self.n, beams=self.beams)
        lists = [
            list_of(
                job.id,
                recognition,
                self.normalizer,
                audio=job.audio,
                start=job.window.start,
                end=job.window.end,
            )
            for job, recognition in zip(jobs, recognitions, strict=True)
        ]
        transcripts = self.corrector.correct(lists, **correction)
        segments = []
        for job, nbest, transcript in zip(jobs, lists, transcripts, strict=True):
            segment = Segment(job.window.start, job.window.end, nbest, transcript)
            if words:
                heard = timed_words(
                    self.recognizer,
                    job.samples,
                    segment.text,
                    start=job.window.start,
                    language=nbest.language,
                )
                segment = replace(segment, words=heard)
            segments.append(segment)
        return segments


def _file_source(file: str, reading: ReadingOptions | None, on_warning: Callable[[str], object]) -> Source:
    return Source(_id(file), printable(file), lambda: _blocks(file, SAMPLE_RATE, reading, on_warning))


def _blocks(
    audio: Any, sample_rate: int, reading: ReadingOptions | None, on_warning: Callable[[str], object]
) -> Iterator[np.ndarray]:
    from robustger.audio import ReadingOptions, as_samples, stream_audio

    if isinstance(audio, str) and audio == "-":
        audio = io.BytesIO(sys.stdin.buffer.read())
        audio.name = "-"  # for messages
    if isinstance(audio, str | os.PathLike) or hasattr(audio, "read"):
        return stream_audio(audio, options=reading or ReadingOptions(), on_warning=on_warning)
    return iter([as_samples(audio, sample_rate, "audio")])


def _id(file: str) -> str:
    return "stdin" if file == "-" else printable(Path(file).stem)

"""RobustGER: takes audio and returns corrected text, through a recognizer and a corrector."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.hypotheses.checks import printable
from robustger.pipeline.batch import BatchItem, transcribe_batch
from robustger.pipeline.flow import Flow, Kept, UnreadRecording
from robustger.pipeline.presets import load_preset_recognizer
from robustger.pipeline.transcription import Failure, Segment, Transcription
from robustger.recognition.recording import (
    AudioSource,
    Cutting,
    Excerpt,
    cut,
    longest_window,
)
from robustger.text import get_normalizer

if TYPE_CHECKING:
    import numpy as np

    from robustger.audio import ReadingOptions
    from robustger.correction import Corrector
    from robustger.recognition import Recognizer

BATCH_WINDOWS = 16  # windows that are recognized and corrected together; several short files share a batch


class RobustGER:
    """Transcribes audio with a recognizer and a corrector, each loaded when it is first used.

    Use `from_preset`. The constructor is for parts of your own.

    Args:
        load_recognizer: returns the recognizer.
        load_corrector: returns the corrector.
        n: hypotheses per window.
        beams: width of the beam search; None leaves it to the recognizer.
        normalizer: the name of the normalizer that rewrites the hypotheses as the corrector knows them. In a language
            that is known and not English, `words` replaces a normalizer that reads English only.
        find_speech: whether silence, noise and music are left out, so that a recording without speech gets an empty
            text. False recognizes everything: short recordings as they are, long ones cut at their quietest places.
        identity: distinguishes these models and settings from others, by values that JSON can hold. A killed
            transcription into a file can continue only if this is given.

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
            recognizer: another kind of recognizer, which also needs a `model`; or a recognizer that is already loaded.
            model: other weights for the recognizer: a folder or a name.
            checkpoint: another corrector: a checkpoint folder or the name of a preset.
            base: another place of the corrector's language model: a folder or a name; None takes the one that its
                checkpoint names.
            quantization: how the weights of the language model are stored, see `CorrectorConfig.quantization`; None
                takes the checkpoint's setting.
            n: hypotheses per window; None takes the preset's setting.
            beams: width of the beam search; None takes the preset's setting.
            normalizer: how the corrector reads English; None takes the preset's setting.
            device: where both models run; None picks the GPU if there is one.
            find_speech: as for the class. None means True, but False if `recognizer` is already loaded, because your
                own recognizer may decide for itself what is speech.
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
            MissingModelError: the model is neither on this machine nor on a model hub that can be reached.
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
        sample_rate: int = 16_000,
        window_seconds: float | None = None,
        words: bool = False,
        reading: ReadingOptions | None = None,
        on_warning: Callable[[str], object] = lambda message: None,
        **correction: Any,
    ) -> Transcription:
        """Transcribes one recording.

        A recording that is longer than a window is cut at pauses in speech, and stretches without speech are left out.
        Each window is recognized and corrected by itself. Where nobody speaks there are no segments.

        Args:
            audio: a path or an open file that `robustger.audio.read_audio` reads, or samples in any form that
                `robustger.audio.as_samples` takes.
            id: the id of the transcription and its lists; None takes the name of the file, or "audio".
            sample_rate: the rate of samples that come as an array, in Hz.
            window_seconds: the longest stretch that is recognized at once, at least 0.1 s and at most as long as the
                recognizer takes. None takes the longest: the recognizer's window, or 30 s where it takes any length.
            words: whether the words get times.
            reading: how a file is read, as for `read_audio`; None is its default.
            on_warning: called with one line for each missing part of a damaged file.
            correction: options of `Corrector.correct`, such as `guard`.

        Raises:
            AudioError: the audio cannot be read, or is silent.
            InputError: an option that the corrector refuses.
        """
        name = printable(os.fspath(audio)) if isinstance(audio, str | os.PathLike) else None
        recording = UnreadRecording(
            AudioSource(id or (_id(name) if name else "audio"), name),
            lambda: _blocks(audio, sample_rate, reading, on_warning),
        )
        flow = self._flow(window_seconds, words, None, lambda seconds: None, correction)
        [(_, result)] = flow.run([recording])
        if isinstance(result, InputError):
            raise result
        return result

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
        """Transcribes files, in order; short files share batches. "-" is standard input.

        Only the windows of a batch and of the next one are held in memory, however long the recordings are.

        Args:
            files: the recordings; a single path is one recording.
            window_seconds: as for `transcribe`.
            words: as for `transcribe`.
            reading: as for `transcribe`.
            kept: remembers the batches of a run that was killed; see `robustger.pipeline.resume`.
            on_progress: called with the seconds of recordings just finished.
            on_warning: as for `transcribe`.
            correction: as for `transcribe`.

        Raises:
            InputError: a model that cannot be loaded, or an option it refuses; never for a file.
        """
        if isinstance(files, str | os.PathLike):  # one file, and not its letters
            files = [files]
        recordings = (_unread_file(os.fspath(file), reading, on_warning) for file in files)
        flow = self._flow(window_seconds, words, kept, on_progress, correction)
        for source, result in flow.run(recordings):
            if isinstance(result, InputError):
                file = str(source.audio)
                message = printable(str(result))
                yield Failure(source.id, file, message if file in message else f"{file}: {message}")
            else:
                yield result

    def _flow(
        self,
        window_seconds: float | None,
        words: bool,
        kept: Kept | None,
        on_progress: Callable[[float], object],
        correction: Mapping[str, Any],
    ) -> Flow:
        return Flow(
            lambda source, blocks: cut(source, blocks, self.cutting(window_seconds)),
            lambda excerpts: self._transcribe_excerpts(excerpts, words, correction),
            BATCH_WINDOWS,
            kept,
            on_progress,
        )

    def cutting(self, window_seconds: float | None = None) -> Cutting:
        """How recordings are cut. Both models are loaded, so that a missing one is reported before the work begins.

        Args:
            window_seconds: as for `transcribe`.

        Raises:
            InputError: the window is longer than the recognizer takes, or a model cannot be loaded.
        """
        cutting = Cutting(longest_window(self.recognizer.window_seconds, window_seconds), self.find_speech)
        _ = self.corrector
        return cutting

    def _transcribe_excerpts(
        self, excerpts: Sequence[Excerpt], words: bool, correction: Mapping[str, Any]
    ) -> list[Segment]:
        return transcribe_batch(self, [BatchItem(excerpt, words=words) for excerpt in excerpts], correction)


def _unread_file(
    file: str, reading: ReadingOptions | None, on_warning: Callable[[str], object]
) -> UnreadRecording:
    from robustger.audio import SAMPLE_RATE

    source = AudioSource(_id(file), printable(file))
    return UnreadRecording(source, lambda: _blocks(file, SAMPLE_RATE, reading, on_warning))


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

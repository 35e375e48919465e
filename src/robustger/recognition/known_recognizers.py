"""Recognizers are picked by name.

==============  ======================================================================================
whisper         any Whisper checkpoint, through transformers
ctc             any CTC model of transformers (wav2vec2, Parakeet-CTC, ...), with a prefix beam search
faster-whisper  Whisper checkpoints converted for CTranslate2
==============  ======================================================================================
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from robustger.errors import InputError
from robustger.recognition.recognizer import Recognizer
from robustger.registry import Registry

RECOGNIZERS: Registry[Callable[..., Recognizer]] = Registry("recognizer")


def load_recognizer(kind: str, model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    """The recognizer of the given kind with the weights of `model`.

    Args:
        kind: `whisper`, `ctc` or `faster-whisper`.
        model: name or folder, see `robustger.models.resolve_model`.
        options: the keyword arguments of that recognizer's class.

    Raises:
        InputError: no such kind, no such option, or an option's value that the recognizer refuses.
        MissingModelError: no such model.
        MissingExtraError: a package that this kind needs is not installed.

    Example:
        >>> recognizer = load_recognizer("whisper", "openai/whisper-tiny.en", device="cpu")  # doctest: +SKIP
    """
    return RECOGNIZERS.get(kind)(model, **options)


@RECOGNIZERS.register("whisper")
def _whisper(model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    from robustger.recognition.recognizers.whisper import WhisperRecognizer

    _check_options("whisper", WhisperRecognizer, options)
    return WhisperRecognizer(model, **options)


@RECOGNIZERS.register("ctc")
def _ctc(model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    from robustger.recognition.recognizers.ctc import CTCRecognizer

    _check_options("ctc", CTCRecognizer, options)
    return CTCRecognizer(model, **options)


@RECOGNIZERS.register("faster-whisper")
def _faster_whisper(model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    from robustger.recognition.recognizers.faster_whisper import FasterWhisperRecognizer

    _check_options("faster-whisper", FasterWhisperRecognizer, options)
    return FasterWhisperRecognizer(model, **options)


def _check_options(kind: str, recognizer: type, options: dict[str, Any]) -> None:
    known = [name for name in inspect.signature(recognizer).parameters if name != "model"]
    for name in options:
        if name not in known:
            raise InputError(f"recognizer {kind!r} has no option {name!r}; choose among: {', '.join(known)}")

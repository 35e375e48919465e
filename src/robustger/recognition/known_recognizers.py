"""The recognizers that can be picked by name.

==============  ======================================================================================
whisper         any Whisper checkpoint, through transformers
ctc             any CTC model of transformers (wav2vec2, Parakeet-CTC, ...), with a prefix beam search
faster-whisper  Whisper checkpoints converted for CTranslate2
==============  ======================================================================================

Other packages add theirs through the entry point group `robustger.recognizers`; see docs/how-to/recognizers.md.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from robustger.errors import InputError
from robustger.recognition.recognizer import Recognizer
from robustger.registry import Registry

RECOGNIZERS: Registry[Callable[..., Recognizer]] = Registry("recognizer", "robustger.recognizers")


def load_recognizer(kind: str, model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    """The recognizer of the given kind with the weights of `model`.

    Args:
        kind: `whisper`, `ctc`, `faster-whisper`, or a name that another package adds.
        model: name or folder, see `robustger.models.resolve_model`.
        options: the keyword arguments of that recognizer's class.

    Raises:
        InputError: there is no such kind or option, or the recognizer refuses the value of an option.
        MissingModelError: there is no such model.
        MissingExtraError: a package that this kind needs is not installed.

    Example:
        >>> recognizer = load_recognizer("whisper", "openai/whisper-tiny.en", device="cpu")  # doctest: +SKIP
    """
    return _made(kind, RECOGNIZERS.get(kind), model, options)


@RECOGNIZERS.register("whisper")
def _whisper(model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    from robustger.recognition.recognizers.whisper import WhisperRecognizer

    return _made("whisper", WhisperRecognizer, model, options)


@RECOGNIZERS.register("ctc")
def _ctc(model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    from robustger.recognition.recognizers.ctc import CTCRecognizer

    return _made("ctc", CTCRecognizer, model, options)


@RECOGNIZERS.register("faster-whisper")
def _faster_whisper(model: str | os.PathLike[str], /, **options: Any) -> Recognizer:
    from robustger.recognition.recognizers.faster_whisper import FasterWhisperRecognizer

    return _made("faster-whisper", FasterWhisperRecognizer, model, options)


def _made(
    kind: str, make: Callable[..., Recognizer], model: str | os.PathLike[str], options: dict[str, Any]
) -> Recognizer:
    """The recognizer, after a check that `make` has all the options.

    Raises:
        InputError: it has no such option.
    """
    _, *known = inspect.signature(make).parameters.values()  # the first one is the model
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in known):
        names = [parameter.name for parameter in known]
        for name in options:
            if name not in names:
                among = f"choose among: {', '.join(names)}" if names else "it has none"
                raise InputError(f"recognizer {kind!r} has no option {name!r}; {among}")
    return make(model, **options)

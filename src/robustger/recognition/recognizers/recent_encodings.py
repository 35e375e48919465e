"""What was made of the last few audios, so that recognizing, scoring and aligning one of them encodes it once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from robustger.recognition.recognizer import Features

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

KEPT = 16  # as many windows as a pipeline recognizes at once; 30 s of whisper-base take 3 MB, of whisper-large 8 MB


class Recent(Generic[T]):
    """The last `KEPT` values, each under the audio that it was made of; the audio itself is not kept.

    Audios are told apart by their samples, so an equal copy is the same audio. A recognizer owns one of these, and
    what is in it goes with the recognizer. Only what holds texts against an audio asks for it: lists are made
    without, so that they depend on nothing that happened before.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[bytes, T] = OrderedDict()

    def get(self, audio: np.ndarray | Features) -> T | None:
        """What was kept for an audio, or None."""
        key = _digest(audio)
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def keep(self, audio: np.ndarray | Features, value: T) -> None:
        """Keeps a value, and forgets the one that was not asked for the longest where there are too many."""
        self._values[_digest(audio)] = value
        while len(self._values) > KEPT:
            self._values.popitem(last=False)


def _digest(audio: np.ndarray | Features) -> bytes:
    import numpy as np

    values = audio.values if isinstance(audio, Features) else audio
    kind = f"{type(audio).__name__} {values.dtype} {values.shape}".encode()
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes() + kind, digest_size=16).digest()

"""Keeps the encoder's states of the most recent audios, so that each audio is encoded only once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from robustger.recognition.recognizer import Features

if TYPE_CHECKING:
    import numpy as np

Encoding = TypeVar("Encoding")

# As many windows as a pipeline recognizes at once. 30 s of whisper-base take 3 MB, of whisper-large 8 MB.
KEPT = 16


class RecentEncodings(Generic[Encoding]):
    """The encoder's states of the last `KEPT` audios; the audios themselves are not kept.

    Audios are compared by their samples, so a copy is the same audio. Each recognizer owns one of these objects.
    Aligning and scoring read it after an audio was recognized. A search never reads it, so that what it finds does not
    depend on earlier calls.
    """

    def __init__(self) -> None:
        self._states: OrderedDict[bytes, Encoding] = OrderedDict()

    def get(self, audio: np.ndarray | Features) -> Encoding | None:
        """The states kept for an audio; None if there are none."""
        key = _digest(audio)
        if key in self._states:
            self._states.move_to_end(key)
        return self._states.get(key)

    def keep(self, audio: np.ndarray | Features, states: Encoding) -> None:
        """Keeps the states of an audio. If there are too many, those that were not used for the longest time go."""
        self._states[_digest(audio)] = states
        while len(self._states) > KEPT:
            self._states.popitem(last=False)


def _digest(audio: np.ndarray | Features) -> bytes:
    import numpy as np

    values = audio.values if isinstance(audio, Features) else audio
    kind = f"{type(audio).__name__} {values.dtype} {values.shape}".encode()
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes() + kind, digest_size=16).digest()

"""Each audio is encoded once, and only the most recent ones are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tests.tiny_whisper import babble

from robustger.recognition import load_recognizer
from robustger.recognition.recognizers.recent_encodings import KEPT, RecentEncodings

TEXTS = ["the night train", "show me the door", "", "on", "the night train to lisbon"]


def test_one_audio_is_encoded_once(multilingual: Path) -> None:
    recognizer: Any = load_recognizer("whisper", multilingual, device="cpu", language="auto")
    passes: list[int] = []
    recognizer._model.model.encoder.register_forward_hook(lambda *_: passes.append(1))
    audio = babble(1.0, 1)
    recognizer.recognize([audio])
    recognizer.score(audio.copy(), TEXTS)
    recognizer.align(audio, "the night train")
    assert len(passes) == 1
    recognizer.align(babble(1.0, 2), "the night train")
    assert len(passes) == 2


def test_only_the_last_audios_are_kept() -> None:
    recent: RecentEncodings[int] = RecentEncodings()
    audios = [babble(0.1, seed) for seed in range(KEPT + 3)]
    for number, audio in enumerate(audios):
        recent.keep(audio, number)
        assert recent.get(audios[0]) == 0  # what is asked for stays
    kept = [recent.get(audio) for audio in audios]
    assert kept == [0, None, None, None, *range(4, KEPT + 3)]
    assert recent.get(audios[0].astype(np.float64)) is None

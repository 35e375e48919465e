"""Makes audio files for the tests, and measures how similar two signals are."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from tests.fixtures_audio import encoded, speech_like

from robustger.audio.frames import FrameRun, runs_of_frames

SPEECH = speech_like(1.5)


STEREO_44K = np.stack([speech_like(1.5, 44_100, seed=seed) for seed in (1, 2)], axis=1)


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Signal-to-difference ratio in dB, over what both have."""
    n = min(len(a), len(b))
    return float(10 * np.log10(np.sum(a[:n] ** 2) / (np.sum((a[:n] - b[:n]) ** 2) + 1e-12)))


def ffmpeg_file(
    container: str, codec: str, sample_rate: int = 48_000, options: dict[str, str] | None = None
) -> bytes:
    """One and a half seconds of mono speech in a container that libsndfile does not read."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream: Any = output.add_stream(codec, rate=sample_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech_like(1.5, sample_rate)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = sample_rate, 0
        convert = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=sample_rate, frame_size=stream.frame_size or 0
        )
        for part in [*convert.resample(frame), *convert.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def scan_mpeg(content: bytes) -> FrameRun | None:
    """The one run of frames that an MP3 file is, None where it has none."""
    runs = runs_of_frames(io.BytesIO(content), len(content))
    return runs[0] if len(runs) == 1 else None


@functools.cache
def speech_file(kind: str, subtype: str | None = None) -> bytes:
    return encoded(SPEECH[:8000], kind=kind, subtype=subtype)

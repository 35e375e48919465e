"""Makes recordings in containers that give every packet its time, with PyAV."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np


def muxed(
    container: str,
    codec: str,
    tracks: Sequence[Sequence[tuple[float, np.ndarray]]],
    *,
    rate: int = 48_000,
    video: tuple[float, float] | None = None,
) -> bytes:
    """A file of audio tracks and perhaps a video.

    Args:
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the encoder.
        tracks: stretches of sound each, with the second at which they are heard; (samples,) or (channels, samples).
        rate: of the samples, in Hz.
        video: begin and end of a video in seconds; none when None.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        picture = (
            output.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p") if video else None
        )
        layouts = ["stereo" if stretches[0][1].ndim == 2 else "mono" for stretches in tracks]
        streams: list[Any] = [output.add_stream(codec, rate=rate, layout=layout) for layout in layouts]
        if picture is not None and video is not None:
            for number in range(round(video[0] * 25), round(video[1] * 25)):
                image = av.VideoFrame(32, 32, "yuv420p")
                image.pts, image.time_base = number, Fraction(1, 25)
                output.mux(picture.encode(image))
            output.mux(picture.encode(None))
        for stream, layout, stretches in zip(streams, layouts, tracks, strict=True):
            size = stream.codec_context.frame_size or 1024
            for begin, samples in stretches:
                convert = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
                channels = np.atleast_2d(samples)
                for first in range(0, channels.shape[1] - size + 1, size):
                    block = np.ascontiguousarray(channels[:, first : first + size])
                    frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                    frame.sample_rate = rate
                    [converted] = convert.resample(frame)
                    converted.pts, converted.time_base = round(begin * rate) + first, Fraction(1, rate)
                    output.mux(stream.encode(converted))
            output.mux(stream.encode(None))
    return file.getvalue()

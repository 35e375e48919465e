"""Turns audio files and arrays into samples (16 kHz, mono, float32), and cuts long audio into windows.

A file that cannot be read to its end raises `AudioError`, whose message is one line with the name of the file and the
reason. With `ReadingOptions(keep_going=True)` the intact rest of such a file is read, and a warning names the missing
part. docs/reference/audio.md lists the formats, and says which damage is noticed.
"""

from robustger.audio.arrays import as_samples
from robustger.audio.files import (
    AudioInfo,
    ReadingOptions,
    probe_audio,
    read_audio,
    stated_seconds,
    stream_audio,
)
from robustger.audio.samples import SAMPLE_RATE, SILENCE_PEAK, AudioError, check_samples, to_mono_16k
from robustger.audio.speech import audible
from robustger.audio.windows import Window, stream_windows, windows
from robustger.audio.writing import write_audio

__all__ = [
    "SAMPLE_RATE",
    "SILENCE_PEAK",
    "AudioError",
    "AudioInfo",
    "ReadingOptions",
    "Window",
    "as_samples",
    "audible",
    "check_samples",
    "probe_audio",
    "read_audio",
    "stated_seconds",
    "stream_audio",
    "stream_windows",
    "to_mono_16k",
    "windows",
    "write_audio",
]

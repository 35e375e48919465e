"""Turns audio files and arrays into the samples a recognizer takes (16 kHz, mono, float32), and cuts long audio into
windows.

Whatever cannot be read whole raises `AudioError`, one line that names the file and says what is wrong with it; with
`ReadingOptions(keep_going=True)` what is left of it is read, and a warning says what is missing.
docs/reference/audio.md lists the formats, and what is found out about a file that was cut off or is damaged.
"""

from robustger.audio.arrays import as_samples
from robustger.audio.files import AudioInfo, ReadingOptions, probe_audio, read_audio, stream_audio
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
    "stream_audio",
    "stream_windows",
    "to_mono_16k",
    "windows",
    "write_audio",
]

"""Audio files and arrays to what a recogniser takes: 16 kHz, mono, float32; long audio cut into windows.

Whatever cannot be read whole raises `AudioError`, one line that names the file and says what is wrong with it.
docs/reference/audio.md lists the formats and what is found out about a file that was cut off.
"""

from robustger.audio.files import AudioInfo, probe_audio, read_audio, write_audio
from robustger.audio.samples import SAMPLE_RATE, SILENCE_PEAK, AudioError, check_samples, to_mono_16k
from robustger.audio.windows import Window, windows

__all__ = [
    "SAMPLE_RATE",
    "SILENCE_PEAK",
    "AudioError",
    "AudioInfo",
    "Window",
    "check_samples",
    "probe_audio",
    "read_audio",
    "to_mono_16k",
    "windows",
    "write_audio",
]

"""From audio to N-best lists, and to the encoder's embedding of the audio.

`base` says what a recogniser is, `choices` picks one by name, `whisper`, `ctc` and `faster_whisper` are those there
are, and `strategy` how widely all of them search and what makes a list.
"""

from robustger.recognition.base import AudioEmbedding, Recognition, Recognizer
from robustger.recognition.choices import RECOGNIZERS, load_recognizer

__all__ = [
    "RECOGNIZERS",
    "AudioEmbedding",
    "Recognition",
    "Recognizer",
    "load_recognizer",
]

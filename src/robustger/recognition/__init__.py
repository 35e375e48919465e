"""From audio to N-best lists, and to the encoder's embedding of the audio.

`base` says what a recognizer is, `choices` picks one by name, `whisper`, `ctc` and `faster_whisper` are those there
are, and `strategy` how widely all of them search and what makes a list.
"""

from robustger.recognition.known_recognizers import RECOGNIZERS, load_recognizer
from robustger.recognition.recognizer import AudioEmbedding, Recognition, Recognizer

__all__ = [
    "RECOGNIZERS",
    "AudioEmbedding",
    "Recognition",
    "Recognizer",
    "load_recognizer",
]

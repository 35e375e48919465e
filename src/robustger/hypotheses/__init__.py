"""Defines N-best lists and transcripts, and reads and writes their files.

An N-best JSONL file holds one object a line, UTF-8::

    {"id": "u1", "hypotheses": ["what is the fair", "what is the fare"], "scores": [-0.2, -0.4], "reference": "..."}

====================  ==================  ==========================================================================
key                   value               meaning
====================  ==================  ==========================================================================
``id``                string or integer   required; an integer becomes a string
``hypotheses``        list of strings     required; at least one, best first; empty strings are allowed
``scores``            list of numbers     log-probability of each hypothesis; finite
``reference``         string              what was said
``audio``             string              path of the recording
``start``, ``end``    numbers             where the utterance lies in the recording, in seconds
``audio_embedding``   object              where the recognizer's embedding of the audio is stored
``meta``              object              anything else
====================  ==================  ==========================================================================

Optional keys may be absent or null; other keys are an error, so that a misspelled key is not a key ignored. Blank lines
are skipped and a byte order mark is tolerated.
"""

from robustger.files import atomic_writer, refuse_overwriting
from robustger.hypotheses.hyporadise import read_hyporadise
from robustger.hypotheses.jsonl import (
    BadLine,
    load_nbest,
    read_nbest,
    read_numbered,
    save_nbest,
    stream_nbest,
)
from robustger.hypotheses.judged_edit import JudgedEdit
from robustger.hypotheses.transcript import Transcript
from robustger.hypotheses.values import Hypothesis, NBest

__all__ = [
    "BadLine",
    "Hypothesis",
    "JudgedEdit",
    "NBest",
    "Transcript",
    "atomic_writer",
    "load_nbest",
    "read_hyporadise",
    "read_nbest",
    "read_numbered",
    "refuse_overwriting",
    "save_nbest",
    "stream_nbest",
]

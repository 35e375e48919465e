"""Writes a transcription as text, JSON or subtitles.

====  ======================================================================================================
text  the text and nothing else
json  one line: text, segments, words if they are known, N-best lists, confidences, changes
srt   SubRip subtitles
vtt   WebVTT subtitles (W3C)
====  ======================================================================================================

`robustger.pipeline.subtitles` cuts the subtitles; segments without words get no cue.
"""

from __future__ import annotations

import html
import json
from typing import Protocol

from robustger.pipeline.subtitles import Cue, readable_cues, word_cues
from robustger.pipeline.transcription import Transcription
from robustger.registry import Registry


class Format(Protocol):
    """Writes a transcription as a string."""

    def __call__(self, transcription: Transcription, *, plain: bool = False, words: bool = False) -> str:
        """The transcription in this format.

        Args:
            transcription: the transcription.
            plain: whether the words alone are written, without case and punctuation.
            words: whether each word gets its time, if the format has a place for it.
        """
        ...


FORMATS: Registry[Format] = Registry("format")
SUBTITLES = ("srt", "vtt")
WITH_WORDS = ("json", *SUBTITLES)
SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}


@FORMATS.register("text")
def to_text(transcription: Transcription, *, plain: bool = False, words: bool = False) -> str:
    """The text on one line, without times."""
    return (transcription.plain if plain else transcription.text) + "\n"


@FORMATS.register("json")
def to_json(transcription: Transcription, *, plain: bool = False, words: bool = False) -> str:
    """A JSON object on one line, so that many recordings become JSON Lines.

    It holds the written text, the words alone, and the times of the words if the transcription has them.
    """
    return json.dumps(transcription.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"


@FORMATS.register("srt")
def to_srt(transcription: Transcription, *, plain: bool = False, words: bool = False) -> str:
    """SubRip: numbered cues, times with a decimal comma; with `words` each word is a cue."""
    cues = (word_cues if words else readable_cues)(transcription, plain=plain)
    return "".join(
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


@FORMATS.register("vtt")
def to_vtt(transcription: Transcription, *, plain: bool = False, words: bool = False) -> str:
    """WebVTT: times with a decimal point, `&`, `<` and `>` escaped as its cue text demands.

    With `words`, each word stands in a `<c>` after the time at which it begins, so that players can highlight it.
    """
    return "WEBVTT\n\n" + "".join(
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n"
        f"{_words_with_times(cue) if words else html.escape(cue.text, quote=False)}\n\n"
        for cue in readable_cues(transcription, plain=plain)
    )


def _words_with_times(cue: Cue) -> str:
    """The text of a cue with a time before each word, except where the standard does not allow one.

    Times inside a cue must lie between its beginning and its end, each after the one before.
    """
    lines, latest = [], cue.start_ms
    for line in cue.lines:
        written = ""
        for position, word in enumerate(line):
            written += "" if word.piece.glued or not position else " "
            if latest < word.start_ms < cue.end_ms:
                latest = word.start_ms
                written += f"<{_time(latest, '.')}>"
            written += f"<c>{html.escape(word.piece.text, quote=False)}</c>"
        lines.append(written)
    return "\n".join(lines)


def nbest_lines(transcription: Transcription, *, plain: bool = False) -> str:
    """The N-best list of every segment, indented, with scores if there are any; `plain` writes the words alone."""
    lines = []
    for segment in transcription.segments:
        lines.append(f"  {segment.start:.2f} - {segment.end:.2f} s")
        nbest = segment.nbest
        texts = nbest.texts if plain else nbest.written
        for rank, (hypothesis, text) in enumerate(zip(nbest.hypotheses, texts, strict=True), start=1):
            score = "" if hypothesis.score is None else f"{hypothesis.score:9.3f}"
            lines.append(f"  {rank:3d}{score}  {text}")
    return "".join(f"{line}\n" for line in lines)


def _time(milliseconds: int, mark: str) -> str:
    """hh:mm:ss and milliseconds."""
    rest, milliseconds = divmod(milliseconds, 1000)
    rest, seconds = divmod(rest, 60)
    hours, minutes = divmod(rest, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{milliseconds:03d}"

"""How a transcription is written.

====  ======================================================================================================
text  the words, nothing else
json  one line: text, segments, N-best lists, confidences
srt   SubRip subtitles, one cue per segment
vtt   WebVTT subtitles (W3C), one cue per segment
====  ======================================================================================================

Segments without words give no cue.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator

from robustger.pipeline.values import Segment, Transcription
from robustger.registry import Registry

FORMATS: Registry[Callable[[Transcription], str]] = Registry("format")
SUBTITLES = ("srt", "vtt")
SUFFIXES = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}


@FORMATS.register("text")
def to_text(transcription: Transcription) -> str:
    """The text on one line."""
    return transcription.text + "\n"


@FORMATS.register("json")
def to_json(transcription: Transcription) -> str:
    """A JSON object on one line, so that those of many recordings are JSON Lines."""
    return json.dumps(transcription.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"


@FORMATS.register("srt")
def to_srt(transcription: Transcription) -> str:
    """SubRip: numbered cues, times with a decimal comma."""
    return "".join(
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n{segment.text}\n\n"
        for number, segment in enumerate(_spoken(transcription), start=1)
    )


@FORMATS.register("vtt")
def to_vtt(transcription: Transcription) -> str:
    """WebVTT: times with a decimal point, `&`, `<` and `>` escaped as its cue text demands."""
    return "WEBVTT\n\n" + "".join(
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{html.escape(segment.text, quote=False)}\n\n"
        for segment in _spoken(transcription)
    )


def nbest_lines(transcription: Transcription) -> str:
    """The N-best list of every segment, indented, with scores where there are any."""
    lines = []
    for segment in transcription.segments:
        lines.append(f"  {segment.start:.2f} - {segment.end:.2f} s")
        for rank, hypothesis in enumerate(segment.nbest.hypotheses, start=1):
            score = "" if hypothesis.score is None else f"{hypothesis.score:9.3f}"
            lines.append(f"  {rank:3d}{score}  {hypothesis.text}")
    return "".join(f"{line}\n" for line in lines)


def _spoken(transcription: Transcription) -> Iterator[Segment]:
    return (segment for segment in transcription.segments if segment.text)


def _time(seconds: float, mark: str) -> str:
    """hh:mm:ss and milliseconds."""
    rest, milliseconds = divmod(round(1000 * seconds), 1000)
    rest, seconds_ = divmod(rest, 60)
    hours, minutes = divmod(rest, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds_:02d}{mark}{milliseconds:03d}"

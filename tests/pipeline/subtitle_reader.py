"""Reads subtitles back: a small reader of SubRip and WebVTT, which refuses files that players would refuse."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_TIMES = re.compile(r"(\d{2,}:\d\d:\d\d[,.]\d{3}) --> (\d{2,}:\d\d:\d\d[,.]\d{3})")


@dataclass(frozen=True)
class ReadCue:
    """A cue as a player has it; times in milliseconds, `tags` the times inside the text."""

    start: int
    end: int
    lines: list[str]
    tags: list[int]


def milliseconds(time: str) -> int:
    hours, minutes, seconds, rest = map(int, re.split("[:,.]", time))
    assert minutes < 60
    assert seconds < 60
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + rest


def read_srt(content: str) -> list[ReadCue]:
    if not content:
        return []
    assert content.endswith("\n\n")
    cues = []
    for position, block in enumerate(content[:-2].split("\n\n"), start=1):
        number, times, *lines = block.split("\n")
        assert number == str(position)
        found = _TIMES.fullmatch(times)
        assert found
        assert "." not in times
        cues.append(ReadCue(milliseconds(found[1]), milliseconds(found[2]), lines, []))
    return cues


def read_vtt(content: str) -> list[ReadCue]:
    assert content.startswith("WEBVTT\n\n")
    assert content.endswith("\n\n")
    cues = []
    for block in content[:-2].split("\n\n")[1:]:
        times, *lines = block.split("\n")
        found = _TIMES.fullmatch(times)
        assert found
        assert "," not in times
        text = "\n".join(lines)
        assert "-->" not in text  # the standard forbids it in the text of a cue
        tags = [milliseconds(tag) for tag in re.findall(r"<([\d:.]+)>", text)]
        bare = re.sub(r"<[\d:.]+>|</?c>", "", text)
        assert "<" not in bare
        assert text.count("<c>") == text.count("</c>")
        cues.append(
            ReadCue(milliseconds(found[1]), milliseconds(found[2]), html.unescape(bare).split("\n"), tags)
        )
    return cues

"""Finds the transcription in what a chat model wrote, which often comes with thoughts, quotes and remarks around it."""

from __future__ import annotations

import json
import re

QUOTES = "\"“”'"

LONGEST_ANSWER = 64_000  # characters; no transcription of 30 seconds is so long
_THOUGHTS_END = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_THOUGHTS_BEGIN = re.compile(r"<(?:think|thinking|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"\A```[^\n`]*\n(.*?)\n?```", re.DOTALL)
_WHAT = r"(?:transcription|transcript|text|sentence|utterance|output|answer|reply|correction|result)"
_LEAD_IN = re.compile(
    r"\A(?P<mark>[*_]*)"
    r"(?:(?:sure|certainly|of course|okay)\b[^:\n]{0,80}|here(?:['’]s| is| are)\b[^:\n]{0,80}"
    rf"|(?:the |my )?(?:(?:most )?(?:likely|probable|corrected|correct|final|best|accurate) ){{0,3}}{_WHAT}"
    r"(?: (?:is|would be))?)"
    r"\s*(?::(?P=mark)|(?P=mark):)\s*",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(r"\A(?:[>#]+\s+|[-*]\s+)")
_MARKS = ("***", "**", "*", "__", "_", "`")


def unquoted(line: str) -> str:
    """The text without one pair of quotation marks around it, and with folded white space."""
    text = " ".join(line.split())
    if len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
        return " ".join(text[1:-1].split())
    return text


def transcription_in(content: str, best: str) -> str | None:
    r"""The transcription in the answer of a chat model, as one line.

    Thoughts, a code fence, JSON around the text, an introduction ("Here is the corrected text:"), Markdown, quotation
    marks, and everything behind the first line that is left are taken away. Whether the result is a plausible
    transcription is not decided here.

    Args:
        content: what the model wrote.
        best: the recognizer's 1-best. Words that it begins with itself are no introduction.

    Returns:
        the text, perhaps empty; None if the answer ends within its thoughts, or is far too long.

    Example:
        >>> transcription_in('<think>Hm.</think>Here is the text:\n\n**"what is the fare"**', "what is the fair")
        'what is the fare'
    """
    if len(content) > LONGEST_ANSWER:
        return None
    text = _THOUGHTS_END.split(content)[-1]
    if _THOUGHTS_BEGIN.search(text):
        return None
    text = text.strip()
    if (fence := _FENCE.match(text)) is not None:
        text = fence[1].strip()
    text = _text_of_json(text)
    lead_in = _LEAD_IN.match(text)
    if lead_in is not None and not _begins_alike(lead_in[0], best):
        text = text[lead_in.end() :]
    line = next((line.strip() for line in text.splitlines() if line.strip().strip("*_`")), "")
    return unquoted(_without_markdown(unquoted(_without_markdown(line))))


def _begins_alike(lead_in: str, best: str) -> bool:
    words = re.findall(r"[\w'’]+", lead_in.lower())
    return words[:1] == best.lower().split()[:1]


def _text_of_json(text: str) -> str:
    """The only string of a JSON value; the text itself if it is none."""
    if not text.startswith(("{", "[", '"')):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    while isinstance(value, dict | list) and len(value) == 1:
        [value] = value.values() if isinstance(value, dict) else value
    return value.strip() if isinstance(value, str) else text


def _without_markdown(line: str) -> str:
    line = _MARKDOWN.sub("", line)
    for mark in _MARKS:
        if len(line) > 2 * len(mark) and line.startswith(mark) and line.endswith(mark):
            line = line[len(mark) : -len(mark)].strip()
    return line

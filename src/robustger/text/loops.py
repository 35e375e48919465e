"""Recognizes the loops of a recognizer: a word or phrase that its decoder wrote again and again.

The rule is the one of OpenAI's Whisper (`compression_ratio_threshold` of `transcribe`): a text is a loop if zlib makes
it more than 2.4 times shorter. Whisper applies it to windows of up to 30 seconds, which hold less than about 1,000
bytes. Two bounds keep what is no loop from being called one:

- A text of fewer than 60 bytes is no loop, because people repeat a word for good reasons ("no no no no").
- A text of more than 1,000 bytes is a loop if a stretch of 1,000 bytes is one, because zlib makes any long text short.

The rule also catches a verse that is sung twice in a row, and 50 digits in a row that are written as words.
"""

from __future__ import annotations

import re
import zlib

MAX_COMPRESSION_RATIO = 2.4
SHORTEST_LOOP_BYTES = 60
STRETCH_BYTES = 1000
TWICE_WORDS = 6

_BREAK = re.compile(r"[\s.,;:!?\"“”()—…。、！？]+")  # marks of a script belong to its words


def compression_ratio(content: bytes) -> float:
    """The length of a text in UTF-8 divided by its length after zlib compressed it; 0 for the empty text."""
    return len(content) / len(zlib.compress(content))


def is_loop(text: str) -> bool:
    """Whether the text repeats itself so much that a recognizer must have looped.

    Example:
        >>> is_loop("and " * 40), is_loop("row row row your boat gently down the stream")
        (True, False)
    """
    content = text.encode()
    stretches = (content[at : at + STRETCH_BYTES] for at in range(0, len(content), STRETCH_BYTES))
    return any(
        len(stretch) >= SHORTEST_LOOP_BYTES and compression_ratio(stretch) > MAX_COMPRESSION_RATIO
        for stretch in stretches
    )


def says_twice(text: str) -> bool:
    """Whether some stretch of six words stands in the text twice, without case and punctuation.

    In 1,273 references of read speech this occurs once. A recognizer that has lost the speaker in
    noise does it often: it repeats its own sentence, once or a few times, which is too little for `is_loop`.

    Example:
        >>> says_twice("We live on this new planet. We live on this new planet.")
        True
        >>> says_twice("row row row your boat gently down the stream")
        False
    """
    words = [word for word in _BREAK.split(text.casefold()) if word]
    stretches = [tuple(words[at : at + TWICE_WORDS]) for at in range(len(words) - TWICE_WORDS + 1)]
    return len(set(stretches)) < len(stretches)

"""The units of the token-level noise embedding (eq. 5): words between blanks, or the tokens of a recognizer.

The paper speaks of ASR tokens, and the released feature script takes words. Punctuation belongs to its word in
`whitespace`, so that `it` and `it.` differ as words do; in `asr-token` the full stop alone differs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from robustger.registry import Registry

ASR_MODEL = "whisper-base"  # all multilingual models of Whisper up to large-v2, the paper's, have its tokens

TokenSplitter = Callable[[str], list[str]]
"""Cuts a hypothesis into tokens; blanks at their edges are gone, and no token is empty."""

TOKEN_UNITS: Registry[TokenSplitter] = Registry("token unit")


@TOKEN_UNITS.register("whitespace")
def split_at_blanks(text: str) -> list[str]:
    """The words between blanks, as they are written."""
    return text.split()


@TOKEN_UNITS.register("asr-token")
def split_as_whisper(text: str) -> list[str]:
    """The tokens of Whisper, as the texts that they stand for.

    A token that begins a word and one that continues a word are the same where they have the same letters, because the
    sentence encoder reads both alike. Characters of several tokens stay whole.

    Raises:
        MissingModelError: there is no Whisper model here to take the tokens from.
    """
    # Whisper writes the first word behind a blank, too.
    text = " " + text
    spans: list[tuple[int, int]] = []
    for start, end in _tokenizer().encode(text, add_special_tokens=False).offsets:
        if spans and start < spans[-1][1]:  # a part of the same character
            start = spans.pop()[0]
        spans.append((start, end))
    pieces = (text[start:end].strip() for start, end in spans)
    return [piece for piece in pieces if piece]


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    from robustger.models import resolve_model

    return Tokenizer.from_file(str(resolve_model(ASR_MODEL) / "tokenizer.json"))

"""What a token of the token-level noise embedding is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.token_units import TOKEN_UNITS


class OneHot:
    """Every text has a dimension of its own, drawn when it is first seen."""

    dimension = 64

    def __init__(self) -> None:
        self.seen: dict[str, int] = {"": 0}

    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = torch.zeros(len(texts), self.dimension)
        for row, text in enumerate(texts):
            if text:
                rows[row, self.seen.setdefault(text, len(self.seen))] = 1.0
        return rows


def test_the_tokens_of_whisper() -> None:
    split = TOKEN_UNITS.get("asr-token")
    assert split("turn it off.") == ["turn", "it", "off", "."]
    assert split("") == split("   ") == []
    for text in ("Zurückhaltung überall", "we are there, aren't we?", "  two   blanks ", "日本語 🙂"):
        pieces = split(text)
        assert "".join(pieces) == "".join(text.split())
        assert all(piece and piece == piece.strip() for piece in pieces)
    assert len(split("Zurückhaltung")) > 1


def test_punctuation_alone_differs_by_the_mark_alone() -> None:
    lists = [["turn it off.", "turn it off"]]
    words, tokens = (
        NoiseEmbedder(OneHot(), n=2, token_unit=unit)(lists)[0, 1] for unit in ("whitespace", "asr-token")
    )
    assert sorted(words.tolist())[:1] == [-1.0]  # off against off.
    assert max(words.tolist()) == 1.0
    assert max(tokens.tolist()) == 0.0
    assert sorted(tokens.tolist())[:2] == [-1.0, 0.0]
    same = NoiseEmbedder(OneHot(), n=2, token_unit="asr-token")([["turn it off"] * 2])
    assert not same.any()

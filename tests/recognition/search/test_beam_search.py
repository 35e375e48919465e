"""Beam search and drawing: against transformers' own search, and on decoders that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.stock_search import stock_beam_search
from torch import Tensor

from robustger.recognition.recognizers.whisper import WhisperRecognizer
from robustger.recognition.recognizers.whisper_decoder import WhisperDecoder
from robustger.recognition.search.beam_search import beam_search, draw_texts

SPELLING = 256 + 2  # bytes and the two special tokens


@pytest.mark.parametrize("length_penalty", [1.0, 0.0, 0.6])
@pytest.mark.parametrize(
    ("beams", "longest", "options"),
    [
        (6, 31, {}),
        (12, 31, {"end_bias": 8.0}),
        (7, 4, {}),
        (10, 9, {"allowed": "ab", "vocabulary": SPELLING, "end_bias": 3.0}),  # fewer tokens than beams
        (5, 12, {"kind": "multilingual", "end_bias": 7.0}),
    ],
)
def test_every_beam_is_what_transformers_finds(
    make_whisper: Callable[..., Path],
    audios: list[np.ndarray],
    beams: int,
    longest: int,
    options: dict[str, Any],
    length_penalty: float,
) -> None:
    recognizer = WhisperRecognizer(make_whisper(**options), max_new_tokens=longest)
    with torch.inference_mode():
        states = recognizer._encode(audios)
        expected = stock_beam_search(recognizer, states, beams, longest, length_penalty)
        found = beam_search(
            recognizer._decoder(states, ["en"] * len(states)),
            beams=beams,
            end=recognizer._settings["eos_token_id"],
            longest=longest,
            length_penalty=length_penalty,
        )
    assert [[one.ids for one in texts] for texts in found] == [
        [one.ids for one in texts] for texts in expected
    ]
    for texts, others in zip(found, expected, strict=True):
        np.testing.assert_allclose([t.score for t in texts], [t.score for t in others], atol=1e-4)
    assert len({tuple(one.ids) for texts in found for one in texts}) > 10


class Chain:
    """A decoder that looks at the last token alone, by a table for each audio: (B, V, V), row 0 being the beginning.

    Keeps count of the rows it was asked for.
    """

    def __init__(self, tables: Tensor) -> None:
        self.tables = tables.log_softmax(-1)
        self.audios = torch.arange(len(tables))
        self.rows: list[int] = []

    def first(self) -> Tensor:
        return self.tables[:, 0]

    def advance(self, audios: Tensor | None, rows: Tensor, tokens: Tensor) -> Tensor:
        if audios is not None:
            self.audios = self.audios[audios]
        self.rows.append(len(rows))
        texts = len(rows) // len(self.audios)
        return self.tables[self.audios.repeat_interleave(texts), tokens]


def tables(count: int, vocabulary: int, seed: int) -> Tensor:
    return 2 * torch.randn(count, vocabulary, vocabulary, generator=torch.Generator().manual_seed(seed))


def test_a_search_that_is_over_leaves_the_batch() -> None:
    every = tables(6, 9, 0)
    every[:, :, 8] += 6.0  # end soon
    every[1, :, 8] = -20.0  # never
    search = {"beams": 4, "end": 8, "longest": 15, "length_penalty": 1.0}
    together = Chain(every)
    found = beam_search(together, **search)  # type: ignore[arg-type]
    assert together.rows == sorted(together.rows, reverse=True)
    assert (together.rows[0], together.rows[-1], len(together.rows)) == (6 * 4, 4, 14)
    assert together.rows[5] < 6 * 4
    for audio, texts in enumerate(found):
        alone = Chain(every[audio : audio + 1])
        [expected] = beam_search(alone, **search)  # type: ignore[arg-type]
        assert [one.ids for one in texts] == [one.ids for one in expected]
        assert [one.score for one in texts] == pytest.approx([one.score for one in expected], abs=1e-5)
        assert len(texts) == 4


def test_scores_are_those_of_the_tokens() -> None:
    decoder = Chain(tables(5, 7, 1))
    for audio, texts in enumerate(beam_search(decoder, beams=3, end=6, longest=8, length_penalty=1.0)):
        for ids, score in texts:
            before = [0, *ids[:-1]]
            assert score == pytest.approx(float(decoder.tables[audio, before, ids].sum()), abs=1e-5)
            assert 6 not in ids[:-1]
            assert ids[-1] == 6 or len(ids) == 8


def test_drawing_the_likeliest_and_at_random() -> None:
    decoder = Chain(tables(4, 7, 2))
    for audio, [(ids, score)] in enumerate(
        draw_texts(decoder, lambda scores: scores.argmax(-1), texts=1, end=6, longest=9)
    ):
        before = [0, *ids[:-1]]
        assert ids == decoder.tables[audio, before].argmax(-1).tolist()
        assert score == pytest.approx(float(decoder.tables[audio, before, ids].sum()), abs=1e-5)
        assert (ids[-1] == 6) != (len(ids) == 9 and 6 not in ids)
    draw = torch.Generator().manual_seed(3)
    drawn = draw_texts(
        decoder,
        lambda scores: scores.exp().multinomial(1, generator=draw).flatten(),
        texts=5,
        end=6,
        longest=9,
    )
    assert [len(texts) for texts in drawn] == [5] * 4
    assert len({tuple(ids) for texts in drawn for ids, _ in texts}) > 10
    for audio, texts in enumerate(drawn):
        for ids, score in texts:
            assert score == pytest.approx(float(decoder.tables[audio, [0, *ids[:-1]], ids].sum()), abs=1e-5)


def test_the_decoder_shares_what_it_hears(
    tiny_whisper: Path, audios: list[np.ndarray], teacher_forced: Callable[..., Tensor]
) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    prompt = recognizer._prompts.ids("en")
    texts = [[[5, 9, 40, 7], [60, 70, 80, 90]], [[33, 3, 3, 8], [9, 5, 44, 6]], [[1, 2, 3, 4], [4, 3, 2, 1]]]
    with torch.inference_mode():
        decoder = WhisperDecoder(recognizer._model, recognizer._encode(audios[:3]), [prompt] * 3)
        decoder.first()
        rows, staying = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 2])
        tokens = torch.tensor(texts).flatten(0, 1)  # (6, 4)
        found = [decoder.advance(None, rows, tokens[:, 0])]
        found.append(decoder.advance(None, torch.arange(6), tokens[:, 1]))
        # The second audio is done with, and the texts of the others change places.
        found.append(decoder.advance(staying, torch.tensor([1, 0, 5, 4]), tokens[[1, 0, 5, 4], 2]))
    heard = decoder._cache.cross_attention_cache.layers[0].keys
    assert len(heard) == 2
    for row, (audio, text) in enumerate((k // 2, texts[k // 2][k % 2]) for k in range(6)):
        expected = teacher_forced(tiny_whisper, audios[audio], [*prompt, *text])
        expected = expected[len(prompt) :]
        places = [(0, row), (1, row)] + ([(2, [1, 0, 5, 4].index(row))] if audio != 1 else [])
        for step, place in places:
            torch.testing.assert_close(found[step][place].double(), expected[step], atol=1e-4, rtol=0)

"""Sentence-BERT: the vectors of sentence-transformers, whatever the batch and the memo."""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError, MissingModelError
from robustger.models import resolve_model
from robustger.noise.extractors import EXTRACTORS, SentenceBert, _entry_bytes

TEXTS = [
    "the cat",
    "utility analysts however expect the agreement to be completed without much difficulty",
    "Hello, World!",
    "cat",
    "🙂 ok",
    "漢字 テスト",
    "what we do not know is how much is price",
]
WORD_BYTES = _entry_bytes("a", torch.zeros(384))


class Remembering(SentenceBert):
    """The memo of a sentence encoder whose vectors hold the length of the text."""

    @property
    def dimension(self) -> int:
        return 2

    def __init__(self, memo_bytes: int) -> None:
        self._memo_bytes, self._memo_taken, self._memo = memo_bytes, 0, OrderedDict()

    def _encode_distinct(self, texts: list[str]) -> dict[str, torch.Tensor]:
        return {text: torch.full((2,), float(len(text))) for text in texts}


def test_vectors_have_length_one_and_the_stated_width(sentence_bert: SentenceBert) -> None:
    vectors = sentence_bert.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), sentence_bert.dimension) == (len(TEXTS), 384)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(TEXTS)))


def test_equals_sentence_transformers(sentence_bert: SentenceBert) -> None:
    library = pytest.importorskip(
        "sentence_transformers", reason="the reference implementation is not installed"
    )
    reference = library.SentenceTransformer(str(resolve_model("minilm")), device="cpu")
    texts = [*TEXTS, "word " * 1000]
    expected = torch.from_numpy(reference.encode(texts))
    torch.testing.assert_close(sentence_bert.encode(texts), expected, atol=1e-6, rtol=0)


def test_similar_sentences_are_closer_than_unrelated_ones(sentence_bert: SentenceBert) -> None:
    price, cost, cat = sentence_bert.encode(["the price is high", "it costs a lot", "a cat sat on the mat"])
    assert price @ cost > price @ cat + 0.3


def test_batch_neighbors_and_memo_do_not_matter(sentence_bert: SentenceBert) -> None:
    alone = torch.cat([sentence_bert.encode([text]) for text in TEXTS])
    for extractor in (SentenceBert(batch_tokens=9, memo_bytes=0), SentenceBert(memo_bytes=3 * WORD_BYTES)):
        torch.testing.assert_close(extractor.encode(TEXTS[::-1]).flip(0), alone, atol=1e-6, rtol=0)
        torch.testing.assert_close(extractor.encode(TEXTS), alone, atol=1e-6, rtol=0)


def test_equal_strings_have_exactly_equal_vectors(sentence_bert: SentenceBert) -> None:
    vectors = sentence_bert.encode(["an echo", *TEXTS, "an echo"])
    assert torch.equal(vectors[0], vectors[-1])


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_blank_texts_are_exactly_zero(sentence_bert: SentenceBert, blank: str) -> None:
    assert not sentence_bert.encode([blank, "word"])[0].any()


def test_no_texts_give_no_vectors(sentence_bert: SentenceBert) -> None:
    assert sentence_bert.encode([]).shape == (0, 384)


@pytest.mark.parametrize("text", ["half a \ud83d pair", "\x00", "\u200b", "x" * 50_000, "word " * 10_000])
def test_odd_texts_are_encoded(sentence_bert: SentenceBert, text: str) -> None:
    vector = sentence_bert.encode([text])[0]
    assert vector.isfinite().all()
    assert vector.norm() == pytest.approx(1, abs=1e-5)


def test_text_behind_the_limit_is_not_seen(sentence_bert: SentenceBert) -> None:
    long = "the cat sat on the mat " * 50
    one, two = sentence_bert.encode([long + "and slept", long + "and woke"])
    torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("sentence_bert")
def test_the_memo_is_bounded_and_forgets_the_least_recently_used() -> None:
    extractor = SentenceBert(memo_bytes=2 * WORD_BYTES)
    extractor.encode(["a", "b"])
    extractor.encode(["a", ""])
    extractor.encode(["c"])
    assert list(extractor._memo) == ["a", "c"]
    extractor.encode(["d", "e", "f"])
    assert list(extractor._memo) == ["e", "f"]
    extractor.encode(["a long text takes the room of two " * 60])
    assert list(extractor._memo) == ["a long text takes the room of two " * 60]
    extractor.forget()
    assert (list(extractor._memo), extractor._memo_taken) == ([], 0)
    extractor.encode(["g"])
    assert list(extractor._memo) == ["g"]


@given(st.lists(st.lists(st.text("abc", max_size=3), max_size=6), max_size=12), st.integers(0, 6_000))
def test_the_memo_never_takes_more_than_it_may(calls: list[list[str]], memo_bytes: int) -> None:
    extractor = Remembering(memo_bytes)
    last_asked: dict[str, int] = {}
    for number, texts in enumerate(calls):
        assert [int(vector[0]) for vector in extractor.encode(texts)] == [len(t) for t in texts]
        kept = list(extractor._memo)
        assert sum(_entry_bytes(text, torch.zeros(2)) for text in kept) <= memo_bytes
        last_asked |= {text: number for text in texts if text}
        forgotten = [call for text, call in last_asked.items() if text not in kept]
        assert max(forgotten, default=0) <= min((last_asked[text] for text in kept), default=number)


def test_the_memo_is_used(sentence_bert: SentenceBert, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sentence_bert.encode(TEXTS)
    asked: list[list[str]] = []
    real = sentence_bert._encode_distinct
    monkeypatch.setattr(sentence_bert, "_encode_distinct", lambda texts: asked.append(texts) or real(texts))
    assert torch.equal(sentence_bert.encode([*TEXTS, "never said before", *TEXTS])[: len(TEXTS)], first)
    assert asked == [["never said before"]]


def test_callers_cannot_change_the_memo(sentence_bert: SentenceBert) -> None:
    expected = sentence_bert.encode(["a word"]).clone()
    sentence_bert.encode(["a word"]).zero_()
    assert torch.equal(sentence_bert.encode(["a word"]), expected)


def test_a_callers_autocast_does_not_lower_the_precision(sentence_bert: SentenceBert) -> None:
    expected = sentence_bert.encode(["in full precision"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = SentenceBert(memo_bytes=0).encode(["in full precision"])
    torch.testing.assert_close(vectors, expected, atol=1e-6, rtol=0)


def test_vectors_can_enter_a_training_step(sentence_bert: SentenceBert) -> None:
    layer = torch.nn.Linear(384, 2)
    layer(sentence_bert.encode(["a", "b"])).sum().backward()
    assert layer.weight.grad is not None


def test_it_is_found_by_name() -> None:
    assert EXTRACTORS.get("sbert") is SentenceBert
    with pytest.raises(InputError, match="unknown extractor 'glove'; choose one of: sbert"):
        EXTRACTORS.get("glove")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match=r"config\.json"):
        SentenceBert(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "pools by pooling_mode_cls_token"),
        (
            "modules.json",
            [{"type": "a.Transformer"}, {"type": "a.Pooling"}, {"type": "a.Dense"}],
            "Pooling, Dense",
        ),
    ],
)
@pytest.mark.usefixtures("sentence_bert")
def test_other_pipelines_are_refused(tmp_path: Path, file: str, content: object, message: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(resolve_model("minilm"), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        SentenceBert(folder)

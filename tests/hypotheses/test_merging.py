"""Hypotheses that say the same are merged, and none that says something else is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.foreign import ImportSummary, import_lists
from robustger.hypotheses.merging import merged, words_alone

writings = st.lists(st.sampled_from(["yes", "Yes.", "YES", "no", "No!", "maybe", "", " ", "?"]), min_size=1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The train, from Leeds.", "the train from leeds"),
        ("Où est-ce ?", "où est ce"),
        ("well-known", "well known"),
        ("it’s", "it's"),
        ("STRASSE", "straße"),
        ("宋朝末年。", "宋朝末年"),
        ("«да»", "да"),
        ("", "..."),
    ],
)
def test_the_same_words(one: str, other: str) -> None:
    assert words_alone(one) == words_alone(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it's", "its"),
        ("woman's", "womans"),
        ("-5", "5"),
        ("3.5", "35"),
        ("3.5", "3 5"),
        ("5 %", "5"),
        ("café", "cafe"),
        ("कि", "क"),
        ("re-sign", "resign"),
        ("a b", "ab"),
        ("C++", "C"),
    ],
)
def test_other_words(one: str, other: str) -> None:
    assert words_alone(one) != words_alone(other)


@given(writings, st.data())
def test_one_hypothesis_of_each_kind_with_its_best_score(texts: list[str], data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.floats(-9, 0), min_size=len(texts), max_size=len(texts)))
    kept = merged(NBest.from_texts("u", texts, scores=scores))
    groups: dict[str, list[float]] = {}
    for text, score in zip(texts, scores, strict=True):
        groups.setdefault("".join(filter(str.isalpha, text)).lower(), []).append(score)
    assert [(words_alone(h.text), h.score) for h in kept.hypotheses] == [
        (words, max(own)) for words, own in groups.items()
    ]
    pairs = {(" ".join(text.split()), score) for text, score in zip(texts, scores, strict=True)}
    assert {(h.text, h.score) for h in kept.hypotheses} <= pairs
    assert merged(kept) is kept


def test_written_forms_stay_with_their_words() -> None:
    nbest = NBest.from_texts("u", ["a b", "A b.", "c"], written=["A b", "A b.", "C!"], reference="c")
    assert merged(nbest) == NBest.from_texts("u", ["a b", "c"], written=["A b", "C!"], reference="c")


def test_lists_that_repeat_themselves_are_merged_when_they_are_imported(tmp_path: Path) -> None:
    source, target = tmp_path / "nbest.txt", tmp_path / "lists.jsonl"
    heard = ["from lees"] * 5 + ["From Lees!", "from leeds", "from least"]
    source.write_text("".join(f"u-{rank} {text}\n" for rank, text in enumerate(heard, start=1)))
    assert import_lists(source, target, format="kaldi") == ImportSummary(lists=1, merged=5)
    assert load_nbest(target) == [NBest.from_texts("u", ["from lees", "from leeds", "from least"])]
    assert import_lists(source, target, format="kaldi", same=None) == ImportSummary(lists=1)
    assert load_nbest(target)[0].texts == tuple(heard)


def test_a_comparison_of_ones_own(tmp_path: Path) -> None:
    source, target = tmp_path / "x.json", tmp_path / "lists.jsonl"
    source.write_text(json.dumps([{"input": ["twenty one", "21", "20"], "output": "21"}]))
    numbers = {"twenty one": "21"}
    summary = import_lists(source, target, format="hyporadise", same=lambda text: numbers.get(text, text))
    assert summary.merged == 1
    assert load_nbest(target)[0].texts == ("twenty one", "20")

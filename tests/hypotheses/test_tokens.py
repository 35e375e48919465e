"""Decoder tokens of every kind are joined to words, words stay words, and suspicious words are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.foreign import import_lists
from robustger.hypotheses.tokens import words_of

sentences = st.lists(st.text("abcéß'", min_size=1, max_size=8), min_size=1, max_size=6)


def cut(word: str, size: int) -> list[str]:
    return [word[start : start + size] for start in range(0, len(word), size)]


def tokens_of(words: list[str], scheme: str, size: int) -> str:
    if scheme == "sentencepiece":
        return " ".join(token for word in words for token in cut("▁" + word, size))
    if scheme == "joined":
        return "".join("▁" + word for word in words)
    if scheme == "subword-nmt":
        return " ".join("@@ ".join(cut(word, size)) for word in words)
    if scheme == "wordpiece":
        return " ".join(" ##".join(cut(word, size)) for word in words)
    mark = {"characters": "<space>", "wav2vec": "|"}[scheme]
    return f" {mark} ".join(" ".join(word) for word in words)


@given(
    st.lists(sentences, min_size=1, max_size=4),
    st.sampled_from(["sentencepiece", "joined", "subword-nmt", "wordpiece", "characters", "wav2vec"]),
    st.integers(1, 3),
    st.sampled_from(["", " <eos>", "<eos>", " </s>", "<|endoftext|>"]),
)
def test_tokens_become_words(said: list[list[str]], scheme: str, size: int, end: str) -> None:
    # Marks of one hypothesis tell how all are cut; one of them has to have several words, or pieces, for that.
    said = [["ab", "abcdefgh"], *said]
    nbest = NBest.from_texts("u", [tokens_of(words, scheme, size) + end for words in said])
    words, doubt = words_of(nbest)
    assert words.texts == tuple(" ".join(own) for own in said)
    assert doubt is None


@given(st.lists(sentences, min_size=1, max_size=4))
def test_words_stay_words(said: list[list[str]]) -> None:
    nbest = NBest.from_texts("u", ["word " + " ".join(own) for own in said], scores=[-1.0] * len(said))
    assert words_of(nbest) == (nbest, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lock <unk> door", "lock door"),
        ("<s> lock the door </s>", "lock the door"),
        ("<eps> lock <eps>", "lock"),
        ("<|en|><|0.00|> Lock the door.<|2.00|>", "Lock the door."),
        ("<eos>", ""),
        ("a < b > c", "a < b > c"),
        ("<noise> yes", "<noise> yes"),
        ("  two  blanks", "two blanks"),
    ],
)
def test_tokens_for_no_sound_are_left_out(text: str, words: str) -> None:
    assert words_of(NBest.from_texts("u", [text]))[0].texts == (words,)


def test_a_reference_is_put_together_only_where_it_is_cut() -> None:
    nbest = NBest.from_texts("u", ["▁LOCK▁THE▁DOOR<eos>"], reference="LOCK THE DOOR")
    assert words_of(nbest)[0] == NBest.from_texts("u", ["LOCK THE DOOR"], reference="LOCK THE DOOR")
    nbest = NBest.from_texts("u", ["▁LO CK"], reference="▁LO CK ▁IT")
    assert words_of(nbest)[0] == NBest.from_texts("u", ["LOCK"], reference="LOCK IT")


@pytest.mark.parametrize(
    ("texts", "doubt"),
    [
        (["1203 7 55 9", "1203 7 55 8"], "look like numbers of decoder tokens"),
        (["l o c k", "l o o k"], "look like decoder tokens, single letters"),
        (["Ġlock Ġthe Ġdo or", "Ġlook Ġthe Ġdo or"], "byte-level BPE"),
        (["i b m", "i b n"], None),
        (["one two three four", "l o c k"], None),
        (["你 好 吗 我", "你 好 吗 他"], None),
        (["1 2 3 4 5", "1 2 3 4 9"], None),
        (["Ġużeppi mar il belt", "Ġużeppi mar il bejt"], None),
    ],
)
def test_what_looks_like_tokens_is_told(texts: list[str], doubt: str | None) -> None:
    nbest = NBest.from_texts("u", texts)
    words, told = words_of(nbest)
    assert words is nbest
    assert (told is None) if doubt is None else (told is not None and doubt in told)


def test_an_import_says_what_it_put_together_and_what_it_doubts(tmp_path: Path) -> None:
    source, target = tmp_path / "nbest.txt", tmp_path / "lists.jsonl"
    source.write_text("a-1 ▁lo ck ▁it\na-2 ▁look ▁it\nb-1 fine words\nc-1 12 404 8 3\nd-1 stop <unk>\n")
    problems: list[tuple[str, str]] = []
    summary = import_lists(
        source, target, format="kaldi", on_problem=lambda *problem: problems.append(problem)
    )
    assert (summary.lists, summary.joined, summary.problems) == (4, 2, 1)
    assert problems == [
        (f"{source}:4", "'c': its hypotheses look like numbers of decoder tokens, not words; "
         "the list is kept unchanged")
    ]  # fmt: skip
    assert [nbest.texts for nbest in load_nbest(target)] == [
        ("lock it", "look it"),
        ("fine words",),
        ("12 404 8 3",),
        ("stop",),
    ]


def test_espnet_folders_without_texts_but_with_tokens(tmp_path: Path) -> None:
    for rank, tokens in ((1, "▁LO CK <space>"), (2, "▁LO OK")):
        folder = tmp_path / f"{rank}best_recog"
        folder.mkdir()
        (folder / "token").write_text(f"u {tokens}\n", encoding="utf-8")
    import_lists(tmp_path, tmp_path / "lists.jsonl", format="espnet")
    assert load_nbest(tmp_path / "lists.jsonl")[0].texts[1] == "LOOK"

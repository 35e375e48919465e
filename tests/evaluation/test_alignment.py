from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robustger.evaluation.alignment import align
from robustger.evaluation.wer import count_edits

WORDS = st.lists(st.sampled_from("abcd"), max_size=8)


@given(WORDS, WORDS)
def test_an_alignment_holds_both_texts_and_the_fewest_edits(reference: list[str], hypothesis: list[str]):
    alignment = align(reference, hypothesis)
    assert list(alignment.reference) == reference
    written = []
    for inserted, word in zip(alignment.inserted, [*alignment.written, None], strict=True):
        written += [*inserted, *([] if word is None else [word])]
    assert written == hypothesis
    assert alignment.edits == count_edits(reference, hypothesis)


def test_hand_computed():
    alignment = align(["the", "cat", "sat", "on", "the", "mat"], ["the", "bat", "sat", "the", "mat", "now"])
    assert alignment.written == ("the", "bat", "sat", None, "the", "mat")
    assert alignment.inserted == ((), (), (), (), (), (), ("now",))
    assert alignment.wrong == (False, True, False, True, False, False)
    assert alignment.edits == (1, 1, 1)

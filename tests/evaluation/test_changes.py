from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from robustger.evaluation import wer
from robustger.evaluation.changes import Error, word_changes
from robustger.hypotheses import NBest

TEXT = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7).map(" ".join)


def listed(best: str, reference: str | None) -> NBest:
    return NBest.from_texts("u", [best], reference=reference)


def test_hand_computed():
    changes = word_changes(
        [
            (listed("um we met in roam", "we met in rome"), "we met in rome"),
            (listed("met in roam", "we met in rome"), "we met and rome"),
            (listed("so it goes", "so it goes"), "so it well goes"),
            (listed("a fair deal", "a fare deal"), "a far deal"),  # wrong before and after
            (listed("anything", None), "else"),
        ]
    )
    assert changes.fixed == {Error("rome", "roam"): 2, Error(None, "um"): 1, Error("we", None): 1}
    assert changes.broken == {Error("in", "and"): 1, Error(None, "well"): 1}
    fixed, broken = changes.top(2)
    assert fixed == [(Error("rome", "roam"), 2), (Error(None, "um"), 1)]
    assert broken == [(Error(None, "well"), 1), (Error("in", "and"), 1)]
    assert changes.to_json_dict(1) == {
        "normalizer": "number",
        "unit": "word",
        "fixed_total": 4,
        "broken_total": 2,
        "fixed": [{"reference": "rome", "written": "roam", "count": 2}],
        "broken": [{"reference": None, "written": "well", "count": 1}],
    }
    assert "| 1 | rome <- roam | 2 | Ø <- well | 1 |" in changes.table(3).to_markdown()
    assert "| 3 | we <- Ø | 1 |  |  |" in changes.table(3).to_markdown()


def test_typography_is_no_change_under_number_but_one_under_raw():
    pair = (listed("it cost 21 dollars", "it cost twenty one dollars"), "it cost twenty one dollars")
    assert not word_changes([pair]).fixed
    assert word_changes([pair], normalizer="raw").fixed.total() == 2


def test_characters():
    changes = word_changes([(listed("今日は雨", "今日は雪"), "今日は雪")], unit="char")
    assert changes.fixed == {Error("雪", "雨"): 1}


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6))
def test_fixed_less_broken_is_the_difference_in_errors(rows: list[tuple[str, str, str]]):
    changes = word_changes([(listed(best, truth), text) for truth, best, text in rows], normalizer="raw")
    truths, bests, texts = ([row[column] for row in rows] for column in range(3))
    expected = wer(truths, bests).errors - wer(truths, texts).errors
    assert changes.fixed.total() - changes.broken.total() == expected

"""Windows of one recording are one utterance, and the written forms take the place of the plain ones."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.evaluation import evaluate, evaluate_domains, wer
from robustger.evaluation.recordings import Incomplete, Recording, add_reference, join_windows, written_form
from robustger.hypotheses import NBest


def windows(of: str, reference: str | None, lists: list[list[str]], **meta: object) -> list[NBest]:
    """The lists of a recording's windows, as `robustger nbest` writes them."""
    result = []
    for number, texts in enumerate(lists, start=1):
        window: dict[str, object] = {"of": of, "number": number, "count": len(lists)}
        if reference is not None:
            window["reference"] = reference
        result.append(
            NBest.from_texts(
                f"{of}#{number}",
                texts,
                audio=f"{of}.wav",
                start=30.0 * number,
                end=30.0 * (number + 1),
                meta={"window": window, "distinct": number, **meta},
            )
        )
    return result  # fmt: skip


TALK = windows("talk", "a b c d e f", [["a x", "a b"], ["c y", "z d"], ["e f"]], snr_db=5)
CORRECTIONS = {"talk#1": "a b", "talk#2": "c d", "talk#3": "e g"}


def test_a_recording_is_scored_as_one_utterance() -> None:
    report = evaluate(TALK, CORRECTIONS, ["raw"], by=["snr_db", "length"])
    raw = report.normalizers["raw"]
    assert (report.utterances, report.joined, report.without_reference, report.incomplete) == (1, 1, 0, ())
    # 1-best "a x c y e f"; the best choice "a b c y e f"; every word of the reference stands in its window
    assert (raw.words, dict(raw.errors)) == (6, {"best": 2, "o_nb": 1, "o_cp": 0, "corrected": 1})
    assert (raw.hypotheses, raw.distinct) == (5 / 3, 5 / 3)
    assert list(report.by["snr_db"]) == ["5"]
    assert list(report.by["length"]) == ["(5, 10]"]
    assert "1 utterance, 1 of them recordings joined of several windows" in report.to_markdown()
    assert report.to_json_dict()["joined_recordings"] == 1


def test_a_recognizer_without_errors_has_none_wherever_it_was_cut() -> None:
    reference = "in nineteen eighty five it's $3.50 and twenty first"
    words = reference.split()
    for cut in range(1, len(words)):
        lists = windows("t", reference, [[" ".join(words[:cut])], [" ".join(words[cut:])]])
        for figures in evaluate(lists, normalizers=["raw", "number", "whisper"]).normalizers.values():
            assert set(figures.errors.values()) == {0}


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_matter_and_streams_do(random_: random.Random) -> None:
    plain = NBest.from_texts("p", ["a"], reference="b")
    other = windows("other", "x y z", [["x y"], ["z", "q"]], snr_db=5)
    lists = [*TALK, plain, *other]
    expected = evaluate(lists, normalizers=["raw"]).normalizers
    random_.shuffle(lists)
    report = evaluate(iter(lists), normalizers=["raw"])
    assert (report.utterances, report.joined) == (3, 2)
    assert report.normalizers["raw"].errors == expected["raw"].errors


def test_windows_that_follow_one_another_come_at_once() -> None:
    """A stream of any length is joined in the memory of one recording."""
    endless = (nbest for number in itertools.count() for nbest in windows(str(number), "a b", [["a"], ["b"]]))
    found = list(itertools.islice(join_windows(endless), 1000))
    assert [one.whole.id for one in found if isinstance(one, Recording)] == list(map(str, range(1000)))


def test_what_stands_for_the_windows() -> None:
    [recording] = join_windows(reversed(TALK))
    assert isinstance(recording, Recording)
    whole = recording.whole
    assert (whole.id, whole.best, whole.reference) == ("talk", "a x c y e f", "a b c d e f")
    assert (whole.audio, whole.start, whole.end) == ("talk.wav", 30.0, 120.0)
    assert whole.meta == {"snr_db": 5}  # what they do not agree on is gone
    assert recording.corrected(CORRECTIONS) == "a b c d e g"


def test_a_recording_that_lacks_a_window_is_left_out_by_name() -> None:
    lists = [*TALK[:2], NBest.from_texts("p", ["a"], reference="b")]
    report = evaluate(lists, {"talk#1": "a b", "talk#2": "c d", "p": "b"})
    assert (report.utterances, report.incomplete) == (1, ("'talk': 2 of 3 windows",))
    assert report.normalizers["raw"].words == 1
    assert "1 recordings of which a window is missing left out" in report.to_markdown()
    assert report.to_json_dict()["incomplete_recordings"] == ["'talk': 2 of 3 windows"]
    assert isinstance(next(join_windows(TALK[1:])), Incomplete)
    pooled = evaluate_domains({"x": lists, "y": windows("talk", "a b", [["a"], ["b"]])})
    assert (pooled.total.utterances, pooled.total.joined, len(pooled.total.incomplete)) == (2, 1, 1)
    with pytest.raises(InputError, match=r"every recording lacks a window \('talk': 2 of 3 windows\)"):
        evaluate(TALK[:2])


def test_windows_without_a_reference_are_left_out_as_before() -> None:
    lists = [*windows("talk", None, [["a"], ["b"]]), NBest.from_texts("p", ["a"], reference="a")]
    report = evaluate(lists)
    assert (report.utterances, report.without_reference, report.joined) == (1, 2, 0)


@pytest.mark.parametrize(
    "window",
    ["talk", {"of": "talk"}, {"of": 3, "number": 1, "count": 2, "reference": "a"},
     {"of": "t", "number": "1", "count": 2, "reference": "a"}, {"of": "t", "number": 3, "count": 2, "reference": "a"}],
)  # fmt: skip
def test_what_others_call_a_window_is_no_window(window: object) -> None:
    nbest = NBest.from_texts("p", ["a"], reference="a", meta={"window": window})
    assert evaluate([nbest]).utterances == 1
    assert evaluate([nbest, replace(nbest, reference=None)]).without_reference == 1


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([*TALK[:2], TALK[1]], "list 'talk#2': window 2 of 'talk' occurs twice"),
        ([TALK[0], windows("talk", "a", [["a"], ["b"]])[1]], "do not agree on their count or reference"),
    ],
)
def test_windows_that_contradict_each_other_are_refused(lists: list[NBest], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(lists)


def test_corrections_must_cover_every_window() -> None:
    with pytest.raises(InputError, match=r"no correction for 1 of the lists \('talk#3'\)"):
        evaluate(TALK, {"talk#1": "a", "talk#2": "b"})
    with pytest.raises(InputError, match="corrections for 1 ids that no list has"):
        evaluate(TALK, {**CORRECTIONS, "talk#4": "b"})


TEXT = st.lists(st.sampled_from(["a", "b", "one", "1", "twenty", "mid-air"]), max_size=4).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(TEXT, st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=4))
def test_laws_hold_for_windows_too(reference: str, lists: list[list[str]]) -> None:
    corrections = {f"t#{number}": texts[-1] for number, texts in enumerate(lists, start=1)}
    report = evaluate(windows("t", reference, lists), corrections, ["raw", "number"], resamples=5)
    for name, figures in report.normalizers.items():
        assert figures.errors["o_cp"] <= figures.errors["o_nb"] <= figures.errors["best"]
        joined = [" ".join(texts[place] for texts in lists) for place in (0, -1)]
        for system, text in zip(("best", "corrected"), joined, strict=True):
            assert figures.errors[system] == wer([reference], [text], normalizer=name).errors


WRITTEN = NBest.from_texts(
    "w",
    ["it is mario is castle", "it is marios castle"],
    written=["It's Mario's castle!", "It's Marios castle."],
    reference="it is mario is castle",
    written_reference="It's Mario's castle.",
)


def test_written_forms_are_scored_with_case_and_punctuation() -> None:
    plain = NBest.from_texts("p", ["a"], reference="a")
    report = evaluate([WRITTEN, plain], {"w": "It's Mario's castle."}, ["raw"], written=True)
    raw = report.normalizers["raw"]
    assert (raw.words, dict(raw.errors)) == (3, {"best": 1, "o_nb": 1, "o_cp": 0, "corrected": 0})
    assert (report.utterances, report.without_reference) == (1, 1)
    assert "under 'raw' case and punctuation are counted" in report.to_markdown()
    assert "(1 without written forms left out)" in report.to_markdown()
    assert report.to_json_dict()["written"] is True
    assert evaluate([WRITTEN]).normalizers["raw"].errors["best"] == 0
    with pytest.raises(
        InputError, match="none of the 1 lists has a written form of hypotheses and reference"
    ):
        evaluate([plain], written=True)


def test_only_what_is_written_on_both_sides_is_compared() -> None:
    assert written_form(replace(WRITTEN, written_reference=None)).reference is None
    unwritten = NBest.from_texts("u", ["a"], reference="a", written_reference="A.")
    assert written_form(unwritten).reference is None


def test_windows_have_written_forms_too() -> None:
    lists = windows("talk", "it is", [["it"], ["is"]])
    lists = [
        replace(
            nbest,
            hypotheses=(replace(nbest.hypotheses[0], written=text),),
            meta={"window": {**nbest.meta["window"], "written_reference": "It is."}},
        )
        for nbest, text in zip(lists, ("It", "is!"), strict=True)
    ]
    report = evaluate(lists, normalizers=["raw", "number"], written=True)
    assert [figures.errors["best"] for figures in report.normalizers.values()] == [1, 0]
    assert evaluate(lists).normalizers["raw"].errors["best"] == 0


def test_a_reference_from_elsewhere_is_that_of_the_recording() -> None:
    lists = [add_reference(nbest, "a b") for nbest in windows("talk", None, [["a"], ["b"]])]
    assert evaluate(lists).normalizers["raw"].errors["best"] == 0
    assert add_reference(TALK[0], "other").meta == TALK[0].meta
    assert add_reference(WRITTEN, "other", "Other.") == WRITTEN

"""The baseline that changes only the writing, and the choice of baselines by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from robustger.correction.baselines import BASELINES, load_baseline
from robustger.errors import InputError
from robustger.evaluation import evaluate
from robustger.hypotheses import NBest, load_nbest

LISTS = [
    NBest.from_texts("u1", ["Twenty-one flights, please.", "x"], reference="21 flights please"),
    NBest.from_texts("u2", ["the $5 fair", "y"], reference="the five dollar fare"),
]


def test_its_wer_is_the_row_format_only_of_an_evaluation() -> None:
    lists = LISTS
    if folder := os.environ.get("ROBUSTGER_DATA"):
        lists = lists + load_nbest(Path(folder) / "hyporadise" / "wsj.dev.jsonl")
    texts = {transcript.id: transcript.text for transcript in load_baseline("format-only").transcribe(lists)}
    report = evaluate(lists, texts, resamples=10)
    assert report.normalizers["number"].wer["corrected"] == report.format_only.wer
    assert report.normalizers["number"].wer["best"] == report.format_only.wer


def test_it_writes_as_the_normalizer_does() -> None:
    written = [t.text for t in load_baseline("format-only", normalizer="hyporadise").transcribe(LISTS)]
    assert written == ["twenty one flights please", "the five dollars fair"]
    written = [t.text for t in load_baseline("format-only", normalizer="raw").transcribe(LISTS)]
    assert written == [nbest.best for nbest in LISTS]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "nothing",
            {},
            "unknown baseline 'nothing'; choose one of: format-only, lm-rank, ngram-rank, mbr, rover, ",
        ),
        ("mbr", {"model": "x"}, "baseline 'mbr' has no option 'model'; it has none"),
        (
            "format-only",
            {"weight": 0.5},
            "baseline 'format-only' has no option 'weight'; choose among: normalizer",
        ),
        ("format-only", {"normalizer": "x"}, "unknown normalizer 'x'"),
        ("few-shot", {}, "baseline 'few-shot' needs 'train': lists with references"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        load_baseline(name, **options)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["format-only", "mbr", "rover", "ngram-rank"])
def test_lists_stream_and_none_is_lost(name: str) -> None:
    options = {"train": LISTS} if name == "ngram-rank" else {}
    baseline = load_baseline(name, **options)
    lists = [NBest.from_texts(f"u{number}", [f"a {number}", "b"]) for number in range(600)]
    transcripts = list(baseline.transcribe(nbest for nbest in lists))
    assert [transcript.id for transcript in transcripts] == [nbest.id for nbest in lists]
    assert list(baseline.transcribe([])) == []


def test_every_name_is_described() -> None:
    import robustger.correction.baselines as room

    assert room.__doc__ is not None
    for name in BASELINES.names():
        assert f"\n{name} " in room.__doc__

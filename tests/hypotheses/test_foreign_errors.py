"""Broken lists of other toolkits: each problem is named, and the other lists are read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hypotheses.foreign_lists import bad, write_espnet, write_kaldi

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.hypotheses.foreign import LIST_FORMATS, import_lists


def test_bad_lines_of_espnet(tmp_path: Path) -> None:
    write_espnet(tmp_path, {"a": [("one", -1.0), ("two", -2.0)], "b": [("three", -1.0)]}, jobs=1)
    first, second = (tmp_path / "logdir" / "output.1" / f"{rank}best_recog" for rank in (1, 2))
    (first / "text").open("ab").write(b"a again\nc \xff\n\n")
    (first / "score").write_text("a -1.0\nb low\n")
    (second / "score").write_text("")
    assert bad("espnet", tmp_path) == [
        ("logdir/output.1/1best_recog/text:3", "'a' stands in line 1 already; the first is kept"),
        ("logdir/output.1/1best_recog/text:4", "byte 3 of the line is not UTF-8"),
        ("logdir/output.1/2best_recog/score", "has no line for 'a'; the list is kept without scores"),
        (
            "logdir/output.1/1best_recog/score:2",
            "'low' is not a finite number; the list is kept without scores",
        ),
    ]
    kept = [value for _, value in LIST_FORMATS.get("espnet")(tmp_path) if isinstance(value, NBest)]
    assert kept == [NBest.from_texts("a", ["one", "two"]), NBest.from_texts("b", ["three"])]


def test_bad_lines_of_kaldi(tmp_path: Path) -> None:
    write_kaldi(tmp_path, {"a": [("one", -1.0), ("two", -2.0)], "b": [("three", -1.0)]})
    folder = tmp_path / "archives.1"
    with (folder / "words_text").open("a", encoding="utf-8") as file:
        file.write("norank four\na-02 five\na-2  six\na-٢ seven\n")
    (folder / "acwt").write_text("a-1 6\na-2 x\nb-1 6\n")
    assert bad("kaldi", tmp_path) == [
        ("archives.1/words_text:6", "'a-2' stands in line 2 already; the first is kept"),
        ("archives.1/words_text:4", "the key 'norank' does not end in a rank, as 'utt-1' does"),
        ("archives.1/words_text:5", "the key 'a-02' does not end in a rank, as 'utt-1' does"),
        ("archives.1/words_text:7", "the key 'a-٢' does not end in a rank, as 'utt-1' does"),
        ("archives.1/acwt:2", "'x' is not a finite number; the list is kept without scores"),
    ]
    kept = [
        value
        for _, value in LIST_FORMATS.get("kaldi")(tmp_path, acoustic_scale=0.5)
        if isinstance(value, NBest)
    ]
    assert kept == [NBest.from_texts("a", ["one", "two"]), NBest.from_texts("b", ["three"], scores=[-3.5])]


def test_espnet_jobs_and_ranks_that_are_missing_are_named(tmp_path: Path) -> None:
    root = write_espnet(tmp_path, {"a": [("one", -1.0), ("won", -2.0), ("wan", -3.0)], "b": [("two", -1.0)]})
    (root / "logdir" / "output.3").mkdir()
    (root / "logdir" / "output.1" / "1best_recog" / "text").write_text("")
    assert bad("espnet", root) == [
        ("logdir/output.3", "holds no 1best_recog, as the jobs beside it do; its lists are missing"),
        (
            "logdir/output.1/2best_recog/text:1",
            "'a' has no hypothesis of rank 1, but one of rank 3; the list is made of those that are there",
        ),
    ]
    kept = [value for _, value in LIST_FORMATS.get("espnet")(root) if isinstance(value, NBest)]
    assert [value.texts for value in kept] == [("won", "wan"), ("two",)]


def test_kaldi_archives_without_text_are_named(tmp_path: Path) -> None:
    root = write_kaldi(tmp_path, {"a": [("one", -1.0)]})
    (root / "archives.2").mkdir()
    (root / "archives.10.gz").touch()
    assert bad("kaldi", root) == [("archives.2", "holds no words_text; its lists are missing")]
    assert [value.id for _, value in LIST_FORMATS.get("kaldi")(root) if isinstance(value, NBest)] == ["a"]


def test_transcripts_whose_ids_end_in_numbers_are_no_ranks_of_one_utterance(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("1089-134686-0000 one\n1089-134686-0001 two\n")
    assert bad("kaldi", path) == [
        (f"text:{k}", f"the key '1089-134686-000{k - 1}' does not end in a rank, as 'utt-1' does")
        for k in (1, 2)
    ]
    with pytest.raises(InputError, match="holds no list that can be read as kaldi"):
        import_lists(path, tmp_path / "out.jsonl", format="kaldi")


def test_bad_entries_of_hyporadise(tmp_path: Path) -> None:
    path = tmp_path / "test_x.json"
    path.write_text(json.dumps([{"input": ["a", "b"], "output": "a"}, {"output": "c"}, 7, {"input": ["d"]}]))
    assert bad("hyporadise", path) == [
        (
            "test_x.json: entry 2",
            "has neither 'input' nor 'input1'; HyPoradise entries hold their hypotheses there",
        ),
        ("test_x.json: entry 3", "is not an object with 'input' and 'output'"),
    ]
    kept = [value.id for _, value in LIST_FORMATS.get("hyporadise")(path) if isinstance(value, NBest)]
    assert kept == ["test_x-00000", "test_x-00003"]


@given(st.binary(max_size=120), st.sampled_from(["kaldi", "nemo", "hyporadise", "espnet"]))
@settings(max_examples=150)
def test_no_bytes_break_a_reader(data: bytes, format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1best_recog" / "text"
        path.parent.mkdir()
        path.write_bytes(data)
        path.with_name("score").write_bytes(data)
        try:
            placed = list(
                LIST_FORMATS.get(format)(
                    Path(folder) if format == "espnet" else path, **({"beams": 1} if format == "nemo" else {})
                )
            )
        except InputError:
            return
        lines = sum(bool(line.strip(b" \t\r")) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
        if format in ("kaldi", "espnet"):
            assert sum(
                place.startswith(f"{path}:") or isinstance(value, NBest) for place, value in placed
            ) >= (lines > 0)
        for _, value in placed:
            assert isinstance(value, NBest) or "\n" not in value.message


@pytest.mark.parametrize(
    ("format", "source", "options", "message"),
    [
        ("espnet", "none", {}, "is not a folder"),
        ("espnet", ".", {}, "has no folder 1best_recog in it"),
        ("kaldi", "none", {}, "cannot be read"),
        ("kaldi", ".", {}, "holds neither words_text nor"),
        ("nemo", "b.tsv", {}, "does not say where an utterance ends"),
        ("nemo", "b.tsv", {"beams": 2}, "3 lines cannot be divided into lists of 2"),
        ("nemo", "b.tsv", {"references": "two.json"}, "3 lines cannot be divided into 2 utterances"),
        ("nemo", "b.tsv", {"references": "kaldi.txt"}, "kaldi.txt:1: not valid JSON"),
        ("nemo", "empty", {"beams": 2}, "holds no candidates"),
        ("hyporadise", "b.tsv", {}, "not valid JSON"),
        ("kaldi", "empty", {}, "holds no list that can be read as kaldi"),
        ("kaldi", "b.tsv", {"beams": 2}, "format 'kaldi' has no option 'beams'"),
        (
            "htk",
            "b.tsv",
            {},
            "unknown format 'htk'; choose one of: espnet, kaldi, nemo, robusthp, hyporadise",
        ),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    source: str,
    options: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.tsv").write_text("a\t-1\nb\t-2\nc\t-3\n")
    Path("two.json").write_text('{"audio_filepath": "a.wav"}\n{"audio_filepath": "b.wav"}\n')
    Path("kaldi.txt").write_text("a one\n")
    Path("empty").touch()
    with pytest.raises(InputError) as caught:
        import_lists(source, "out.jsonl", format=format, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("out.jsonl").exists()

"""N-best lists in JSON Lines: what was saved is loaded, and a bad line is named."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hypotheses.generated_lists import GOOD, json_values, nbests, write

from robustger.errors import InputError
from robustger.hypotheses import (
    BadLine,
    Hypothesis,
    NBest,
    Transcript,
    load_nbest,
    read_nbest,
    save_nbest,
    stream_nbest,
)
from robustger.hypotheses.jsonl import kind_of_binary
from robustger.manifest import load_manifest


@given(st.lists(nbests(), max_size=5, unique_by=lambda nbest: nbest.id))
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, lists: list[NBest]):
    path = tmp_path_factory.mktemp("lists") / "lists.jsonl"
    save_nbest(lists, path)
    assert load_nbest(path) == lists
    assert list(read_nbest(path)) == lists
    assert list(stream_nbest(str(path))) == lists


@given(nbests())
def test_a_list_is_what_its_fields_say(nbest: NBest):
    assert NBest.from_dict(nbest.to_dict()) == nbest
    assert list(nbest.to_dict())[:2] == ["id", "hypotheses"]
    assert nbest.best == nbest.texts[0] == nbest.hypotheses[0].text
    assert hash(nbest) == hash(NBest.from_dict(nbest.to_dict()))


def test_optional_keys_are_left_out_and_null_is_absent():
    assert NBest.from_texts("u1", ["a", ""]).to_dict() == {"id": "u1", "hypotheses": ["a", ""]}
    fields = {"id": 7, "hypotheses": ["a"], "scores": None, "reference": None, "meta": None}
    assert NBest.from_dict(fields) == NBest("7", (Hypothesis("a"),))
    full = {
        "id": "u",
        "hypotheses": ["a", "b"],
        "scores": [-0.5, -1.0],
        "reference": "a",
        "audio": "a.wav",
        "start": 0.0,
        "end": 1.5,
        "audio_embedding": {"shard": "s.safetensors"},
        "meta": {"snr_db": 5},
    }
    assert NBest.from_dict(full).to_dict() == full


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON: Expecting property name"),
        ('{"id": "x", "hypotheses": ["a"]', "not valid JSON: Expecting ',' delimiter at column"),
        ('["a"]', "expected a JSON object with 'id' and 'hypotheses', found a list"),
        ("null", "found null"),
        ('"text"', "found the string 'text'"),
        ("3", "found the number 3"),
        ({"id": "x"}, "key 'hypotheses' is missing"),
        ({"hypotheses": ["a"]}, "key 'id' is missing"),
        ({"id": "x", "hypothesis": ["a"]}, "unknown key 'hypothesis'; did you mean 'hypotheses'?"),
        ({**GOOD, "Reference": "a"}, "unknown key 'Reference'; did you mean 'reference'?"),
        ({**GOOD, "zzz": 1}, "unknown key 'zzz'; known keys: id, hypotheses, scores"),
        ({"id": "x", "audio": "x.flac", "text": "a"}, "robustger nbest makes lists of a manifest"),
        (
            {"id": "x", "text": "a", "best": "a", "generated": "a"},
            "corrections are no N-best lists; robustger eval",
        ),
        ({"id": "x", "hypotheses": []}, "'hypotheses' is empty"),
        ({"id": "x", "hypotheses": "a b"}, "'hypotheses' must be a list of strings, not the string 'a b'"),
        ({"id": "x", "hypotheses": ["a", 3]}, "hypothesis 2 must be a string, not the number 3"),
        ({"id": "x", "hypotheses": [None]}, "hypothesis 1 must be a string, not null"),
        ({"id": "", "hypotheses": ["a"]}, "'id' must be a string that is not empty"),
        ({"id": " ", "hypotheses": ["a"]}, "'id' must be a string that is not empty"),
        ({"id": True, "hypotheses": ["a"]}, "not the boolean True"),
        ({"id": 1.5, "hypotheses": ["a"]}, "not the number 1.5"),
        ({**GOOD, "scores": [1]}, "1 'scores' for 2 'hypotheses'"),
        ({**GOOD, "scores": [1, "b"]}, "score 2 must be a number, not the string 'b'"),
        ({**GOOD, "scores": 3}, "'scores' must be a list of numbers, not the number 3"),
        ('{"id": "x", "hypotheses": ["a"], "scores": [NaN]}', "NaN is not JSON"),
        ('{"id": "x", "hypotheses": ["a"], "scores": [-Infinity]}', "-Infinity is not JSON"),
        ('{"id": "x", "hypotheses": ["a"], "scores": [1e999]}', "score 1 must be finite"),
        ({**GOOD, "reference": ["a"]}, "'reference' must be a string, not a list"),
        ({**GOOD, "audio": 1}, "'audio' must be a string"),
        ({**GOOD, "start": "0"}, "'start' must be a number"),
        ({**GOOD, "start": 2, "end": 1}, "'end' (1 s) lies before 'start' (2 s)"),
        ({**GOOD, "meta": []}, "'meta' must be an object, not a list"),
        ({**GOOD, "audio_embedding": "x"}, "'audio_embedding' must be an object"),
        (b'{"id": "x", "hypotheses": ["\xff"]}', "byte 29 of the line is not UTF-8"),
        ('{"id": "x", "hypotheses": ["\\ud83d"]}', "lone surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": %s, "hypotheses": ["a"]}' % ("9" * 5000), "not readable as JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: str | bytes | dict, message: str):
    path = write(tmp_path / "lists.jsonl", GOOD, "", line, {**GOOD, "id": "last"})
    first, bad, last = read_nbest(path)
    assert isinstance(first, NBest)
    assert isinstance(last, NBest)
    assert isinstance(bad, BadLine)
    assert bad.line == 3
    assert message in bad.message
    assert "\n" not in bad.message
    with pytest.raises(InputError) as caught:
        load_nbest(path)
    assert str(caught.value) == f"{path}:3: {bad.message}"
    with pytest.raises(InputError, match=r"lists\.jsonl:3: "):
        list(stream_nbest(path))
    assert [nbest.id for nbest in load_nbest(path, strict=False)] == ["good", "last"]


def test_a_bad_line_keeps_its_id_where_that_can_be_read(tmp_path: Path):
    path = write(
        tmp_path / "l.jsonl", {"id": "u7", "hypotheses": []}, {"id": 8, "hypotheses": 1}, {"id": [1]}, "{"
    )
    assert [bad.id for bad in read_nbest(path) if isinstance(bad, BadLine)] == ["u7", "8", None, None]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_and_every_line_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
):
    path = tmp_path_factory.mktemp("bytes") / "lists.jsonl"
    path.write_bytes(data)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if kind_of_binary(data[:12]):
        with pytest.raises(InputError, match=f"{path}: is a "):
            read_nbest(path)
        return
    assert len(list(read_nbest(path))) == sum(bool(line.strip()) for line in lines)


@given(json_values)
def test_no_json_breaks_the_reader(value: object):
    wrong_id, wrong_list = {"id": value, "hypotheses": ["a"]}, {"id": "x", "hypotheses": value}
    for fields in (value, wrong_id, wrong_list, {**GOOD, "scores": value}):
        problem = ""
        try:
            nbest = NBest.from_dict(fields, where="f:1")  # type: ignore[arg-type]
        except InputError as error:
            problem = str(error)
        else:
            assert NBest.from_dict(nbest.to_dict()) == nbest
        assert problem == "" or problem.startswith("f:1: ")
        assert "\n" not in problem


def test_duplicate_ids_are_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write(tmp_path / "lists.jsonl", GOOD, {"id": "other", "hypotheses": ["a"]}, GOOD)
    with pytest.raises(
        InputError, match=r"lists.jsonl:3: id 'good' stands in line 1 already; make ids unique"
    ):
        load_nbest(path)
    assert len(load_nbest(path, strict=False)) == 2
    assert "lists.jsonl:3" in caplog.text


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_hypotheses_but_none(tmp_path: Path, count: int):
    path = write(tmp_path / "lists.jsonl", {"id": "x", "hypotheses": ["a"] * count})
    assert len(load_nbest(path)[0].hypotheses) == count


def test_long_and_foreign_texts_are_texts(tmp_path: Path):
    lists = [
        NBest.from_texts("long", ["word " * 10_000, ""]),
        NBest.from_texts("日本", ["😀 ok", "नमस्ते", "a\u2028b\r"]),
    ]
    save_nbest(lists, tmp_path / "lists.jsonl")
    assert load_nbest(tmp_path / "lists.jsonl") == lists
    assert "😀" in (tmp_path / "lists.jsonl").read_text(encoding="utf-8")


def test_byte_order_mark_blank_lines_and_windows_line_ends(tmp_path: Path):
    path = tmp_path / "lists.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n  \n" + b'{"id": "b", "hypotheses": ["x"]}'
    )
    assert [nbest.id for nbest in load_nbest(path)] == ["good", "b"]


def test_files_that_cannot_be_opened_are_refused_before_reading(tmp_path: Path):
    with pytest.raises(InputError, match=r"missing.jsonl: cannot be read: No such file"):
        read_nbest(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        stream_nbest(tmp_path)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_nbest(tmp_path)


def test_dash_is_standard_input_and_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(GOOD).encode() + b"\n{\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(InputError, match=r"^stdin:2: "):
        load_nbest("-")
    assert not stdin.buffer.closed
    save_nbest([NBest.from_dict(GOOD)], "-")
    assert json.loads(capsys.readouterr().out) == GOOD


def test_streaming_holds_one_line_at_a_time(tmp_path: Path):
    path = tmp_path / "lists.jsonl"
    line = json.dumps({"id": "x", "hypotheses": ["word " * 2000] * 5}) + "\n"
    path.write_text(line * 400)  # 20 MB
    tracemalloc.start()
    count = sum(1 for _ in read_nbest(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 400
    assert peak < 1_000_000


def test_values_refuse_what_files_refuse():
    with pytest.raises(InputError, match="no hypotheses"):
        NBest("x", ())
    with pytest.raises(InputError, match="id of an N-best list is empty"):
        NBest("", (Hypothesis("a"),))
    with pytest.raises(InputError, match="scores on some hypotheses only"):
        NBest("x", (Hypothesis("a", 0.0), Hypothesis("b")))
    with pytest.raises(InputError, match=r"N-best list 'x': 'hypotheses' must be a list of strings"):
        NBest.from_texts("x", "not a list")
    with pytest.raises(AttributeError):
        NBest.from_texts("x", ["a"]).reference = "b"  # type: ignore[misc]


def test_a_transcript_is_ready_for_json():
    transcript = Transcript("u1", "a", "b", "a", "llm", "edits", 0.75, passes=2, tokens=3)
    assert json.loads(json.dumps(transcript.to_dict())) == {
        "id": "u1",
        "text": "a",
        "best": "b",
        "generated": "a",
        "source": "llm",
        "guard": "edits",
        "confidence": 0.75,
        "passes": 2,
        "tokens": 3,
    }
    judged = dataclasses.replace(transcript, word_confidences=(0.75,))
    assert json.loads(json.dumps(judged.to_dict())) == transcript.to_dict() | {"word_confidences": [0.75]}
    assert Transcript(**json.loads(json.dumps(judged.to_dict()))) == judged


def test_real_lists_are_read_and_written_back_with_folded_white_space_only(tmp_path: Path):
    folder = os.environ.get("ROBUSTGER_DATA")
    if not folder:
        pytest.skip("ROBUSTGER_DATA is not set: no real N-best lists")
    for file in sorted((Path(folder) / "hyporadise").glob("*.dev.jsonl")):
        lists = load_nbest(file)
        save_nbest(lists, tmp_path / file.name)
        ours = (tmp_path / file.name).read_text(encoding="utf-8").splitlines()
        theirs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for fields in theirs:  # some of these texts have two blanks between words
            fields["hypotheses"] = [" ".join(text.split()) for text in fields["hypotheses"]]
        assert [json.loads(line) for line in ours] == theirs


@pytest.mark.parametrize(
    "start", [b"fLaC\0\0\0\x22", b"RIFF\x24\0\0\0WAVEfmt ", b"ID3\4", b"\0\0\0\x20ftypM4A "]
)
def test_a_recording_in_the_place_of_lists_is_one_line(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "talk"
    path.write_bytes(start + b"\n\xff\n" * 300)
    for read in (read_nbest, load_nbest, load_manifest):
        with pytest.raises(
            InputError, match="talk: is a recording where JSON Lines are needed; recordings go to "
        ):
            read(path)


def test_a_packed_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl.gz"
    path.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(InputError, match="is a packed file where JSON Lines are needed"):
        read_nbest(path)

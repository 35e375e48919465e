from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.evaluation.corrections import load_corrections


def test_reads_ids_and_texts_and_ignores_the_rest(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(
        b"\xef\xbb\xbf"
        b'{"id": "a", "text": "one", "source": "llm", "confidence": 0.5}\n'
        b"\n"
        b'{"text": "", "id": 7}\r\n' + '{"id": "é", "text": "日本 🙂"}'.encode()  # no newline at the end
    )
    assert load_corrections(path) == {"a": "one", "7": "", "é": "日本 🙂"}


def test_an_empty_file_has_no_corrections(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.touch()
    assert load_corrections(path) == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "b", "text"', "not valid JSON"),
        (b"1", "not a JSON object"),
        (b'[{"id": "b", "text": "x"}]', "a JSON array, not JSON Lines"),
        (b"[", "a JSON array, not JSON Lines"),
        (b'{"text": "x"}', "'id' must be"),
        (b'{"id": "", "text": "x"}', "'id' must be"),
        (b'{"id": true, "text": "x"}', "'id' must be"),
        (b'{"id": "b"}', "'text' of id 'b' must be a string"),
        (b'{"id": "b", "text": null}', "'text' of id 'b' must be a string"),
        (b'{"id": "a", "text": "x"}', "id 'a' was corrected before"),
        (b'{"id": "b", "text": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "not readable as JSON"),
        (b"9" * 10_000, "not readable as JSON"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: bytes, message: str):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"id": "a", "text": "one"}\n' + line + b"\n")
    with pytest.raises(InputError) as caught:
        load_corrections(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [".", "nothing.jsonl"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="cannot be read"):
        load_corrections(tmp_path / name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=60)
    | st.dictionaries(st.sampled_from(["id", "text"]), st.text()).map(
        lambda fields: json.dumps(fields).encode()
    )
)
def test_any_bytes_give_corrections_or_a_one_line_error(tmp_path: Path, data: bytes):
    path = tmp_path / "out.jsonl"
    path.write_bytes(data)
    message = ""
    try:
        texts = load_corrections(path)
    except InputError as error:
        texts, message = {}, str(error)
    assert all(isinstance(text, str) for text in texts.values())
    assert "\n" not in message


def test_written_forms_are_taken_where_there_are_any(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    rows = [
        {"id": "a", "text": "one", "written": "One."},
        {"id": "b", "text": "two", "written": None},
        {"id": "c", "text": "three"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load_corrections(path, written=True) == {"a": "One.", "b": "two", "c": "three"}
    assert load_corrections(path) == {"a": "one", "b": "two", "c": "three"}
    path.write_text('{"id": "a", "text": "one", "written": 1}')
    with pytest.raises(InputError, match=r"out.jsonl:1: 'written' of id 'a' must be a string"):
        load_corrections(path, written=True)

"""HyPoradise as JSON Lines and with numbered inputs; elsewhere its entries are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest, load_nbest, read_hyporadise
from robustger.hypotheses.foreign import LIST_FORMATS

ENTRIES = [{"input": ["look", "lock"], "output": "lock"}, {"input": ["yes", "yet"], "output": "yes"}]
EXPECTED = [
    NBest.from_texts("test-00000", ["look", "lock"], reference="lock"),
    NBest.from_texts("test-00001", ["yes", "yet"], reference="yes"),
]


@pytest.mark.parametrize(("before", "end"), [("", "\n"), ("\ufeff", "\r\n"), ("\n", "\n\n")])
def test_json_lines(tmp_path: Path, before: str, end: str) -> None:
    path = tmp_path / "test.jsonl"
    path.write_bytes((before + end.join(map(json.dumps, ENTRIES))).encode())
    assert read_hyporadise(path) == EXPECTED


def test_an_indented_object_is_not_lines(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text(json.dumps(ENTRIES[0], indent=1))
    assert read_hyporadise(path) == EXPECTED[:1]


def test_a_broken_line_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(f"{json.dumps(ENTRIES[0])}\n{{\n{json.dumps(ENTRIES[1])}\n")
    read = [value for _, value in LIST_FORMATS.get("hyporadise")(path)]
    assert [value.id for value in read] == ["test-00000", "test-00001", "test-00002"]
    assert isinstance(read[1], BadLine)
    assert "not valid JSON" in read[1].message
    with pytest.raises(InputError, match=r"test\.jsonl: entry 2: not valid JSON"):
        read_hyporadise(path)


@pytest.mark.parametrize(
    ("entry", "texts"),
    [
        ({"input1": "a", "input2": "b", "input3": "c"}, ("a", "b", "c")),
        ({f"input{k}": str(k) for k in range(11, 0, -1)}, tuple(str(k) for k in range(1, 12))),
        ({"input1": "a", "input2": "b. c", "input3": "d"}, ("a", "b. c", "d")),
        ({"input1": "a", "input2": "b. c"}, ("a", "b", "c")),
        ({"input1": "a"}, ("a",)),
    ],
)
def test_numbered_inputs(tmp_path: Path, entry: dict[str, str], texts: tuple[str, ...]) -> None:
    (tmp_path / "x.json").write_text(json.dumps([{**entry, "output": "a", "source": "s"}]))
    assert read_hyporadise(tmp_path / "x.json") == [
        NBest.from_texts("x-00000", texts, reference="a", meta={"source": "s"})
    ]


def test_a_missing_number_and_a_score_that_is_none_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        '[{"input1": "a", "input3": "c"}, {"input": ["a"], "am_score": [NaN]}, {"input": ["a"], "output": "a"}]'
    )
    read = [value for _, value in LIST_FORMATS.get("hyporadise")(path)]
    assert [value.message for value in read if isinstance(value, BadLine)] == [
        "has 'input3', but no 'input2'",
        "score 1 must be finite, not nan",
    ]
    assert isinstance(read[2], NBest)


def test_an_id_that_stands_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"u": {"input": ["a"]}, "u": {"input": ["b"]}}')
    with pytest.raises(InputError, match="key 'u' occurs twice in one object"):
        read_hyporadise(tmp_path / "x.json")


@pytest.mark.parametrize("content", [json.dumps(ENTRIES[0]), json.dumps(ENTRIES)])
def test_where_lists_are_read_its_entries_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"x\.jsonl:1: .*robustger import-nbest FILE -f hyporadise"):
        load_nbest(tmp_path / "x.jsonl")


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_of_lists_is_named_and_every_line_accounted_for(tmp_path: Path, indent: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text(
        json.dumps([{"id": "u", "hypotheses": ["a"]}, {"id": "v", "hypotheses": ["b"]}], indent=indent)
    )
    with pytest.raises(InputError, match=r"x\.json:1: a JSON array; write one object a line"):
        load_nbest(path)
    assert load_nbest(path, strict=False) == []


def test_a_line_in_brackets_before_lists_is_one_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('[INFO] loading\n{"id": "u", "hypotheses": ["a"]}\n')
    assert load_nbest(path, strict=False) == [NBest.from_texts("u", ["a"])]

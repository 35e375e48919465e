"""Rows with the keys of other programs: their times are read, and messages say which key was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.manifest import Utterance, load_manifest, read_manifest


def write(folder: Path, *rows: dict[str, Any] | str, name: str = "m.json") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def problems(path: Path) -> list[tuple[int, str]]:
    return [(line, value.message) for line, value in read_manifest(path) if isinstance(value, BadLine)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"offset": 10.0, "duration": 2.0}, (10.0, 12.0, {})),
        ({"offset": 10}, (10.0, None, {})),
        ({"offset": 0, "duration": 2}, (0.0, 2.0, {})),
        ({"offset": 3, "duration": -1}, (3.0, None, {})),
        ({"duration": 2.0}, (None, None, {"duration": 2.0})),
        ({"offset": None, "duration": 2.0}, (None, None, {"offset": None, "duration": 2.0})),
        ({"start": 1, "end": 2, "duration": 9}, (1.0, 2.0, {"duration": 9})),
        ({"start": 1, "offset": 1, "duration": 9}, (1.0, 10.0, {})),
        ({"offset": 1, "end": 2, "duration": 9}, (1.0, 2.0, {"duration": 9})),
    ],
)
def test_offset_and_duration_are_times(tmp_path: Path, times: dict[str, Any], expected: tuple) -> None:
    (one,) = load_manifest(write(tmp_path, {"id": "u", "audio": "a.wav", **times}))
    assert (one.start, one.end, one.meta) == expected


def test_offset_and_duration_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,audio,offset,duration\nu1,a.wav,10,2.5\nu2,a.wav,,2.5\nu3,a.wav,soon,1\n")
    read = list(read_manifest(path))
    assert read[0] == (2, Utterance("u1", tmp_path / "a.wav", start=10.0, end=12.5))
    assert read[1] == (3, Utterance("u2", tmp_path / "a.wav", meta={"duration": "2.5"}))
    assert problems(path) == [(4, "'offset' must be a number, not 'soon'")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"audio": "a", "offset": "10"}, "'offset' must be a number, not the string '10'"),
        ({"audio": "a", "offset": -1}, "must be 0 <= start < end"),
        ({"audio": "a", "offset": 1, "start": 2}, "'start' (2) and 'offset' (1) differ"),
        ({"audio": "a", "start": 2, "duration": 3}, "write 'end' for the part's"),
        ({"audio": "a", "Offset": 2}, "unknown key 'Offset'; did you mean 'offset'?"),
        ({"audio": "a", "start_time": 2}, "unknown key 'start_time'; did you mean 'start'?"),
        ({"audio": "a", "onset": 2, "offset": 3}, "unknown key 'onset'"),
        ({"audio": "a", "transcription": "x"}, "unknown key 'transcription'; did you mean 'text'?"),
        ({"path": "a.wav"}, "key 'audio' is missing; every utterance needs 'id' and 'audio'; name 'path' so"),
        ({"file_name": "a.wav"}, "name 'file_name' so"),
        ({"audio": {"path": "a.wav", "bytes": None}}, "'audio' must be a string"),
        ({"recording": {"id": "r"}, "start": 0, "end": 1}, "name 'recording' so"),
    ],
)  # fmt: skip
def test_keys_of_others_are_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path, {"id": "u", **row}, {"id": "last", "audio": "a"})
    ((line, problem),) = problems(path)
    assert line == 1
    assert message in problem
    assert list(read_manifest(path))[1][1] == Utterance("last", tmp_path / "a")


def test_other_keys_beside_a_text_are_kept(tmp_path: Path) -> None:
    (one,) = load_manifest(write(tmp_path, {"id": "u", "audio": "a", "text": "x", "transcription": "X."}))
    assert one.meta == {"transcription": "X."}


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"id": "u1", "audio": "a.wav", "text": "yes", "text": "no"}',
        {"id": "u2", "audio": "b"},
        '{"id": "u3", "audio": "c", "meta": {"x": 1, "x": 2}}',
    )
    assert problems(path) == [
        (1, "key 'text' occurs twice in one object; write it once"),
        (3, "key 'x' occurs twice in one object; write it once"),
    ]


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_named(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps([{"id": "u", "audio": "a"}, {"id": "v", "audio": "b"}], indent=indent))
    with pytest.raises(InputError, match=r"m\.json:1: a JSON array; write one object a line"):
        load_manifest(path)


def test_nemo_manifests_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"audio_filepath": "rec/talk.wav", "offset": 0.0, "duration": 1.5, "text": "good morning"},
        {"audio_filepath": "rec/talk.wav", "offset": 1.5, "duration": 2, "text": "all of you", "lang": "en"},
        {"audio_filepath": "rec/whole.wav", "duration": 7.25, "text": ""},
        {"audio_filepath": "/other/x.flac"},
    )
    assert load_manifest(path) == [
        Utterance("talk-00000000-00001500", tmp_path / "rec/talk.wav", text="good morning", start=0.0, end=1.5),
        Utterance("talk-00001500-00003500", tmp_path / "rec/talk.wav", text="all of you", start=1.5, end=3.5,
                  meta={"lang": "en"}),
        Utterance("whole", tmp_path / "rec/whole.wav", text="", meta={"duration": 7.25}),
        Utterance("x", Path("/other/x.flac")),
    ]  # fmt: skip


def test_nemo_rows_without_an_offset_are_parts_where_the_file_has_others(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"audio_filepath": "x.wav", "duration": 2.0},
        {"audio_filepath": "x.wav", "offset": 2, "duration": 3},
    )
    assert [(one.id, one.start, one.end) for one in load_manifest(path)] == [
        ("x-00000000-00002000", 0.0, 2.0),
        ("x-00002000-00005000", 2.0, 5.0),
    ]


def test_a_broken_row_of_nemo_costs_no_other(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "{",
        {"audio_filepath": "p/x.wav", "text": "a"},
        {"audio_filepath": ["l.wav", "r.wav"], "text": "b"},
        {"audio_filepath": "q/x.wav", "text": "c", "offset": "soon"},
        "",
        {"audio_filepath": "q/x.wav", "text": "d"},
        {"id": "own", "audio_filepath": "y.wav"},
    )
    read = list(read_manifest(path))
    assert [(line, one.id) for line, one in read if isinstance(one, Utterance)] == [
        (2, "p/x.wav"),
        (6, "q/x.wav"),
        (7, "own"),
    ]
    (first, *others) = problems(path)
    assert first[0] == 1
    assert first[1].startswith("not valid JSON")
    assert [(line, message.split(";")[0]) for line, message in others] == [
        (3, "'audio_filepath' must be the path of one file, not ['l.wav', 'r.wav']"),
        (4, "'offset' must be a number, not the string 'soon'"),
    ]


def test_a_row_of_nemo_among_others_needs_an_id(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"id": "u", "audio": "a.wav"},
        {"audio_filepath": "b.wav"},
        {"id": "v", "audio_filepath": "c.wav"},
    )
    assert [value.id for _, value in read_manifest(path)] == ["u", None, "v"]
    assert problems(path)[0][0] == 2

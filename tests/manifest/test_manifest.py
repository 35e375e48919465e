"""Manifests are read back as they were written, every line is accounted for, and no command is run."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.manifest import Utterance, load_manifest, read_manifest, save_manifest

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0\r\n"), min_size=1).filter(
    lambda name: name.strip() and name not in (".", "..")
)
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def utterances(draw: st.DrawFn) -> Utterance:
    start = draw(st.none() | st.floats(0, 1e6))
    return Utterance(
        id=draw(texts.filter(lambda id_: bool(id_.strip()) and "\0" not in id_)),
        audio=Path(draw(names)),
        text=draw(st.none() | texts),
        clean_audio=draw(st.none() | st.builds(Path, names)),
        noise=draw(st.none() | texts),
        snr_db=draw(st.none() | finite),
        start=start,
        end=draw(st.none() | st.floats(min_value=(start or 0.0) + 1, max_value=2e6)),
        meta=draw(st.dictionaries(texts, texts, max_size=2)),
    )


def write(path: Path, *lines: str | bytes | dict) -> Path:
    encoded = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in encoded) + b"\n")
    return path


def problems(path: Path) -> list[tuple[int, str]]:
    return [(line, value.message) for line, value in read_manifest(path) if isinstance(value, BadLine)]


@given(st.lists(utterances(), max_size=4, unique_by=lambda utterance: utterance.id))
def test_what_was_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, saved: list[Utterance]) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    inside = [
        replace(one, audio=folder / one.audio, clean_audio=one.clean_audio and folder / one.clean_audio)
        for one in saved
    ]
    save_manifest(inside, folder / "manifest.jsonl")
    assert load_manifest(folder / "manifest.jsonl") == inside


def test_a_folder_can_be_moved_and_files_outside_keep_their_place(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    outside = tmp_path / "elsewhere.wav"
    save_manifest([Utterance("u", old / "sub" / "a.wav"), Utterance("v", outside)], old / "manifest.jsonl")
    old.rename(new)
    assert [one.audio for one in load_manifest(new / "manifest.jsonl")] == [new / "sub" / "a.wav", outside]


def test_stdin_is_json_lines_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with write(tmp_path / "lines", {"id": "u", "audio": "a.wav"}).open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert load_manifest("-") == [Utterance("u", Path("a.wav"))]


def test_other_keys_are_kept_in_meta(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.jsonl", {"id": 7, "audio": "a.wav", "text": None, "speaker": "0120", "meta": {"a": 1}}
    )
    assert load_manifest(path) == [Utterance("7", tmp_path / "a.wav", meta={"speaker": "0120", "a": 1})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "expected a JSON object with 'id' and 'audio', found [1]"),
        ("{", "not valid JSON"),
        (b'{"id": "u", "audio": "\xff"}', "is not UTF-8"),
        ({"audio": "a.wav"}, "key 'id' is missing"),
        ({"id": "u"}, "key 'audio' is missing"),
        ({"id": "u", "audio": None}, "key 'audio' is missing"),
        ({"id": " ", "audio": "a.wav"}, "'id' must not be empty"),
        ({"id": True, "audio": "a.wav"}, "'id' must be a string, not True"),
        ({"id": "u", "audio": ""}, "'audio' must not be empty"),
        ({"id": "u", "audio": "a\0.wav"}, "hold a null character"),
        ({"id": "u", "audio": 3}, "'audio' must be a string, not 3"),
        ({"id": "u", "audio": "a", "txt": "x"}, "unknown key 'txt'; did you mean 'text'?"),
        ({"id": "u", "audio": "a", "Text": "x"}, "unknown key 'Text'; did you mean 'text'?"),
        ({"id": "u", "audio": "a", "snr_db": "5"}, "'snr_db' must be a number, not the string '5'"),
        ('{"id": "u", "audio": "a", "snr_db": NaN}', "NaN is not JSON"),
        ('{"id": "u", "audio": "a", "snr_db": 1e999}', "'snr_db' must be finite"),
        ({"id": "u", "audio": "a", "start": -1}, "must be 0 <= start < end"),
        ({"id": "u", "audio": "a", "start": 2, "end": 2}, "must be 0 <= start < end"),
        ({"id": "u", "audio": "a", "meta": 1}, "'meta' must be an object"),
        (
            {"id": "u", "audio": "a", "sex": "f", "meta": {"sex": "f"}},
            "occurs both in the line and in its 'meta'",
        ),
        ({"id": "first", "audio": "b"}, "id 'first' stands in line 1 already"),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_read(tmp_path: Path, line: Any, message: str) -> None:
    path = write(tmp_path / "m.jsonl", {"id": "first", "audio": "a"}, "", line, {"id": "last", "audio": "a"})
    read = list(read_manifest(path))
    assert [number for number, _ in read] == [1, 3, 4]
    assert [value.id for _, value in (read[0], read[2])] == ["first", "last"]
    (problem,) = problems(path)
    assert message in problem[1]
    with pytest.raises(InputError, match=r"m\.jsonl:3: "):
        load_manifest(path)


@pytest.mark.parametrize(
    ("suffix", "comma", "cell", "text"),
    [(".csv", ",", '"two\nlines"', "two\nlines"), (".tsv", "\t", '"one line"', '"one line"')],
)
def test_tables(tmp_path: Path, suffix: str, comma: str, cell: str, text: str) -> None:
    rows = [
        ["id", "audio", "text", "snr_db", "speaker"],
        ["u1", "a b.wav", cell, "2.5", "f1"],
        ["u2", "b.wav", "", "", ""],
    ]
    path = write(tmp_path / f"m{suffix}", "\ufeff" + "\n".join(comma.join(row) for row in rows))
    assert load_manifest(path) == [
        Utterance("u1", tmp_path / "a b.wav", text=text, snr_db=2.5, meta={"speaker": "f1"}),
        Utterance("u2", tmp_path / "b.wav"),
    ]


def test_bad_rows_of_a_table(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.csv",
        "id,audio,snr_db",
        "u1,a.wav",
        "u2,a.wav,loud",
        b"u3,\xff.wav,1",
        "u4,a.wav,1",
        "u4,a.wav,1",
        ",a.wav,1",
    )
    assert problems(path) == [
        (2, "2 cells under 3 column names"),
        (3, "'snr_db' must be a number, not 'loud'"),
        (4, "the row is not UTF-8; save the file as UTF-8"),
        (6, "id 'u4' stands in line 5 already; make ids unique"),
        (7, "key 'id' is missing; every utterance needs 'id' and 'audio'"),
    ]


@pytest.mark.parametrize("header", ["", "id,text", "id,audio,id"])
def test_a_table_without_its_columns_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match=r"m\.csv:1: .*column"):
        read_manifest(write(tmp_path / "m.csv", header, "u,a.wav,v"))


def test_kaldi_folder(tmp_path: Path) -> None:
    write(tmp_path / "wav.scp", "u1 a b.wav", "u2 sub/b.flac", "u3 /c.wav")
    write(tmp_path / "text", "u1 hello there", "u3", "u2 x")
    expected = [
        Utterance("u1", tmp_path / "a b.wav", text="hello there"),
        Utterance("u2", tmp_path / "sub" / "b.flac", text="x"),
        Utterance("u3", Path("/c.wav"), text=""),
    ]
    assert load_manifest(tmp_path) == expected
    assert load_manifest(tmp_path / "wav.scp") == expected


def test_kaldi_segments(tmp_path: Path) -> None:
    write(tmp_path / "wav.scp", "r1 a.wav", "r2 b.wav")
    write(
        tmp_path / "segments", "u1 r1 0.5 2", "u2 r1 2 -1", "u3 r9 0 1", "u4 r2 0", "u5 r2 a b", "u6 r2 2 1"
    )
    write(tmp_path / "text", "u1 one", "u2 two")
    good = [value for _, value in read_manifest(tmp_path) if isinstance(value, Utterance)]
    assert good == [
        Utterance("u1", tmp_path / "a.wav", text="one", start=0.5, end=2.0),
        Utterance("u2", tmp_path / "a.wav", text="two", start=2.0),
    ]
    assert [line for line, _ in problems(tmp_path)] == [3, 4, 5, 6]


def test_kaldi_commands_are_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    write(tmp_path / "wav.scp", f"u1 touch {witness} |", "u2 feats.ark:12", "u3", "u4 a.wav")
    write(tmp_path / "text", "u4 x", "u9 y")
    (pipe, archive, nothing, orphan) = problems(tmp_path)
    assert pipe[0] == 1
    assert "commands in files are not run" in pipe[1]
    assert (archive[0], nothing[0]) == (2, 3)
    assert "names no audio file" in archive[1]
    assert orphan == (2, "id 'u9' stands in the file 'text' but has no recording")
    assert not witness.exists()


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path, message in [
        (tmp_path / "none.jsonl", "cannot be read: No such file"),
        (tmp_path / "none.csv", "cannot be read: No such file"),
        (tmp_path / "wav.scp", "cannot be read: No such file"),
        (tmp_path, "is a folder without wav.scp"),
    ]:
        with pytest.raises(InputError, match=message):
            read_manifest(path)
    bad = write(tmp_path / "wav.scp", b"u1 \xff")
    with pytest.raises(InputError, match=r"wav\.scp:1: not UTF-8"):
        read_manifest(bad)


def test_what_json_cannot_hold_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written as JSON"):
        save_manifest([Utterance("u", Path("a"), snr_db=float("nan"))], tmp_path / "m.jsonl")
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif("ROBUSTGER_DATA" not in os.environ, reason="ROBUSTGER_DATA is not set")
@pytest.mark.parametrize("name", ["speechocean762/test.jsonl", "noisy_librispeech.jsonl"])
def test_shared_manifests_name_files_that_are_there(name: str) -> None:
    read = load_manifest(Path(os.environ["ROBUSTGER_DATA"]) / "audio" / name)
    assert read
    assert all(one.audio.is_file() and one.text for one in read)

"""Tables are read back as they were written, and a broken row costs no other row, wherever its quote would end."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.hypotheses import BadLine
from robustger.manifest import Utterance, load_manifest, read_manifest

HEADER = ["id", "audio", "text"]
# Within quotes anything may stand, line ends too. What looks like a file name would make a line look like a row.
cells = st.text("ab ,;\"'\tä\n\r|", max_size=12)
plain = st.text("ab ,;\"'ä|", max_size=12)  # no tabs and no line ends: what a TSV can hold
Rows = list[tuple[int, Utterance | BadLine]]


def table(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(rows: Rows) -> list[str]:
    return [value.id for _, value in rows if isinstance(value, Utterance)]


def bad(rows: Rows) -> list[tuple[int, str]]:
    return [(line, value.message) for line, value in rows if isinstance(value, BadLine)]


def as_csv(rows: list[list[str]], separator: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue()


@given(
    st.lists(cells, max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_csv_writer_wrote_is_read(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], separator: str, quoting: int
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    rows = [HEADER, *([f"u{k}", f"{k}.wav", text] for k, text in enumerate(texts))]
    read = load_manifest(table(folder, "m.csv", as_csv(rows, separator, quoting)))
    assert read == [
        Utterance(f"u{k}", folder / f"{k}.wav", text=text if text.strip() else None)
        for k, text in enumerate(texts)
    ]


@given(st.lists(plain, max_size=6))
def test_in_a_tsv_a_quote_is_a_character(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("tsv")
    lines = ["\t".join(HEADER), *(f"u{k}\t{k}.wav\t{text}" for k, text in enumerate(texts))]
    read = load_manifest(table(folder, "m.tsv", "\r\n".join(lines)))
    assert [one.text for one in read] == [text if text.strip() else None for text in texts]


@given(st.lists(cells, min_size=1, max_size=6), st.data())
def test_a_broken_row_costs_no_other(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    """A quote that is opened and not closed, before, between or behind good rows, quoted or not."""
    place = data.draw(st.integers(0, len(texts)))
    broken = data.draw(st.text("ab ,ä", min_size=1, max_size=12))
    rows = [as_csv([[f"u{k}", f"{k}.wav", text]]) for k, text in enumerate(texts)]
    lines = [as_csv([HEADER]), *rows[:place], f'x,x.wav,"{broken}\r\n', *rows[place:]]
    read = list(read_manifest(table(tmp_path_factory.mktemp("broken"), "m.csv", "".join(lines))))
    assert ids(read) == [f"u{k}" for k in range(len(texts))]
    ((line, message),) = bad(read)
    assert line == 1 + "".join(lines[: place + 1]).replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert "a quote is opened and not closed" in message


@given(st.text('ab,;\t"\n\r u1.wav', max_size=80), st.sampled_from(["m.csv", "m.tsv"]))
def test_no_text_breaks_the_reader_and_good_rows_survive_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    separator = "," if name.endswith("csv") else "\t"
    good = separator.join(["good", "good.flac", "good words"])
    content = f"{separator.join(HEADER)}\n{text}\n{good}\n"
    read = list(read_manifest(table(tmp_path_factory.mktemp("any"), name, content)))
    assert "good" in ids(read)


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("open.tsv", 'id\taudio\ttext\nu1\ta.wav\t"Go away, he said\nu2\tb.wav\tyes\n', ['"Go away, he said', "yes"]),
        ("pair.tsv", 'id\taudio\ttext\nu1\ta.wav\t"quoted" text\n', ['"quoted" text']),
        ("inside.tsv", 'id\taudio\ttext\nu1\ta.wav\tsaid "go\nu2\tb.wav\t6" of it\n', ['said "go', '6" of it']),
        ("inside.csv", 'id,audio,text\nu1,a.wav,she said "go\nu2,b.wav,yes\n', ['she said "go', "yes"]),
        ("lines.csv", 'id,audio,text\nu1,a.wav,"one\ntwo, 3\nfour"\nu2,b.wav,yes\n', ["one\ntwo, 3\nfour", "yes"]),
        ("UPPER.CSV", "id,audio,text\nu1,a.wav,yes\n", ["yes"]),
        ("UPPER.TSV", "id\taudio\ttext\nu1\ta.wav\tyes\n", ["yes"]),
        ("excel.csv", "id;audio;text\nu1;a.wav;lock, stock\n", ["lock, stock"]),
        ("sep.csv", "sep=;\r\nid;audio;text\r\nu1;a.wav;yes\r\n", ["yes"]),
        ("tabs.csv", 'id\taudio\ttext\nu1\ta.wav\t"yes"\n', ["yes"]),
        ("mac.csv", "id,audio,text\ru1,a.wav,yes\ru2,b.wav,no\r", ["yes", "no"]),
        ("bom.Csv", "\ufeffid,audio,text\r\nu1,a.wav,yes\r\n", ["yes"]),
    ],
)  # fmt: skip
def test_tables_as_their_writers_mean_them(tmp_path: Path, name: str, content: str, texts: list[str]) -> None:
    assert [one.text for one in load_manifest(table(tmp_path, name, content))] == texts


def test_a_quote_that_ends_behind_other_rows_was_never_closed(tmp_path: Path) -> None:
    lines = [
        "id,audio,text",
        'u1,a.wav,"Wake me up, he said',  # swallows the next row as a cell of it, if that ends it
        'u2,b.wav,the dog sleeps"',
        "u3,c.wav,yes",
        '"u4,d.wav,no',
        'u5,e.wav,"a ""proper"" one"',
        "u6,dir/f,no suffix",
        'u7,g.wav,"never closed',
    ]
    read = list(read_manifest(table(tmp_path, "m.csv", "\n".join(lines))))
    assert ids(read) == ["u2", "u3", "u5", "u6"]
    assert [(line, value.id) for line, value in read if isinstance(value, BadLine)] == [
        (2, "u1"),
        (5, None),
        (8, "u7"),
    ]


def test_numbers_of_countries_with_a_decimal_comma(tmp_path: Path) -> None:
    path = table(tmp_path, "m.csv", "id;audio;snr_db;start;end\nu;a.wav;-2,5;0,25;1\nv;a.wav;1,2,3;;\n")
    read = list(read_manifest(path))
    assert read[0] == (2, Utterance("u", tmp_path / "a.wav", snr_db=-2.5, start=0.25, end=1.0))
    assert bad(read) == [(3, "'snr_db' must be a number, not '1,2,3'")]
    read = list(read_manifest(table(tmp_path, "n.csv", 'id,audio,snr_db\nu,a.wav,"2,5"\n')))
    assert bad(read) == [(2, "'snr_db' must be a number, not '2,5'")]


def test_rows_that_are_not_utf8_are_told_by_their_line(tmp_path: Path) -> None:
    content = "id,audio,text\nu1,a.wav,café\nu2,b.wav,tea\nu3,thé.wav,x\n".encode("latin-1")
    read = list(read_manifest(table(tmp_path, "m.csv", content)))
    assert ids(read) == ["u2"]
    assert bad(read) == [(line, "the row is not UTF-8; save the file as UTF-8") for line in (2, 4)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tsv", b"id,audio,text\nu,a.wav,x\n", "they are separated by a comma, so call the file .csv"),
        ("m.csv", b"id,path,sentence\nu,a.wav,x\n", "no column 'audio'.*name 'path' so"),
        ("m.csv", b"ID,audio\nu,a.wav\n", "no column 'id'.*name 'ID' so"),
        ("m.tsv", b"client_id\tpath\tsentence\n", "no column 'id'"),
        ("m.csv", "id,audio\nu,a.wav\n".encode("utf-16"), "is UTF-16; save the file as UTF-8"),
        ("m.csv", b"id,audio,\xe9tat\n", "the line is not UTF-8"),
        ("m.csv", b'id,audio,"text\nu,a.wav,x\n', "a quote is opened and not closed"),
        ("m.csv", b"id,audio," + b"x" * 200_000, "not readable as CSV"),
        ("m.csv", b"", "no column 'id'"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf":1: .*{message}") as caught:
        read_manifest(table(tmp_path, name, content))
    assert "\n" not in str(caught.value)


def test_a_cell_that_is_too_long_is_one_row(tmp_path: Path) -> None:
    read = list(
        read_manifest(table(tmp_path, "m.csv", f"id,audio,text\nu1,a.wav,{'x' * 200_000}\nu2,b.wav,yes\n"))
    )
    assert ids(read) == ["u2"]
    assert "field larger than field limit" in bad(read)[0][1]

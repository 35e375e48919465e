"""`robustger evaluate` on small files with figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

# 1-best: 2 errors in 8 words; the second hypothesis of "a" is right; "flour" stands in no hypothesis of "b".
LISTS = [
    {"id": "a", "hypotheses": ["what is the fair", "what is the fare"], "reference": "what is the fare"},
    {
        "id": "b",
        "hypotheses": ["buy some flower today", "buy sum flower today"],
        "reference": "buy some flour today",
    },
]


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    return write(tmp_path / "lists.jsonl", LISTS)


@pytest.fixture
def corrections(tmp_path: Path) -> Path:
    rows = [{"id": "a", "text": "what is the fare"}, {"id": "b", "text": "buy some flower today"}]
    return write(tmp_path / "out.jsonl", rows)


def test_json_has_the_rates_as_fractions(robustger, lists: Path, corrections: Path) -> None:
    result = robustger("evaluate", lists, "--corrections", corrections, "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)["normalizers"]
    assert list(report) == ["raw", "number"]
    assert report["raw"]["wer"] == {"best": 0.25, "o_nb": 0.125, "o_cp": 0.125, "corrected": 0.125}


def test_normalizers_are_chosen_by_name(robustger, lists: Path) -> None:
    report = json.loads(
        robustger("evaluate", lists, "--normalizer", "whisper", "--normalizer", "released", "--json").out
    )
    assert list(report["normalizers"]) == ["whisper", "released"]
    assert "corrected" not in report["normalizers"]["whisper"]["wer"]


def test_a_pipe_gets_markdown(robustger, lists: Path, corrections: Path) -> None:
    result = robustger("evaluate", lists, "-c", corrections)
    assert result.code == 0
    assert any(line.startswith("| 1-best | 25.00") for line in result.out.splitlines())


def test_dash_is_stdin(robustger, lists: Path, corrections: Path) -> None:
    for arguments, stdin in (([lists, "-c", "-"], corrections), (["-", "-c", corrections], lists)):
        result = robustger("evaluate", *arguments, "--json", stdin=stdin.read_text(encoding="utf-8"))
        assert json.loads(result.out)["normalizers"]["raw"]["wer"]["corrected"] == 0.125


def test_several_files_are_domains(robustger, tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{name}.jsonl", [row]) for name, row in zip("xy", LISTS, strict=True))
    result = robustger("evaluate", first, second, "--json")
    report = json.loads(result.out)
    assert report["normalizers"]["raw"]["wer"]["best"] == 0.25
    rates = {name: domain["normalizers"]["raw"]["wer"]["o_nb"] for name, domain in report["domains"].items()}
    assert rates == {"x": 0.0, "y": 0.25}
    assert "| total |" in robustger("evaluate", first, second).out


def test_lists_without_a_reference_are_reported(robustger, tmp_path: Path) -> None:
    file = write(tmp_path / "lists.jsonl", [*LISTS, {"id": "c", "hypotheses": ["so it goes"]}])
    result = robustger("evaluate", file, "--json")
    assert result.code == 1
    assert json.loads(result.out)["utterances"] == 2
    assert result.err == "robustger: 1 lists have no reference and were left out\n"


def test_groups_the_other_system_and_words(robustger, tmp_path: Path, corrections: Path) -> None:
    rows = [{**row, "meta": {"snr_db": snr_db}} for row, snr_db in zip(LISTS, (0, 10), strict=True)]
    lists = write(tmp_path / "snr.jsonl", rows)
    other = write(
        tmp_path / "other.jsonl", [{"id": row["id"], "text": row["hypotheses"][0]} for row in LISTS]
    )
    arguments = [lists, "-c", corrections, "--against", other, "--by", "snr_db", "--by", "length:2"]
    result = robustger("evaluate", *arguments, "--top-words", "3", "--resamples", "50", "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    rates = {name: group["normalizers"]["raw"]["wer"] for name, group in report["by"]["snr_db"].items()}
    assert rates["0"] == {"best": 0.25, "o_nb": 0.0, "o_cp": 0.0, "corrected": 0.0, "against": 0.25}
    assert rates["10"]["corrected"] == 0.25
    assert list(report["by"]["length"]) == ["> 2"]
    assert report["normalizers"]["raw"]["recovered"] == {"o_nb": 1.0, "o_cp": 1.0}
    assert report["normalizers"]["raw"]["against"]["edits"]["better"] == 1
    assert report["bootstrap"]["resamples"] == 50
    assert report["word_changes"]["fixed"] == [{"reference": "fare", "written": "fair", "count": 1}]
    markdown = robustger("evaluate", *arguments, "--top-words", "3").out
    assert (
        "| 0 | 1 | 4 | 25.00 | 25.00 | 0.00 | 0.00 | 2.0 of 2.0 | 0.00 | -100.0 (too few to tell) |"
        in markdown
    )
    assert "| 1 | fare <- fair | 1 |  |  |" in markdown


def test_characters(robustger, lists: Path) -> None:
    report = json.loads(robustger("evaluate", lists, "--unit", "char", "--normalizer", "raw", "--json").out)
    assert report["unit"] == "char"
    assert report["normalizers"]["raw"]["errors"] == {"best": 4, "o_nb": 2, "o_cp": 0}
    assert report["normalizers"]["raw"]["words"] == 13 + 17


def test_a_manifest_gives_fields_and_references(robustger, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists.jsonl", [LISTS[0], {"id": "c", "hypotheses": ["so it goes"]}])
    rows = [
        {"id": "a", "audio": "a.wav", "noise": "car", "speaker": "s1"},
        {"id": "c", "audio": "c.wav", "text": "so it went", "snr_db": 5, "speaker": "s2"},
    ]
    manifest = write(tmp_path / "manifest.jsonl", rows)
    arguments = [lists, "--manifest", manifest, "--by", "speaker", "--by", "snr_db", "--cluster", "speaker"]
    result = robustger("evaluate", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert list(report["by"]["speaker"]) == ["s1", "s2"]
    assert list(report["by"]["snr_db"]) == ["5", "(none)"]
    assert report["bootstrap"]["over"] == "speaker"


def test_a_page(robustger, tmp_path: Path, corrections: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(1600) / 20) / 2, 16_000)
    rows = [{**row, "audio": f"{row['id']}.wav"} for row in LISTS]
    lists = write(tmp_path / "lists.jsonl", rows)
    page = tmp_path / "page.html"
    for audio, address in (("link", 'src="a.wav"'), ("embed", 'src="data:audio/flac;base64,')):
        result = robustger("evaluate", lists, "-c", corrections, "--html", page, "--audio", audio)
        assert result.code == 1
        assert result.err == "robustger: b: the recording b.wav does not exist (no player on the page)\n"
        assert result.out.startswith("**WER in %**")
        text = page.read_text(encoding="utf-8")
        assert text.count("<audio ") == text.count(address) == 1
        page.unlink()
    result = robustger("evaluate", lists, "-c", corrections, "--html", page, "--audio", "none")
    assert (result.code, result.err) == (0, "")
    assert "<audio " not in page.read_text(encoding="utf-8")


def test_empty_references_are_named(robustger, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists.jsonl", [*LISTS, {"id": "c", "hypotheses": ["um"], "reference": "?"}])
    result = robustger("evaluate", lists, "--json")
    assert result.code == 0
    assert result.err == (
        "robustger: 1 references are empty under the normalizer number ('c'): all that is written for them is counted "
        "as inserted\n"
    )


def test_systems_with_different_utterances_are_refused(robustger, lists: Path, corrections: Path) -> None:
    other = write(lists.parent / "other.jsonl", [{"id": "a", "text": "what is the fare"}])
    result = robustger("evaluate", lists, "-c", corrections, "--against", other)
    assert (result.code, result.out) == (2, "")
    assert "cover different utterances: 1 only in corrections ('b'); " in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "none.jsonl: cannot be read"),
        (["."], ".: cannot be read"),
        (["lists.jsonl", "lists.jsonl"], "given twice"),
        (["lists.jsonl", "--normalizer", "shouted"], "unknown normalizer 'shouted'; choose one of: raw"),
        (["lists.jsonl", "-c", "lists.jsonl"], "lists.jsonl:1: id 'a' is an N-best list"),
        (["lists.jsonl", "-c", "some.jsonl"], "('b')"),
        (["lists.jsonl", "-c", "some.jsonl", "-c", "some.jsonl"], "1 files of lists but 2 of corrections"),
        (["-", "-c", "-"], "only once"),
        (["lists.jsonl", "--against", "lists.jsonl", "--against", "-"], "1 files of lists but 2 of against"),
        (["lists.jsonl", "--against", "some.jsonl"], "none to compare"),
        (["lists.jsonl", "--by", "room"], "no list has the field 'room'; known fields: audio, id"),
        (["lists.jsonl", "--by", "length:x"], "cannot group by 'length:x'"),
        (["lists.jsonl", "--cluster", "speaker"], "2 lists lack the field 'speaker'"),
        (["lists.jsonl", "--top-words", "3"], "give --corrections"),
        (["lists.jsonl", "--html", "-"], "cannot go to stdout"),
        (["lists.jsonl", "--html", "none/page.html"], "none/page.html: cannot be written"),
        (["lists.jsonl", "--manifest", "none.jsonl"], "none.jsonl: cannot be read"),
        (["lists.jsonl", "--resamples", "0"], "resamples must be at least 1"),
        (["broken.jsonl"], "broken.jsonl:2: "),
        (["empty.jsonl"], "nothing to score"),
    ],
)
def test_bad_input_is_one_line_and_2(
    robustger, lists: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(lists.parent)
    write(Path("some.jsonl"), [{"id": "a", "text": "what is the fare"}])
    Path("broken.jsonl").write_text(json.dumps(LISTS[0]) + '\n{"id": "b", "hypo', encoding="utf-8")
    Path("empty.jsonl").touch()
    result = robustger("evaluate", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err


def test_the_page_takes_no_place_of_what_it_shows(robustger, lists: Path, corrections: Path) -> None:
    for target in (lists, corrections):
        before = target.read_bytes()
        result = robustger("evaluate", str(lists), "-c", str(corrections), "--html", str(target))
        assert (result.code, result.out) == (2, "")
        assert "is read by this command; name another output" in result.err
        assert target.read_bytes() == before

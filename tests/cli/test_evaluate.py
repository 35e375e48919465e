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
    report = json.loads(robustger("evaluate", lists, "-n", "whisper", "-n", "released", "--json").out)
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "none.jsonl: cannot be read"),
        (["."], ".: cannot be read"),
        (["lists.jsonl", "lists.jsonl"], "given twice"),
        (["lists.jsonl", "-n", "shouted"], "unknown normaliser 'shouted'; choose one of: raw"),
        (["lists.jsonl", "-c", "lists.jsonl"], "lists.jsonl:1: 'text'"),
        (["lists.jsonl", "-c", "some.jsonl"], "('b')"),
        (["lists.jsonl", "-c", "some.jsonl", "-c", "some.jsonl"], "1 files of lists but 2 of corrections"),
        (["-", "-c", "-"], "only once"),
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

"""`robustger baseline`: transcripts that `robustger evaluate` reads, and one line where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LISTS = [
    {
        "id": "a",
        "hypotheses": ["what is the fair", "what is the fare", "what is the fare"],
        "scores": [-0.2, -0.4, -0.5],
        "reference": "what is the fare",
    },
    {"id": "b", "hypotheses": ["half passed ten", "half past ten"], "reference": "half past ten"},
    {"id": "c", "hypotheses": ["to denver", "to denver"], "reference": "to denver"},
]
TRAIN = [
    {"id": "t1", "hypotheses": ["show me the fair", "show me the fare"], "reference": "show me the fare"},
    {"id": "t2", "hypotheses": ["at half passed nine"], "reference": "at half past nine"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `lists.jsonl` and `train.jsonl`."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, rows in (("lists", LISTS), ("train", TRAIN)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        Path(f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def texts(path: str) -> list[str]:
    return [json.loads(line)["text"] for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["format-only"], ["what is the fair", "half passed 10", "to denver"]),
        (["mbr"], ["what is the fare", "half passed ten", "to denver"]),
        (["rover"], ["what is the fare", "half passed ten", "to denver"]),
        (
            ["ngram-rank", "--train", "train.jsonl", "--weight", "0"],
            ["what is the fair", "half passed ten", "to denver"],
        ),
        (
            ["ngram-rank", "--train", "train.jsonl", "--dev", "lists.jsonl", "--order", "2"],
            ["what is the fare", "half past ten", "to denver"],
        ),
    ],
)
def test_its_transcripts_are_corrections_to_evaluate(
    robustger, folder: Path, arguments: list[str], expected: list[str]
) -> None:
    name, *options = arguments
    result = robustger("baseline", name, "lists.jsonl", "-o", "out.jsonl", *options)
    assert (result.code, result.out) == (0, "")
    assert "3 lists" in result.err
    assert texts("out.jsonl") == expected
    assert robustger("baseline", name, "lists.jsonl", *options).out == Path("out.jsonl").read_text()
    evaluation = robustger("evaluate", "lists.jsonl", "-c", "out.jsonl", "--normalizer", "number", "--json")
    assert evaluation.code == 0
    wrong = sum(text not in row["reference"] for text, row in zip(expected, LISTS, strict=True))
    assert json.loads(evaluation.out)["normalizers"]["number"]["errors"]["corrected"] == wrong


def test_the_tuned_weight_is_told(robustger, folder: Path) -> None:
    result = robustger(
        "baseline",
        "ngram-rank",
        "lists.jsonl",
        "-o",
        "out.jsonl",
        "--train",
        "train.jsonl",
        "--dev",
        "lists.jsonl",
    )
    assert "0 word errors on the 3 lists it is tuned on, 2 without the model" in result.err


def test_lm_rank_and_a_causal_language_model(robustger, folder: Path, tiny_base: Path) -> None:
    arguments = ("baseline", "lm-rank", "lists.jsonl", "--model", tiny_base, "--device", "cpu")
    result = robustger(*arguments, "--weight", "0.5")
    assert result.code == 0
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert all(row["text"] in given["hypotheses"] for row, given in zip(rows, LISTS, strict=True))
    assert {row["source"] for row in rows} == {"baseline"}
    tuned = robustger(*arguments, "--dev", "train.jsonl")
    assert tuned.code == 0
    assert "on the 2 lists it is tuned on" in tuned.err


def test_a_line_that_cannot_be_read_is_reported_and_has_its_place(robustger, folder: Path) -> None:
    rows = [json.dumps(LISTS[0]), '{"id": "x"}', json.dumps(LISTS[2])]
    result = robustger("baseline", "mbr", "-", stdin="\n".join(rows))
    assert result.code == 1
    assert "robustger: stdin:2: key 'hypotheses' is missing" in result.err
    assert [json.loads(line)["text"] for line in result.out.splitlines()] == [
        "what is the fare",
        "",
        "to denver",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sword", "lists.jsonl"], "unknown baseline 'sword'; choose one of: format-only, "),
        (["mbr", "none.jsonl"], "none.jsonl: cannot be read: "),
        (["mbr", "lists.jsonl", "--model", "x"], "baseline 'mbr' has no option 'model'"),
        (["few-shot", "lists.jsonl"], "baseline 'few-shot' needs 'train'"),
        (["lm-rank", "lists.jsonl"], "lm-rank: give lists to tune its weight on (dev), or the weight"),
        (["lm-rank", "lists.jsonl", "--weight", "1", "--model", "none/x/y"], "none/x/y: "),
        (["ngram-rank", "lists.jsonl", "--train", "none.jsonl"], "none.jsonl: cannot be read: "),
        (["ngram-rank", "-", "--train", "-"], "- means standard input, which can be read only once"),
        (["format-only", "lists.jsonl", "--normalizer", "x"], "unknown normalizer 'x'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    robustger, folder: Path, arguments: list[str], message: str
) -> None:
    before = sorted(folder.iterdir())
    result = robustger("baseline", *arguments, "-o", "out.jsonl")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert sorted(folder.iterdir()) == before

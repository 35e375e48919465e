"""`robustger import-nbest` on small files of every format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KALDI = "a-1 what is the fair\na-2 what is the fare\nb-1 good\n"


def lists(text: str) -> dict[str, Any]:
    return {fields.pop("id"): fields for fields in map(json.loads, text.splitlines())}


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_from_kaldi_to_a_file_with_references(robustger: Callable[..., Any]) -> None:
    Path("nbest.txt").write_text(KALDI)
    Path("text").write_text("a what is the fare\nb good\n")
    result = robustger(
        "import-nbest", "nbest.txt", "--format", "kaldi", "-o", "lists.jsonl", "--references", "text"
    )
    assert (result.code, result.out, result.err) == (0, "", "robustger: 2 lists, 0 problems\n")
    assert lists(Path("lists.jsonl").read_text()) == {
        "a": {"hypotheses": ["what is the fair", "what is the fare"], "reference": "what is the fare"},
        "b": {"hypotheses": ["good"], "reference": "good"},
    }


def test_pipes(robustger: Callable[..., Any]) -> None:
    result = robustger("import-nbest", "-", "-f", "kaldi", stdin=KALDI)
    assert list(lists(result.out)) == ["a", "b"]
    result = robustger("import-nbest", "-", "-f", "nemo", "--beams", 2, stdin="x\t-1\ny\t-0.5\n")
    assert lists(result.out) == {"stdin-00000": {"hypotheses": ["y", "x"], "scores": [-0.5, -1.0]}}
    result = robustger("import-nbest", "-", "-f", "hyporadise", stdin='[{"input": ["x"], "output": "y"}]')
    assert lists(result.out) == {"stdin-00000": {"hypotheses": ["x"], "reference": "y"}}


def test_from_espnet_and_nemo(robustger: Callable[..., Any]) -> None:
    for rank, text in ((1, "fair"), (2, "fare")):
        folder = Path("decode", "logdir", "output.1", f"{rank}best_recog")
        folder.mkdir(parents=True)
        (folder / "text").write_text(f"a {text}\n")
        (folder / "score").write_text(f"a tensor(-{rank}.5)\n")
    result = robustger("import-nbest", "decode", "-f", "espnet")
    assert lists(result.out) == {"a": {"hypotheses": ["fair", "fare"], "scores": [-1.5, -2.5]}}
    Path("m.json").write_text('{"audio_filepath": "x/a.wav", "duration": 1.0, "text": "fare"}\n')
    Path("b.tsv").write_text("fair\t-1.5\nfare\t-2.5\n")
    result = robustger("import-nbest", "b.tsv", "-f", "nemo", "--references", "m.json")
    assert lists(result.out) == {
        "a": {
            "hypotheses": ["fair", "fare"],
            "scores": [-1.5, -2.5],
            "reference": "fare",
            "audio": "x/a.wav",
        }
    }


def test_bad_lines_are_reported_and_make_the_exit_code_1(robustger: Callable[..., Any]) -> None:
    Path("nbest.txt").write_text(f"{KALDI}what is this\n")
    Path("text").write_text("a what is the fare\nz nobody said\n")
    result = robustger("import-nbest", "nbest.txt", "-f", "kaldi", "--references", "text")
    assert result.code == 1
    assert list(lists(result.out)) == ["a", "b"]
    assert result.err.splitlines() == [
        "robustger: nbest.txt:4: the key 'what' does not end in a rank, as 'utt-1' does",
        "robustger: nbest.txt:3: 'b' has no reference in text; the list is kept without one",
        "robustger: 2 lists, 1 problems, 1 without a reference, 1 references without a list",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none", "-f", "kaldi"], "none: cannot be read"),
        (["nbest.txt", "-f", "htk"], "unknown format 'htk'"),
        (["nbest.txt", "-f", "kaldi", "--beams", 3], "has no option 'beams'"),
        (["nbest.txt", "-f", "kaldi", "--references", "none"], "none: cannot be read"),
        (["nbest.txt", "-f", "nemo"], "does not say where an utterance ends"),
    ],
)
def test_bad_input_is_one_line_and_2(
    robustger: Callable[..., Any], arguments: list[Any], message: str
) -> None:
    Path("nbest.txt").write_text(KALDI)
    result = robustger("import-nbest", *arguments, "-o", "lists.jsonl")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert result.err.count("\n") == 1
    assert message in result.err
    assert not Path("lists.jsonl").exists()


def test_repeats_are_merged_and_tokens_put_together(robustger: Callable[..., Any]) -> None:
    Path("nbest.txt").write_text("a-1 ▁the ▁fair\na-2 ▁The ▁fair .\na-3 ▁the ▁fare\n", encoding="utf-8")
    result = robustger("import-nbest", "nbest.txt", "-f", "kaldi")
    assert lists(result.out) == {"a": {"hypotheses": ["the fair", "the fare"]}}
    assert result.err == (
        "robustger: 1 lists, 0 problems, 1 repeated hypotheses merged, "
        "1 lists of decoder tokens put together to words\n"
    )
    result = robustger("import-nbest", "nbest.txt", "-f", "kaldi", "--keep-repeats")
    assert lists(result.out) == {"a": {"hypotheses": ["the fair", "The fair.", "the fare"]}}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """File names are bytes; what of them goes into lists is text, and messages say the rest in escapes."""
    folder = os.fsencode(tmp_path) + b"/f\xff"
    os.mkdir(folder)
    with open(folder + b"/h\xfc.json", "wb") as file:
        file.write(b'[{"input": ["a", "b"], "output": "a"}, 3]')
    with open(folder + b"/beams\xfc.tsv", "wb") as file:
        file.write(b"a\t-1\n")
    command = [os.fsencode(sys.executable), b"-m", b"robustger", b"import-nbest"]
    for arguments, code in (
        ([folder + b"/h\xfc.json", b"-f", b"hyporadise", b"-o", folder + b"/out\xfd.jsonl"], 1),
        ([folder + b"/beams\xfc.tsv", b"-f", b"nemo", b"--beams", b"1"], 0),
        ([folder + b"/none\xfc", b"-f", b"kaldi"], 2),
    ):
        result = subprocess.run([*command, *arguments], capture_output=True, check=False)
        assert result.returncode == code
        assert b"Traceback" not in result.stderr
    with open(folder + b"/out\xfd.jsonl", encoding="utf-8") as file:
        assert json.loads(file.read())["id"] == "h\\udcfc-00000"


def test_what_is_read_is_not_overwritten(robustger: Callable[..., Any]) -> None:
    Path("nbest.txt").write_text(KALDI)
    Path("text").write_text("a what is the fare\nb good\n")
    for target in ("nbest.txt", "text"):
        result = robustger("import-nbest", "nbest.txt", "-f", "kaldi", "--references", "text", "-o", target)
        message = f"robustger: error: {target}: is read by this command; name another output\n"
        assert (result.code, result.out, result.err) == (2, "", message)
    assert Path("nbest.txt").read_text() == KALDI
    assert Path("text").read_text() == "a what is the fare\nb good\n"

"""`robustger evaluate` on lists of real recordings: windows, written forms, other scripts, and manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robustger.text import normalize


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def windows(of: str, texts: list[list[str]], **known: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{of}#{number}",
            "hypotheses": hypotheses,
            "meta": {"window": {"of": of, "number": number, "count": len(texts), **known}},
        }
        for number, hypotheses in enumerate(texts, start=1)
    ]


TALK = [["we met in roam", "we met in rome"], ["on a sunday"]]
SAID = "we met in rome on a sunday"


def test_windows_are_one_utterance(robustger, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists.jsonl", windows("talk", TALK, reference=SAID))
    corrections = write(
        tmp_path / "out.jsonl",
        [{"id": "talk#2", "text": "on a sunday"}, {"id": "talk#1", "text": "we met in rome"}],
    )
    page = tmp_path / "page.html"
    result = robustger("evaluate", lists, "-c", corrections, "--top-words", "3", "--html", page, "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    raw = report["normalizers"]["raw"]
    assert (report["utterances"], report["joined_recordings"], raw["words"]) == (1, 1, 7)
    assert raw["errors"] == {"best": 1, "o_nb": 0, "o_cp": 0, "corrected": 0}
    assert report["word_changes"]["fixed"] == [{"reference": "rome", "written": "roam", "count": 1}]
    shown = page.read_text(encoding="utf-8")
    assert shown.count('data-kinds="better changed"') == 1


def test_a_manifest_gives_windows_their_reference(robustger, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists.jsonl", windows("talk", TALK))
    assert robustger("evaluate", lists).code == 2  # nothing to score
    row = {"id": "talk", "audio": "talk.wav", "text": SAID, "speaker": "s1"}
    manifest = write(tmp_path / "manifest.jsonl", [row])
    result = robustger("evaluate", lists, "--manifest", manifest, "--by", "speaker", "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert report["by"]["speaker"]["s1"]["normalizers"]["raw"]["errors"]["best"] == 1


def test_a_recording_without_all_its_windows_is_reported(robustger, tmp_path: Path) -> None:
    rows = [*windows("talk", TALK, reference=SAID)[:1], {"id": "a", "hypotheses": ["x"], "reference": "x"}]
    result = robustger("evaluate", write(tmp_path / "lists.jsonl", rows), "--json")
    assert result.code == 1
    assert result.err == (
        "robustger: 1 recordings lack windows ('talk': 1 of 2 windows) and were left out; give the whole file that "
        "`robustger nbest` wrote\n"
    )
    assert json.loads(result.out)["utterances"] == 1


WRITTEN = {
    "id": "a",
    "hypotheses": ["its five o clock", "it is five o clock"],
    "written": ["Its five o'clock.", "It is five o'clock!"],
    "reference": "its five o clock",
    "written_reference": "It's five o'clock.",
}


def test_written_forms(robustger, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists.jsonl", [WRITTEN, {"id": "b", "hypotheses": ["x"], "reference": "x"}])
    rows = [
        {"id": "a", "text": "its five o clock", "written": "It's five o'clock."},
        {"id": "b", "text": "x"},
    ]
    corrections = write(tmp_path / "out.jsonl", rows)
    result = robustger("evaluate", lists, "-c", corrections, "--written", "--json")
    assert result.code == 1
    assert result.err == (
        "robustger: 1 lists have no written form of hypotheses and reference and were left out\n"
    )
    report = json.loads(result.out)
    assert report["normalizers"]["raw"]["errors"] == {"best": 1, "o_nb": 1, "o_cp": 1, "corrected": 0}
    assert report["normalizers"]["number"]["errors"]["best"] == 0
    assert "case and punctuation are counted" in robustger("evaluate", lists, "--written").out
    plain = json.loads(robustger("evaluate", lists, "-c", corrections, "--json").out)
    assert plain["normalizers"]["raw"]["errors"]["best"] == 0


def test_a_manifest_gives_written_lists_their_written_reference(robustger, tmp_path: Path) -> None:
    row = {key: value for key, value in WRITTEN.items() if "reference" not in key}
    lists = write(tmp_path / "lists.jsonl", [row])
    text = WRITTEN["written_reference"]
    manifest = write(tmp_path / "manifest.jsonl", [{"id": "a", "audio": "a.wav", "text": text}])
    result = robustger("evaluate", lists, "--manifest", manifest, "--written", "--json")
    assert json.loads(result.out)["normalizers"]["raw"]["errors"]["best"] == 1


PERFECT = [
    "It's Ann's garden.",
    "They're sure it's Bob's boat and we don't mind.",
    "You can't say that we've won.",
]


def test_references_in_another_form_are_said_so_in_one_line(robustger, tmp_path: Path) -> None:
    """A recognizer without an error whose texts were normalized, beside references that were not."""
    rows = [
        {"id": str(n), "hypotheses": [normalize(text, "hyporadise")], "reference": text}
        for n, text in enumerate(PERFECT)
    ]
    lists = write(tmp_path / "lists.jsonl", rows)
    result = robustger("evaluate", lists)
    assert result.code == 0  # a warning, no failure
    assert result.err.count("\n") == 1
    assert "contractions expanded in the hypotheses only" in result.err
    assert "(--normalizer whisper)" in result.err
    result = robustger("evaluate", lists, "--normalizer", "whisper", "--json")
    assert (result.err, json.loads(result.out)["normalizers"]["whisper"]["wer"]["best"]) == ("", 0.0)


@pytest.mark.parametrize("form", ["raw", "number", "hyporadise", "whisper", "released"])
def test_a_recognizer_without_errors_has_wer_0_with_default_options(
    robustger, tmp_path: Path, form: str
) -> None:
    texts = [normalize(text, form) for text in PERFECT]
    rows = [{"id": text, "hypotheses": [text], "reference": text} for text in texts]
    result = robustger("evaluate", write(tmp_path / "lists.jsonl", rows), "--json")
    assert (result.code, result.err) == (0, "")
    assert {one["wer"]["best"] for one in json.loads(result.out)["normalizers"].values()} == {0.0}


def test_scripts_without_spaces_get_a_hint(robustger, tmp_path: Path) -> None:
    rows = [{"id": "z", "hypotheses": ["今天天气很", "今天天汽很好"], "reference": "今天天气很好"}]
    lists = write(tmp_path / "lists.jsonl", rows)
    result = robustger("evaluate", lists)
    assert result.code == 0
    assert result.err == (
        "robustger: the references are in a script written without spaces, so that a whole sentence counts as one "
        "word; count characters with --unit char\n"
    )
    assert robustger("evaluate", lists, "--unit", "char").err == ""


def test_marks_and_line_ends_of_editors_do_not_matter(robustger, tmp_path: Path) -> None:
    rows = [{"id": str(n), "hypotheses": ["a b"], "reference": "a c"} for n in range(2)]
    lines = "\r\n".join(map(json.dumps, rows))
    path = tmp_path / "lists.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode() + b"\r\n")
    assert json.loads(robustger("evaluate", path, "--json").out)["normalizers"]["raw"]["wer"]["best"] == 0.5
    path.write_bytes(lines.encode("utf-16"))
    result = robustger("evaluate", path)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "not UTF-8; save the file as UTF-8" in result.err


def test_empty_references_alone_have_no_rate(robustger, tmp_path: Path) -> None:
    lists = write(tmp_path / "lists.jsonl", [{"id": "s", "hypotheses": ["thank you"], "reference": ""}])
    result = robustger("evaluate", lists)
    assert result.code == 0
    assert "| 1-best | n/a | n/a |" in result.out
    assert "references are empty under the normalizer raw ('s')" in result.err


def test_few_utterances_are_too_few_to_tell(robustger, tmp_path: Path) -> None:
    rows = [{"id": str(n), "hypotheses": ["a b"], "reference": "a c"} for n in range(5)]
    lists = write(tmp_path / "lists.jsonl", rows)
    corrections = write(tmp_path / "out.jsonl", [{"id": str(n), "text": "a c"} for n in range(5)])
    out = robustger("evaluate", lists, "-c", corrections).out
    assert "| relative change | -100.0 (too few to tell) | -100.0 (too few to tell) |" in out
    assert "| matched pairs | too few to tell | too few to tell |" in out
    assert "p <" not in out

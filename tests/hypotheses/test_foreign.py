"""Lists of ESPnet and Kaldi hold what their files say."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hypotheses.foreign_lists import Lists, lists, read, write_espnet, write_kaldi

from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.foreign import ImportSummary, import_lists
from robustger.hypotheses.keyed import parse_score


@given(lists, st.sampled_from(["{}", "tensor({})", "tensor({}, device='cuda:0')"]))
@settings(max_examples=30)
def test_espnet(given: Lists, form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_espnet(Path(folder), given, score=form.format)
        found = read("espnet", root)
        assert list(found) == list(given)
        for id_, hypotheses in given.items():
            assert found[id_].texts == tuple(text for text, _ in hypotheses)
            assert [h.score for h in found[id_].hypotheses] == [score for _, score in hypotheses]
        (first,) = {next(iter(given))} & set(read("espnet", root / "logdir" / "output.1" / "1best_recog"))
        assert first in given


@given(lists)
@settings(max_examples=30)
def test_kaldi(given: Lists) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_kaldi(Path(folder), given)
        found = read("kaldi", root)
        assert set(found) == set(given)
        for id_, hypotheses in given.items():
            assert found[id_].texts == tuple(text for text, _ in hypotheses)
            assert [h.score for h in found[id_].hypotheses] == pytest.approx(
                [score for _, score in hypotheses], abs=1e-6
            )
        alone = read("kaldi", root / "archives.1" / "words_text")
        assert {id_: nbest.texts for id_, nbest in alone.items()} == {
            id_: nbest.texts for id_, nbest in found.items()
        }
        assert {h.score for nbest in alone.values() for h in nbest.hypotheses} == {None}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-4.25", -4.25),
        ("1e-3", 1e-3),
        ("tensor(-8.2)", -8.2),
        ("tensor(-8.2, device='cuda:0')", -8.2),
        ("tensor(-8.2, dtype=torch.float64)", -8.2),
        ("-inf", None),
        ("nan", None),
        ("1e999", None),
        ("eight", None),
        ("e", None),
        ("", None),
    ],
)
def test_scores_as_python_and_torch_write_them(text: str, number: float | None) -> None:
    assert parse_score(text) == number


def test_espnet_prefers_text_without_special_tokens_and_needs_no_scores(tmp_path: Path) -> None:
    (tmp_path / "1best_recog").mkdir()
    (tmp_path / "1best_recog" / "text").write_text("a <eng><asr> one\n")
    (tmp_path / "1best_recog" / "text_nospecial").write_text("a one\nshort  \n")
    found = read("espnet", tmp_path)
    assert found == {"a": NBest.from_texts("a", ["one"]), "short": NBest.from_texts("short", [""])}


def test_references_are_joined(tmp_path: Path) -> None:
    source, target, said = tmp_path / "nbest", tmp_path / "lists.jsonl", tmp_path / "text"
    source.write_text("a-1 one\nb-1 two\nc-1 three\na-2 won\n")
    problems: list[tuple[str, str]] = []
    for content in (
        "a one\nb too\nlost four\n",
        '{"id": "a", "text": "one"}\n{"id": "b", "audio": "b.wav", "text": "too"}\n'
        '{"id": "lost", "reference": "four"}\n',
    ):
        said.write_text(content)
        problems.clear()
        summary = import_lists(
            source,
            target,
            format="kaldi",
            references=said,
            on_problem=lambda place, message: problems.append((place, message)),
        )
        assert summary == ImportSummary(lists=3, without_reference=1, unused_references=1)
        assert problems == [(f"{source}:3", f"'c' has no reference in {said}; the list is kept without one")]
        assert load_nbest(target) == [
            NBest.from_texts("a", ["one", "won"], reference="one"),
            NBest.from_texts("b", ["two"], reference="too"),
            NBest.from_texts("c", ["three"]),
        ]
    said.write_text('{"id": "a", "text": "one"}\n{"id": "b"}\n{"id": "a", "text": "x"}\n')
    problems.clear()
    assert (
        import_lists(
            source, target, format="kaldi", references=said, on_problem=lambda *p: problems.append(p)
        ).problems
        == 2
    )
    assert [place for place, _ in problems[:2]] == [f"{said}:2", f"{said}:3"]


def test_lists_of_one_id_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"id": "a", "input": ["one"]}, {"id": "a", "input": ["two"]}]))
    problems: list[str] = []
    summary = import_lists(
        path,
        tmp_path / "out",
        format="hyporadise",
        on_problem=lambda place, message: problems.append(message),
    )
    assert (summary.lists, summary.problems) == (1, 1)
    assert problems == [f"a list of 'a' stands at {path}: entry 1 already; the first is kept"]
    assert load_nbest(tmp_path / "out") == [NBest.from_texts("a", ["one"])]

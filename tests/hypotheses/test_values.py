"""The values in Python: they survive a file unchanged, and anything that is not a list is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.evaluation.report import evaluate
from robustger.hypotheses import Hypothesis, NBest, load_nbest, read_nbest, save_nbest
from robustger.hypotheses.values import each_nbest
from robustger.manifest import Utterance, save_manifest

LIST = NBest.from_texts("u", ["a b", "a c"], reference="a b")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    st.lists(st.tuples(texts, texts), min_size=1, max_size=4),
    st.none() | texts,
    st.none() | st.sampled_from(["en", "hi"]),
)
def test_the_written_form_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    pairs: list[tuple[str, str]],
    reference: str | None,
    language: str | None,
) -> None:
    nbest = NBest.from_texts(
        "v",
        [text for text, _ in pairs],
        written=[written for _, written in pairs],
        written_reference=reference,
        language=language,
    )
    path = tmp_path_factory.mktemp("written") / "l.jsonl"
    save_nbest([nbest, LIST], path)
    assert load_nbest(path) == [nbest, LIST]
    assert nbest.written == tuple(written for _, written in pairs)
    assert LIST.written == LIST.texts
    assert "written" not in LIST.to_dict()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"written": "A b"}, "'written' must be a list of strings, not the string 'A b'"),
        ({"written": ["A b"]}, "1 forms in 'written' for 2 'hypotheses'; give one for each"),
        ({"written": ["A b", None]}, "written form 2 must be a string, not null"),
        ({"written": {"0": "A b"}}, "'written' must be a list of strings, not an object"),
        ({"written_reference": ["A"]}, "'written_reference' must be a string, not a list"),
        ({"language": 7}, "'language' must be a string, not the number 7"),
        ({"langauge": "en"}, "unknown key 'langauge'; did you mean 'language'?"),
    ],
)
def test_wrong_written_forms_are_named(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(json.dumps({"id": "u", "hypotheses": ["a b", "a c"], **fields}) + "\n")
    with pytest.raises(InputError, match=r"l\.jsonl:1: ") as caught:
        load_nbest(path)
    assert message in str(caught.value)


def test_null_is_absent_and_a_key_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    path.write_text(
        '{"id": "u", "hypotheses": ["a"], "written": null, "written_reference": null, "language": null}\n'
        '{"id": "v", "hypotheses": ["a"], "hypotheses": ["b"]}\n'
    )
    good, bad = read_nbest(path)
    assert good == NBest.from_texts("u", ["a"])
    assert bad.message == "key 'hypotheses' occurs twice in one object; write it once"  # type: ignore[union-attr]


# What type checkers refuse, and Python does not.
nbest, from_texts, hypothesis, each = (
    cast(Any, one) for one in (NBest, NBest.from_texts, Hypothesis, each_nbest)
)
load, save, save_rows, measure = (cast(Any, one) for one in (load_nbest, save_nbest, save_manifest, evaluate))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nbest("a", ["x"]), "of plain strings a list is made by NBest.from_texts(id, texts)"),
        (lambda: nbest("a", "x"), "NBest.from_texts"),
        (lambda: nbest("a", Hypothesis("x")), "NBest.from_texts"),
        (lambda: nbest("a", (hypothesis(3),)), "NBest.from_texts"),
        (lambda: nbest("a", None), "NBest.from_texts"),
        (lambda: nbest(7, (Hypothesis("x"),)), "must be a string, not the number 7"),
        (lambda: nbest("a", (Hypothesis("x", written="X"), Hypothesis("y"))), "written forms on some hypotheses"),
        (lambda: from_texts("a", "x"), "must be a list of strings"),
        (lambda: from_texts("a", None), "'hypotheses' is missing"),
        (lambda: from_texts("a", ["x"], scores=-0.5), "'scores' must be a list of numbers"),
        (lambda: from_texts("a", ["x"], scores=[float("nan")]), "score 1 must be finite"),
        (lambda: from_texts("a", ["x"], written="X"), "'written' must be a list of strings"),
        (lambda: each(LIST), "write it in brackets: [nbest]"),
        (lambda: each("lists.jsonl"), "read it with load_nbest(path)"),
        (lambda: each(Path("lists.jsonl")), "read it with load_nbest(path)"),
        (lambda: each(None), "a list of NBest values is needed, not null"),
        (lambda: each({"u": LIST}), "not an object"),
        (lambda: list(each([LIST, ["a", "b"]])), "item 2 of the lists must be an NBest, not a list"),
        (lambda: save(LIST, "-"), "write it in brackets"),
        (lambda: load(None), "a path is needed, a string or a Path, not a NoneType"),
        (lambda: load(0), "a path is needed"),
        (lambda: measure("lists.jsonl"), "read it with load_nbest(path)"),
        (lambda: measure(Path("lists.jsonl")), "read it with load_nbest(path)"),
        (lambda: measure(LIST), "write it in brackets"),
        (lambda: measure([LIST], "corrections.jsonl"), "corrections must be texts by list id"),
        (lambda: measure([LIST], ["a b"]), "corrections must be texts by list id"),
        (lambda: save_rows(Utterance("u", Path("a")), "-"), "write it in brackets: [utterance]"),
    ],
)  # fmt: skip
def test_misuse_is_one_line(make: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_of_hypotheses_becomes_a_tuple() -> None:
    nbest = NBest("a", [Hypothesis("x")])  # type: ignore[arg-type]
    assert nbest == NBest("a", (Hypothesis("x"),))
    assert hash(nbest) == hash(NBest("a", (Hypothesis("x"),)))


def test_scores_may_be_an_array() -> None:
    import numpy as np

    assert NBest.from_texts("a", ["x", "y"], scores=np.array([-1.0, -2.0])).hypotheses[1].score == -2.0  # type: ignore[arg-type]


def test_a_recording_whose_name_is_not_utf8_is_written_in_escapes(tmp_path: Path) -> None:
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    save_nbest([NBest.from_texts("u", ["a"], audio=name)], tmp_path / "l.jsonl")
    assert load_nbest(tmp_path / "l.jsonl")[0].audio == "caf\\udce9.wav"

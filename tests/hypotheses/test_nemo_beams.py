"""NeMo's beams: read if their utterances are known, refused if rows would get the beams of their neighbors."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest, load_nbest
from robustger.hypotheses.foreign import LIST_FORMATS, ImportSummary, import_lists

ROWS: list[dict[str, Any]] = [
    {"audio_filepath": "/d/a1.wav", "duration": 2.1, "text": "turn it down", "pred_text": "turn it town",
     "beams": [["turn it town", -3.2], ["turn  it down", -3.9], ["turn it", -5.0]]},
    {"audio_filepath": "/d/a2.wav", "offset": 1.0, "duration": 2, "text": "lock it",
     "beams": [["look it", -2], ["lock it", -2.2]]},
]  # fmt: skip
LISTS = [
    NBest.from_texts("a1", ["turn it town", "turn it down", "turn it"], scores=[-3.2, -3.9, -5.0],
                     reference="turn it down", audio="/d/a1.wav"),
    NBest.from_texts("a2", ["look it", "lock it"], scores=[-2.0, -2.2], reference="lock it", audio="/d/a2.wav",
                     start=1.0, end=3.0),
]  # fmt: skip


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_output_manifests_with_beams(tmp_path: Path) -> None:
    source, target = write(tmp_path / "out.json", *ROWS), tmp_path / "l.jsonl"
    assert import_lists(source, target, format="nemo") == ImportSummary(lists=2)
    assert load_nbest(target) == LISTS
    assert import_lists(source, target, format="nemo", references=source) == ImportSummary(lists=2)
    assert load_nbest(target) == LISTS


def test_references_of_the_manifest_that_was_evaluated(tmp_path: Path) -> None:
    unlabeled = [{key: value for key, value in row.items() if key != "text"} for row in ROWS]
    source, target = write(tmp_path / "out.json", *unlabeled), tmp_path / "l.jsonl"
    references = write(tmp_path / "m.json", *({**row, "beams": None, "text": "said"} for row in ROWS))
    import_lists(source, target, format="nemo", references=references)
    assert [nbest.reference for nbest in load_nbest(target)] == ["said", "said"]
    for others in (ROWS[::-1], ROWS[:1], [*ROWS, ROWS[0]]):
        with pytest.raises(InputError, match="the references are not of the same recordings, row for row"):
            import_lists(source, target, format="nemo", references=write(tmp_path / "m.json", *others))


def test_candidates_keep_the_order_in_which_the_search_wrote_them(tmp_path: Path) -> None:
    row = {"audio_filepath": "x.wav", "beams": [["a", -3.0], ["b", -1.0], ["c", -2.0]]}
    ((_, nbest),) = LIST_FORMATS.get("nemo")(write(tmp_path / "out.json", row))
    assert nbest == NBest.from_texts("x", ["a", "b", "c"], scores=[-3.0, -1.0, -2.0], audio="x.wav")


def test_broken_rows_and_candidates_are_told_and_cost_no_other(tmp_path: Path) -> None:
    source = write(
        tmp_path / "out.json",
        ROWS[0],
        '{"audio_filepath": "n.wav", "beams": [["a", NaN], ["b", -Infinity], ["c", -1]]}',
        "{",
        {"audio_filepath": "none.wav", "pred_text": "x"},
        {"audio_filepath": "empty.wav", "beams": []},
        {"audio_filepath": "odd.wav", "beams": [["a"], "b", ["c", "-1"], [1, 2]]},
        {"beams": [["a", -1]]},
        {"audio_filepath": "texts.wav", "beams": ["a", "b"]},
        '{"audio_filepath": "t.wav", "text": "x", "text": "y", "beams": [["a", -1]]}',
        ROWS[1],
    )
    read = list(LIST_FORMATS.get("nemo")(source))
    assert [value for _, value in read if isinstance(value, NBest)] == [
        LISTS[0],
        NBest.from_texts("n", ["c"], scores=[-1.0], audio="n.wav"),
        NBest.from_texts("texts", ["a", "b"], audio="texts.wav"),
        LISTS[1],
    ]
    problems = [(value.line, value.message) for _, value in read if isinstance(value, BadLine)]
    assert [line for line, _ in problems] == [2, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7, 9]
    assert problems[0][1] == "the score of beam 1 must be finite, not nan; the candidate is left out"
    assert problems[3][1] == "'beams' is missing; there is no list"
    assert problems[4][1] == "'beams' is empty; there is no list"


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"audio_filepath": "a.wav", "pred_text": "x"}], {}, "is a manifest without 'beams'"),
        ([{"id": "u", "hypotheses": ["x"]}], {}, "is a manifest without 'beams'"),
        (ROWS, {"beams": 3}, "leave out the number of beams"),
    ],
)
def test_what_has_no_beams_is_named(tmp_path: Path, rows: list, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LIST_FORMATS.get("nemo")(write(tmp_path / "out.json", *rows), **options)


def table(folder: Path, counts: list[int], rescored: bool = False) -> tuple[Path, Path]:
    """A table of so many candidates for each utterance, and the manifest beside it."""
    chance = random.Random(len(counts))
    lines, rows = [], []
    for number, count in enumerate(counts):
        scores = [-number * 0.01 - rank for rank in range(count)]
        if rescored:
            chance.shuffle(scores)
        lines += [f"speaker{number} says{number} {rank}\t{score}\n" for rank, score in enumerate(scores)]
        rows.append({"audio_filepath": f"{number}.wav", "text": f"utterance {number}"})
    beams = folder / "preds.tsv"
    beams.write_text("".join(lines))
    return beams, write(folder / "m.json", *rows)


@given(st.lists(st.integers(2, 5), min_size=2, max_size=8))
@settings(max_examples=200)
def test_lists_of_different_lengths_are_not_mixed(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    beams, manifest = table(tmp_path_factory.mktemp("beams"), counts)
    try:
        read = [value for _, value in LIST_FORMATS.get("nemo")(beams, manifest=manifest)]
    except InputError:
        assert len(set(counts)) > 1
        return
    for number, nbest in enumerate(read):
        assert isinstance(nbest, NBest)
        assert all(text.startswith(f"speaker{number} ") for text in nbest.texts)
    assert len(set(counts)) == 1


def test_uneven_lines_that_divide_are_refused_by_name(tmp_path: Path) -> None:
    beams, manifest = table(tmp_path, [4, 2])
    with pytest.raises(InputError, match=r"preds\.tsv:5: the score rises within one utterance") as caught:
        import_lists(beams, tmp_path / "l.jsonl", format="nemo", references=manifest)
    assert "return_best_hypothesis=false" in str(caught.value)
    assert not (tmp_path / "l.jsonl").exists()
    with pytest.raises(InputError, match="the score rises within one utterance"):
        LIST_FORMATS.get("nemo")(beams, beams=3)


def test_words_betray_what_scores_do_not(tmp_path: Path) -> None:
    lines = [
        "lock the door -1",
        "look the door -2",
        "lock a door -3",
        "lock her door -4",
        "good night -5",
        "good nights -6",
    ]
    beams = tmp_path / "b.tsv"
    beams.write_text("".join(f"{line.rpartition(' ')[0]}\t{line.rpartition(' ')[2]}\n" for line in lines))
    manifest = write(tmp_path / "m.json", {"audio_filepath": "a.wav"}, {"audio_filepath": "b.wav"})
    with pytest.raises(InputError, match=r"b\.tsv:5: the words are others within one utterance"):
        LIST_FORMATS.get("nemo")(beams, manifest=manifest)


def test_scores_of_the_neural_rescorer_rise_and_are_sorted(tmp_path: Path) -> None:
    beams, manifest = table(tmp_path, [5] * 20, rescored=True)
    for options in ({"manifest": manifest}, {"beams": 5}, {"manifest": manifest, "beams": 5}):
        for number, (_, nbest) in enumerate(LIST_FORMATS.get("nemo")(beams, **options)):
            assert isinstance(nbest, NBest)
            scores = [hypothesis.score or 0.0 for hypothesis in nbest.hypotheses]
            assert scores == sorted(scores, reverse=True)
            assert all(text.startswith(f"speaker{number} ") for text in nbest.texts)

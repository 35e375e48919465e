"""Lists of NeMo: beams, with a manifest beside them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hypotheses.foreign_lists import bad, read, scores, texts, write_beams

from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.foreign import LIST_FORMATS, ImportSummary, import_lists


@given(
    st.lists(st.lists(st.tuples(texts, scores), min_size=3, max_size=3), min_size=1, max_size=6),
    st.booleans(),
)
@settings(max_examples=30)
def test_nemo(given: list[list[tuple[str, float]]], with_manifest: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        beams, manifest = Path(folder) / "preds_out.tsv", Path(folder) / "manifest.json"
        write_beams(beams, given)
        rows = [
            {"audio_filepath": f"/a/{k}.wav", "duration": 2, "text": f"word {k}"} for k in range(len(given))
        ]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        # Both say that all have three, whatever their scores; of one of them alone, scores in order are believed.
        options = {"manifest": manifest, "beams": 3} if with_manifest else {"beams": 3}
        if not with_manifest:
            given = [sorted(own, key=lambda one: -one[1]) for own in given]
            given = [[(f"same {text}".strip(), score) for text, score in own] for own in given]
            write_beams(beams, given)
        found = read("nemo", beams, **options)
        for position, own in enumerate(given):
            nbest = found[str(position) if with_manifest else f"preds_out-{position:05d}"]
            best_first = sorted(own, key=lambda one: -one[1])
            assert nbest.texts == tuple(text for text, _ in best_first)
            assert [h.score for h in nbest.hypotheses] == [score for _, score in best_first]
            assert nbest.reference == (f"word {position}" if with_manifest else None)
            assert nbest.audio == (f"/a/{position}.wav" if with_manifest else None)


def test_nemo_audio_files_of_one_name_and_parts_of_one_file(tmp_path: Path) -> None:
    beams, manifest = tmp_path / "b.tsv", tmp_path / "m.json"
    beams.write_text("a\t-1\nb\t-2\n", encoding="utf-8")
    rows = [{"audio_filepath": f"{folder}/x.wav", "offset": 1.5, "duration": 2} for folder in "pq"]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read("nemo", beams, manifest=manifest)
    assert list(found) == ["p/x.wav", "q/x.wav"]
    assert (found["p/x.wav"].start, found["p/x.wav"].end) == (1.5, 3.5)


def nemo_ids(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    """The ids that the rows get; each list is known by its only hypothesis, the number of its row."""
    beams, manifest = folder / "b.tsv", folder / "m.json"
    beams.write_text("".join(f"{number}\t-1\n" for number in range(len(rows))), encoding="utf-8")
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    summary = import_lists(beams, folder / "out.jsonl", format="nemo", references=manifest)
    assert summary == ImportSummary(lists=len(rows))
    lists = load_nbest(folder / "out.jsonl")
    assert [nbest.texts for nbest in lists] == [(str(number),) for number in range(len(rows))]
    for nbest, row in zip(lists, rows, strict=True):
        assert (nbest.audio, nbest.reference) == (row["audio_filepath"], row.get("text"))
    return [nbest.id for nbest in lists]


def test_nemo_every_part_of_a_recording_gets_a_list(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"audio_filepath": "a/talk.wav", "offset": 0.0, "duration": 1.5, "text": "good morning"},
        {"audio_filepath": "a/talk.wav", "offset": 1.5, "duration": 2, "text": "all of you"},
        {"audio_filepath": "a/talk.wav", "offset": 3.5, "text": "and goodbye"},
        {"audio_filepath": "a/short.wav", "offset": 4.0, "duration": 1.0, "text": "the only part"},
    ]
    in_order = ["talk-00000000-00001500", "talk-00001500-00003500", "talk-00003500", "short"]
    assert nemo_ids(tmp_path, rows) == in_order
    lists = load_nbest(tmp_path / "out.jsonl")
    assert [(nbest.start, nbest.end) for nbest in lists] == [(0, 1.5), (1.5, 3.5), (3.5, None), (4, 5)]
    assert nemo_ids(tmp_path, rows[::-1]) == in_order[::-1]  # an id is not a matter of the order


def test_nemo_a_first_part_without_an_offset_begins_at_0(tmp_path: Path) -> None:
    rows = [
        {"audio_filepath": "x.wav", "duration": 2.0},
        {"audio_filepath": "x.wav", "offset": 2, "duration": 3},
    ]
    assert nemo_ids(tmp_path, rows) == ["x-00000000-00002000", "x-00002000-00005000"]
    lists = load_nbest(tmp_path / "out.jsonl")
    assert [(nbest.start, nbest.end) for nbest in lists] == [(0, 2), (2, 5)]


def test_nemo_ids_where_names_and_times_repeat(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"audio_filepath": "p/x.wav", "offset": 0, "duration": 1},
        {"audio_filepath": "p/x.wav", "offset": 1, "duration": 1},
        {"audio_filepath": "q/x.wav", "offset": 0, "duration": 1},
        {"audio_filepath": "r/same.wav", "duration": 1},
        {"audio_filepath": "r/same.wav", "duration": 1},
    ]
    assert nemo_ids(tmp_path, rows) == [
        "p/x.wav-00000000-00001000",
        "p/x.wav-00001000-00002000",
        "q/x.wav",
        "same-00003",
        "same-00004",
    ]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "audio_filepath": st.sampled_from(
                    ["x", "p/x", "q/x", "x-00001", "x-00000000-00001000", "x-00001-00002"]
                )
            },
            optional={
                "offset": st.sampled_from([None, 0, 1, 1.00001, 2.5]),
                "duration": st.sampled_from([None, -1, 0, 1, 1.00001]),
                "text": st.just("one"),
            },
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=60)
def test_nemo_no_two_rows_share_an_id(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ids = nemo_ids(Path(folder), rows)
        assert len(set(ids)) == len(rows)
        assert nemo_ids(Path(folder), rows) == ids


@pytest.mark.parametrize("key", ["offset", "duration"])
@pytest.mark.parametrize("value", ["soon", True, [1], 10**400])
def test_nemo_times_that_are_no_numbers_are_named(tmp_path: Path, key: str, value: Any) -> None:
    beams, manifest = tmp_path / "b.tsv", tmp_path / "m.json"
    beams.write_text("a\t-1\n")
    manifest.write_text(json.dumps({"audio_filepath": "x.wav", key: value}) + "\n")
    with pytest.raises(InputError, match=f"m.json:1: '{key}' must be"):
        list(LIST_FORMATS.get("nemo")(beams, manifest=manifest))


def test_bad_lines_of_nemo(tmp_path: Path) -> None:
    beams = tmp_path / "b.tsv"
    beams.write_bytes(b"a b\t-1\nno score\nc\tx\nd\t\xff\n\n\t-3\nf\t-2\n")
    assert bad("nemo", beams, beams=2) == [
        ("b.tsv:2", "is not a text, a tab and a finite score; the candidate is left out"),
        ("b.tsv:3", "is not a text, a tab and a finite score; the candidate is left out"),
        ("b.tsv:4", "byte 3 of the line is not UTF-8"),
        ("b.tsv:3", "none of the candidates can be read; there is no list"),
    ]
    kept = [value for _, value in LIST_FORMATS.get("nemo")(beams, beams=2) if isinstance(value, NBest)]
    assert kept == [
        NBest.from_texts("b-00000", ["a b"], scores=[-1.0]),
        NBest.from_texts("b-00002", ["f", ""], scores=[-2.0, -3.0]),
    ]

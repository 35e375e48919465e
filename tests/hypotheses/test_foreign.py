"""Lists made elsewhere: what was written in a format is read, and what cannot be read is named, never lost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest, load_nbest
from robustger.hypotheses.foreign import FORMATS, ImportSummary, import_lists
from robustger.hypotheses.keyed import parse_score

words = st.text("abcäß日-'1", min_size=1, max_size=6)
texts = st.lists(words, max_size=5).map(" ".join)
scores = st.floats(-1e4, 1e4)
ids = st.text("abz09_.-", min_size=1, max_size=8)
Lists = dict[str, list[tuple[str, float]]]
lists = st.dictionaries(
    ids, st.lists(st.tuples(texts, scores), min_size=1, max_size=12), min_size=1, max_size=6
)


def write_espnet(root: Path, given: Lists, jobs: int = 2, score: Callable[[float], str] = str) -> Path:
    """As espnet2/bin/asr_inference.py does: {n}best_recog/{text,score,token}, in a folder for every job."""
    for position, (id_, hypotheses) in enumerate(given.items()):
        job = root / "logdir" / f"output.{position * jobs // len(given) + 1}"
        for rank, (text, number) in enumerate(hypotheses, start=1):
            folder = job / f"{rank}best_recog"
            folder.mkdir(parents=True, exist_ok=True)
            for name, value in (("text", text), ("score", score(number)), ("token", "▁ x")):
                with (folder / name).open("a", encoding="utf-8") as file:
                    file.write(f"{id_} {value}\n")
    return root


def write_kaldi(root: Path, given: Lists) -> Path:
    """As steps/rnnlmrescore.sh does; archives are sorted as text, so that u-10 stands before u-2."""
    lines: dict[str, list[str]] = {"words_text": [], "lmwt.withlm": [], "acwt": []}
    for id_, hypotheses in given.items():
        for rank, (text, score) in enumerate(hypotheses, start=1):
            lines["words_text"].append(f"{id_}-{rank} {text}")
            lines["lmwt.withlm"].append(f"{id_}-{rank} {-score / 2}")
            lines["acwt"].append(f"{id_}-{rank} {-score * 6}")
    folder = root / "archives.1"
    folder.mkdir(parents=True)
    for name, content in lines.items():
        (folder / name).write_text("".join(f"{line}\n" for line in sorted(content)), encoding="utf-8")
    return root


def read(format: str, source: Path, **options: Any) -> dict[str, NBest]:
    placed = list(FORMATS.get(format)(source, **options))
    assert [value for _, value in placed if isinstance(value, BadLine)] == []
    return {value.id: value for _, value in placed if isinstance(value, NBest)}


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


def write_beams(path: Path, given: list[list[tuple[str, float]]]) -> None:
    """As eval_beamsearch_ngram_ctc.py does: candidates, and nothing between the utterances."""
    path.write_text("".join(f"{text}\t{score}\n" for own in given for text, score in own), encoding="utf-8")


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
        list(FORMATS.get("nemo")(beams, manifest=manifest))


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


def bad(format: str, source: Path, **options: Any) -> list[tuple[str, str]]:
    """Places below `source`'s folder and messages of what could not be read."""
    root = source if source.is_dir() else source.parent
    return [
        (place.replace(f"{root}/", ""), value.message)
        for place, value in FORMATS.get(format)(source, **options)
        if isinstance(value, BadLine)
    ]


def test_bad_lines_of_espnet(tmp_path: Path) -> None:
    write_espnet(tmp_path, {"a": [("one", -1.0), ("two", -2.0)], "b": [("three", -1.0)]}, jobs=1)
    first, second = (tmp_path / "logdir" / "output.1" / f"{rank}best_recog" for rank in (1, 2))
    (first / "text").open("ab").write(b"a again\nc \xff\n\n")
    (first / "score").write_text("a -1.0\nb low\n")
    (second / "score").write_text("")
    assert bad("espnet", tmp_path) == [
        ("logdir/output.1/1best_recog/text:3", "'a' stands in line 1 already; the first is kept"),
        ("logdir/output.1/1best_recog/text:4", "byte 3 of the line is not UTF-8"),
        ("logdir/output.1/2best_recog/score", "has no line for 'a'; the list is kept without scores"),
        (
            "logdir/output.1/1best_recog/score:2",
            "'low' is not a finite number; the list is kept without scores",
        ),
    ]
    kept = [value for _, value in FORMATS.get("espnet")(tmp_path) if isinstance(value, NBest)]
    assert kept == [NBest.from_texts("a", ["one", "two"]), NBest.from_texts("b", ["three"])]


def test_espnet_prefers_text_without_special_tokens_and_needs_no_scores(tmp_path: Path) -> None:
    (tmp_path / "1best_recog").mkdir()
    (tmp_path / "1best_recog" / "text").write_text("a <eng><asr> one\n")
    (tmp_path / "1best_recog" / "text_nospecial").write_text("a one\nshort  \n")
    found = read("espnet", tmp_path)
    assert found == {"a": NBest.from_texts("a", ["one"]), "short": NBest.from_texts("short", [""])}


def test_bad_lines_of_kaldi(tmp_path: Path) -> None:
    write_kaldi(tmp_path, {"a": [("one", -1.0), ("two", -2.0)], "b": [("three", -1.0)]})
    folder = tmp_path / "archives.1"
    with (folder / "words_text").open("a", encoding="utf-8") as file:
        file.write("norank four\na-02 five\na-2  six\na-٢ seven\n")
    (folder / "acwt").write_text("a-1 6\na-2 x\nb-1 6\n")
    assert bad("kaldi", tmp_path) == [
        ("archives.1/words_text:6", "'a-2' stands in line 2 already; the first is kept"),
        ("archives.1/words_text:4", "the key 'norank' does not end in a rank, as 'utt-1' does"),
        ("archives.1/words_text:5", "the key 'a-02' does not end in a rank, as 'utt-1' does"),
        ("archives.1/words_text:7", "the key 'a-٢' does not end in a rank, as 'utt-1' does"),
        ("archives.1/acwt:2", "'x' is not a finite number; the list is kept without scores"),
    ]
    kept = [
        value for _, value in FORMATS.get("kaldi")(tmp_path, acoustic_scale=0.5) if isinstance(value, NBest)
    ]
    assert kept == [NBest.from_texts("a", ["one", "two"]), NBest.from_texts("b", ["three"], scores=[-3.5])]


def test_espnet_jobs_and_ranks_that_are_missing_are_named(tmp_path: Path) -> None:
    root = write_espnet(tmp_path, {"a": [("one", -1.0), ("won", -2.0), ("wan", -3.0)], "b": [("two", -1.0)]})
    (root / "logdir" / "output.3").mkdir()
    (root / "logdir" / "output.1" / "1best_recog" / "text").write_text("")
    assert bad("espnet", root) == [
        ("logdir/output.3", "holds no 1best_recog, as the jobs beside it do; its lists are missing"),
        (
            "logdir/output.1/2best_recog/text:1",
            "'a' has no hypothesis of rank 1, but one of rank 3; the list is made of those that are there",
        ),
    ]
    kept = [value for _, value in FORMATS.get("espnet")(root) if isinstance(value, NBest)]
    assert [value.texts for value in kept] == [("won", "wan"), ("two",)]


def test_kaldi_archives_without_text_are_named(tmp_path: Path) -> None:
    root = write_kaldi(tmp_path, {"a": [("one", -1.0)]})
    (root / "archives.2").mkdir()
    (root / "archives.10.gz").touch()
    assert bad("kaldi", root) == [("archives.2", "holds no words_text; its lists are missing")]
    assert [value.id for _, value in FORMATS.get("kaldi")(root) if isinstance(value, NBest)] == ["a"]


def test_transcripts_whose_ids_end_in_numbers_are_no_ranks_of_one_utterance(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("1089-134686-0000 one\n1089-134686-0001 two\n")
    assert bad("kaldi", path) == [
        (f"text:{k}", f"the key '1089-134686-000{k - 1}' does not end in a rank, as 'utt-1' does")
        for k in (1, 2)
    ]
    with pytest.raises(InputError, match="holds no list that can be read as kaldi"):
        import_lists(path, tmp_path / "out.jsonl", format="kaldi")


def test_bad_lines_of_nemo(tmp_path: Path) -> None:
    beams = tmp_path / "b.tsv"
    beams.write_bytes(b"a b\t-1\nno score\nc\tx\nd\t\xff\n\n\t-3\nf\t-2\n")
    assert bad("nemo", beams, beams=2) == [
        ("b.tsv:2", "is not a text, a tab and a finite score; the candidate is left out"),
        ("b.tsv:3", "is not a text, a tab and a finite score; the candidate is left out"),
        ("b.tsv:4", "byte 3 of the line is not UTF-8"),
        ("b.tsv:3", "none of the candidates can be read; there is no list"),
    ]
    kept = [value for _, value in FORMATS.get("nemo")(beams, beams=2) if isinstance(value, NBest)]
    assert kept == [
        NBest.from_texts("b-00000", ["a b"], scores=[-1.0]),
        NBest.from_texts("b-00002", ["f", ""], scores=[-2.0, -3.0]),
    ]


def test_bad_entries_of_hyporadise(tmp_path: Path) -> None:
    path = tmp_path / "test_x.json"
    path.write_text(json.dumps([{"input": ["a", "b"], "output": "a"}, {"output": "c"}, 7, {"input": ["d"]}]))
    assert bad("hyporadise", path) == [
        (
            "test_x.json: entry 2",
            "has neither 'input' nor 'input1'; HyPoradise entries hold their hypotheses there",
        ),
        ("test_x.json: entry 3", "is not an object with 'input' and 'output'"),
    ]
    kept = [value.id for _, value in FORMATS.get("hyporadise")(path) if isinstance(value, NBest)]
    assert kept == ["test_x-00000", "test_x-00003"]


@given(st.binary(max_size=120), st.sampled_from(["kaldi", "nemo", "hyporadise", "espnet"]))
@settings(max_examples=150)
def test_no_bytes_break_a_reader(data: bytes, format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "1best_recog" / "text"
        path.parent.mkdir()
        path.write_bytes(data)
        path.with_name("score").write_bytes(data)
        try:
            placed = list(
                FORMATS.get(format)(
                    Path(folder) if format == "espnet" else path, **({"beams": 1} if format == "nemo" else {})
                )
            )
        except InputError:
            return
        lines = sum(bool(line.strip(b" \t\r")) for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
        if format in ("kaldi", "espnet"):
            assert sum(
                place.startswith(f"{path}:") or isinstance(value, NBest) for place, value in placed
            ) >= (lines > 0)
        for _, value in placed:
            assert isinstance(value, NBest) or "\n" not in value.message


@pytest.mark.parametrize(
    ("format", "source", "options", "message"),
    [
        ("espnet", "none", {}, "is not a folder"),
        ("espnet", ".", {}, "has no folder 1best_recog in it"),
        ("kaldi", "none", {}, "cannot be read"),
        ("kaldi", ".", {}, "holds neither words_text nor"),
        ("nemo", "b.tsv", {}, "does not say where an utterance ends"),
        ("nemo", "b.tsv", {"beams": 2}, "3 lines cannot be divided into lists of 2"),
        ("nemo", "b.tsv", {"references": "two.json"}, "3 lines cannot be divided into 2 utterances"),
        ("nemo", "b.tsv", {"references": "kaldi.txt"}, "kaldi.txt:1: not valid JSON"),
        ("nemo", "empty", {"beams": 2}, "holds no candidates"),
        ("hyporadise", "b.tsv", {}, "not valid JSON"),
        ("kaldi", "empty", {}, "holds no list that can be read as kaldi"),
        ("kaldi", "b.tsv", {"beams": 2}, "format 'kaldi' has no option 'beams'"),
        (
            "htk",
            "b.tsv",
            {},
            "unknown format 'htk'; choose one of: espnet, kaldi, nemo, robusthp, hyporadise",
        ),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    source: str,
    options: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.tsv").write_text("a\t-1\nb\t-2\nc\t-3\n")
    Path("two.json").write_text('{"audio_filepath": "a.wav"}\n{"audio_filepath": "b.wav"}\n')
    Path("kaldi.txt").write_text("a one\n")
    Path("empty").touch()
    with pytest.raises(InputError) as caught:
        import_lists(source, "out.jsonl", format=format, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("out.jsonl").exists()


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
        assert problems == [(f"{source}:3", f"'c' has no reference in {said}; the list is kept as it is")]
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

"""Broken files of Robust HyPoradise: each problem is named, and no code is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.hypotheses.released_items import FRAMES, WIDTH, Runs, run, save, without_texts

from robustger.corpora.import_robusthp import import_robusthp
from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.hypotheses.robusthp import read_robusthp


def test_bad_items_are_reported_and_skipped(
    tmp_path: Path, items: list[dict[str, Any]], tiny_base: Path
) -> None:
    good = items[0]
    failed = dict.fromkeys(good) | {"id": "failed"}  # what the script writes when it fails on an utterance
    torn = {**without_texts(good), "id": "torn", "input_ids": good["input_ids"][:60]}
    long = {**without_texts(good), "id": "long"}
    long["input_ids"] = torch.cat([good["input_ids"][:-1], good["input_ids"][-2:-1].repeat(1024)])[:1024]
    content = [
        good,
        failed,
        "no item",
        torn,
        long,
        {**good, "id": "text", "input": "what is the fare"},
        {**good, "id": "one", "am_score": [-1.0]},
        {**good, "id": "half", "input": ["\ud83d"], "am_score": None},
        {**good, "id": "nan", "audio_features": torch.full((FRAMES, WIDTH), torch.nan)},
        {**good, "id": "ids", "audio_features": torch.ones(FRAMES, WIDTH, dtype=torch.int)},
        {**good, "id": "empty", "clean_audio_features": torch.zeros(0, WIDTH)},
        {**good, "id": "wide", "audio_features": torch.zeros(FRAMES, WIDTH + 1)},
        {**good, "id": "batch", "audio_features": good["audio_features"][None]},  # 1 x frames x width is read
        {**good, "id": "tensors", "am_score": list(torch.tensor(good["am_score"]))},
        {**good, "id": "rows", "emb_diff": torch.zeros(7, 16)},
    ]
    source = save(tmp_path / "x.pt", content)
    lists, problems, summary = run(
        source, tmp_path / "lists.jsonl", tokenizer=str(tiny_base), noise_embeddings=True
    )
    assert problems == [
        "x.pt: item 2: failed: has neither texts nor tokens: the script that made the file failed on this utterance",
        "x.pt: item 3: is not an item with fields but str",
        "x.pt: item 4: torn: its tokens do not spell the prompt of the released code: they were cut off, or another "
        "tokenizer made them",
        "x.pt: item 5: long: its tokens end at 1024, where the released code cuts: the reference may be incomplete",
        "x.pt: item 6: text: 'input' must be a list of strings, not str",
        "x.pt: item 7: one: 1 'scores' for 5 'hypotheses'; give one score for each",
        "x.pt: item 8: half: a text holds half a character (a lone surrogate)",
        "x.pt: item 9: nan: audio_features holds NaN or infinite numbers; the list is kept without it",
        "x.pt: item 10: ids: audio_features is not a tensor of numbers; the list is kept without it",
        "x.pt: item 11: empty: clean_audio_features is 0 x 8, not frames x width; the list is kept without it",
        "x.pt: item 12: wide: its noisy embedding has 9 numbers, where those before have 8; the list is kept without "
        "it",
        "x.pt: item 15: rows: emb_diff is 7 x 16, not N(N-1) rows; the list is kept without it",
    ]
    assert summary.problems == len(problems)
    kept = {nbest.id: set(nbest.audio_embedding or {}) - {"file"} for nbest in lists}
    both = {"noisy", "clean"}
    assert kept == {
        "F01_BUS": both,
        "nan": {"clean"},
        "ids": {"clean"},
        "empty": {"noisy"},
        "wide": set(),
        "batch": both,
        "tensors": both,
        "rows": both,
    }
    embeddings = AudioEmbeddings(tmp_path)
    of = {nbest.id: nbest for nbest in lists}
    np.testing.assert_array_equal(embeddings.get(of["batch"]), embeddings.get(of["F01_BUS"]))
    assert [h.score for h in of["tensors"].hypotheses] == good["am_score"]


def test_code_in_a_file_is_not_run(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    mark = tmp_path / "ran"
    with (tmp_path / "plain.pt").open("wb") as file:
        pickle.dump([Runs(mark)], file, protocol=2)  # torch's own
    save(tmp_path / "zip.pt", [{**items[0], "meta": Runs(mark)}])
    for name in ("plain.pt", "zip.pt"):
        with pytest.raises(InputError) as caught:
            run(tmp_path / name, tmp_path / "lists.jsonl")
        assert str(caught.value) == (
            f"{tmp_path / name}: not a file of data alone: it is broken, or it holds code, which is not run"
        )
    assert not mark.exists()
    assert not (tmp_path / "lists.jsonl").exists()


def test_files_of_old_torch_are_read(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    source = save(tmp_path / "old.pt", items, _use_new_zipfile_serialization=False)
    assert len(run(source, tmp_path / "lists.jsonl")[0]) == 2


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("none.pt", {}, "none.pt: cannot be read: No such file"),
        ("nothing", {}, "nothing: holds no .pt file"),
        ("state.pt", {}, "state.pt: a list of items is needed, not OrderedDict"),
        ("empty.pt", {}, "empty.pt: holds no list that can be read as robusthp"),
        ("text.pt", {}, "text.pt: not a file of"),
        ("-", {}, "name a file or folder"),
        ("good.pt", {"beams": 2}, "format 'robusthp' has no option 'beams'"),
        ("good.pt", {"tokenizer": "./none"}, "none"),
        ("good.pt", {"target": "nowhere/lists.jsonl"}, "nowhere does not exist"),
        ("good.pt", {"target": "nothing"}, "is a folder"),
        ("good.pt", {"target": "-"}, "use --no-embeddings"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    items: list[dict[str, Any]],
    source: str,
    options: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nothing").mkdir()
    save(Path("good.pt"), items)
    save(Path("state.pt"), torch.nn.Linear(2, 2).state_dict())
    save(Path("empty.pt"), [])
    Path("text.pt").write_text("id input\n")
    before = sorted(Path().rglob("*"))
    with pytest.raises(InputError) as caught:
        import_robusthp(source, **dict[str, Any]({"target": "lists.jsonl"} | options))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(Path().rglob("*")) == before


@given(st.binary(max_size=200))
@settings(max_examples=40)
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.pt"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(read_robusthp(path))
    assert "\n" not in str(caught.value)


simple = st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=3)


tensors = st.sampled_from(
    [torch.zeros(0), torch.ones(3), torch.ones(2, 3), torch.ones(6, 4), torch.tensor(2)]
)


@given(
    st.lists(
        simple
        | st.dictionaries(
            st.sampled_from(
                ["id", "input", "ground_truth", "am_score", "input_ids", "emb_diff", "audio_features", "x"]
            ),
            simple | tensors,
        ),
        max_size=3,
    )
)
@example([{"id": None, "input": [], "am_score": torch.tensor(2)}])
@example([{"id": "u", "input": ["a", "b"], "am_score": torch.ones(2, 3)}])
@example([{"id": "u", "input": ["a", "b"], "am_score": [torch.ones(3), torch.ones(3)]}])
@settings(max_examples=60)
def test_no_items_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: list[Any]) -> None:
    path = save(tmp_path_factory.mktemp("items") / "x.pt", content)
    placed = list(read_robusthp(path, decode=lambda ids: "", store=lambda id_, arrays: None))
    named = [place for place, value in placed if isinstance(value, BadLine)]
    whole = [place for place, value in placed if isinstance(value, NBest)]
    assert {*named, *whole} == {f"{path}: item {k}" for k in range(1, len(content) + 1)}

"""RobustHP files: every field becomes what it means, and what cannot be read is named, never run, never lost.

The miniature files have the layout that `generate_robust_hp.py` writes (adapted copy: teinhonglo/RobustGER, `local/`)
and `finetune/robust_ger.py` and `inference/robust_ger.py` of YUCHEN005/RobustGER read; `item_of` repeats its lines.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch import Tensor

from robustger.corpora.import_robusthp import import_robusthp
from robustger.errors import InputError
from robustger.hypotheses import BadLine, NBest, load_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.hypotheses.robusthp import noise_embedding_of, read_robusthp
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import SentenceBert

LISTS = {
    "F01_BUS": (
        ["what is the fair", "what is the fare", "what is a fare", "watt is the fare", "what is fare"],
        "what is the fare",
    ),
    "M03_STR": (
        [
            "show me the first fight",
            "show me the first flight",
            "show me a flight",
            "<UNK>",
            "show the flight",
        ],
        "show me the first flight",
    ),
}
WIDTH, FRAMES = 8, 6
PROMPT = (
    "Below is the best-hypotheses transcribed from speech recognition system. Please try to revise it using the words "
    "which are only included into other-hypothesis, and write the response for the true transcription.\n\n"
    "### Best-hypothesis:\n{}\n\n### Other-hypothesis:\n{}\n\n### Response:\n"
)


@pytest.fixture(scope="session")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="session")
def item_of(tokenizer: Any) -> Callable[..., dict[str, Any]]:
    """What the script makes of one utterance; `emb_diff` and the audio are random."""

    def encode(text: str, eos: bool) -> Tensor:  # lit_gpt's Tokenizer.encode
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]] + [tokenizer.eos_token_id] * eos
        return torch.tensor(ids[:1024], dtype=torch.int)

    def build(id_: str, seed: int = 0, frames: int = FRAMES) -> dict[str, Any]:
        hypotheses, reference = LISTS[id_]
        generator = torch.Generator().manual_seed(seed)
        prompt = PROMPT.format(hypotheses[0] + ".", ". ".join(hypotheses[1:]) + ".")
        input_ids, without = encode(prompt + reference, eos=True), encode(prompt, eos=False)
        labels = input_ids.clone()
        labels[: len(without)] = -1
        return {
            "id": id_,
            "input_ids": input_ids,
            "input_ids_no_response": without,
            "labels": labels,
            "input": list(hypotheses),
            "ground_truth": reference,
            "am_score": [-0.25, -0.5, -0.75, -1.0, -1.5],
            "emb_diff": torch.randn(20, 16, generator=generator),
            "audio_features": torch.randn(
                frames, WIDTH, generator=generator
            ).half(),  # Whisper decodes in half
            "clean_audio_features": torch.randn(frames, WIDTH, generator=generator),
        }

    return build


@pytest.fixture
def items(item_of: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    return [item_of(id_, seed) for seed, id_ in enumerate(LISTS)]


def save(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def without_texts(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("input", "ground_truth")}


def expected(id_: str) -> tuple[tuple[str, ...], str]:
    hypotheses, reference = LISTS[id_]
    return tuple(text.replace("<UNK>", "") for text in hypotheses), reference


def run(source: Path, target: Path, **options: Any) -> tuple[list[NBest], list[str], Any]:
    problems: list[str] = []
    summary = import_robusthp(
        source,
        target,
        on_problem=lambda place, message: problems.append(f"{Path(place).name}: {message}"),
        **options,
    )
    return load_nbest(target), problems, summary


def test_every_field_becomes_what_it_means(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    items[0]["audio_enc_len"] = FRAMES  # the adapted script adds such lengths
    source = save(tmp_path / "train_chime4.pt", items)
    lists, problems, summary = run(source, tmp_path / "lists.jsonl")
    assert (problems, summary.lists, summary.problems) == ([], 2, 0)
    assert [nbest.id for nbest in lists] == list(LISTS)
    embeddings = AudioEmbeddings(tmp_path)
    for nbest, item in zip(lists, items, strict=True):
        assert (nbest.texts, nbest.reference) == expected(nbest.id)
        assert [hypothesis.score for hypothesis in nbest.hypotheses] == item["am_score"]
        for kind, field in (("noisy", "audio_features"), ("clean", "clean_audio_features")):
            row = embeddings.get(nbest, kind)
            assert row is not None
            assert row.dtype == np.float32
            np.testing.assert_allclose(row, item[field].double().mean(0).numpy(), rtol=1e-6, atol=1e-7)
    assert embeddings.ids("lists.embeddings.safetensors", "clean") == list(LISTS)
    assert lists[0].meta == {"audio_enc_len": FRAMES}
    assert lists[1].meta == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lists.embeddings.safetensors",
        "lists.jsonl",
        "train_chime4.pt",
    ]


def test_tokens_are_decoded_where_there_are_no_texts(
    tmp_path: Path, items: list[dict[str, Any]], tiny_base: Path
) -> None:
    training = [without_texts(item) for item in items]
    testing = [{"input_ids_no_response": item["input_ids_no_response"]} for item in training]
    for item, whole in zip(testing, items, strict=True):
        item["ground_truth"] = whole["ground_truth"]
    for name, content in (("train_x", training), ("test_x", testing)):
        source = save(tmp_path / f"{name}.pt", content)
        lists, problems, _ = run(source, tmp_path / "lists.jsonl", tokenizer=str(tiny_base))
        assert problems == []
        assert [(nbest.texts, nbest.reference) for nbest in lists] == [expected(id_) for id_ in LISTS]
    assert [nbest.id for nbest in lists] == ["test_x-00000", "test_x-00001"]  # there is none of their own
    assert lists[0].audio_embedding is None


def test_tokens_without_a_tokenizer_are_one_line(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    source = save(tmp_path / "x.pt", [items[0], without_texts(items[1])])
    with pytest.raises(
        InputError, match=r"x.pt: item 2: holds tokens and no texts; name the tokenizer"
    ) as caught:
        run(source, tmp_path / "lists.jsonl")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_emb_diff_becomes_e_ln(tmp_path: Path, tiny_encoder: Path, items: list[dict[str, Any]]) -> None:
    """Our variant `released` is the script's; the utterance rows of `paper` differ from it in order only."""
    extractor = SentenceBert(str(tiny_encoder))
    texts = [expected(id_)[0] for id_ in LISTS]
    released, paper = (NoiseEmbedder(extractor, variant)(texts) for variant in ("released", "paper"))
    for item, emb_diff in zip(items, released, strict=True):
        item["emb_diff"] = emb_diff
    run(save(tmp_path / "x.pt", items), tmp_path / "lists.jsonl", noise_embeddings=True)
    stored = load_file(tmp_path / "lists.noise.safetensors")
    e_ln = torch.from_numpy(stored["e_ln"]).view(2, 20, -1)
    torch.testing.assert_close(e_ln[:, :10], paper[:, :10])
    assert [json.loads(line) for line in stored["e_ln.ids"].tobytes().splitlines()] == list(LISTS)
    # A token row is that of its pair, with the sign turned: worse minus better.
    pairs = list(combinations(range(5), 2))
    row_of = {pair: row for row, pair in enumerate((j, i) for i in range(5) for j in range(i))}
    for row, pair in enumerate(pairs):
        torch.testing.assert_close(e_ln[:, 10 + row_of[pair]], -released[:, row])
    assert released[:, :10].norm() > 0.1


@given(st.integers(2, 7))
def test_e_ln_of_any_n_is_the_same_rows_negated(n: int) -> None:
    emb_diff = torch.randn(n * (n - 1), 3, generator=torch.Generator().manual_seed(n))
    half = n * (n - 1) // 2
    e_ln = noise_embedding_of(emb_diff)
    for ours, theirs in ((e_ln[:half], emb_diff[half:]), (e_ln[half:], emb_diff[:half])):
        assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, (-theirs).tolist()))


@pytest.mark.parametrize("shape", [(6,), (7, 3), (0, 3), (10, 3), (2, 3, 4), ()])
def test_rows_of_no_n_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="not N"):
        noise_embedding_of(torch.zeros(shape))


def test_a_folder_is_read_file_by_file(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    folder = tmp_path / "chunks"
    folder.mkdir()
    for number, item in enumerate(items):
        save(folder / f"train.pt.chunk{number:06d}.pt", [item])
    (folder / "train.pt.chunk000002.pt").write_bytes(b"torn")
    save(folder / "train.pt.chunk000003.pt", [items[0]])
    lists, problems, summary = run(folder, tmp_path / "lists.jsonl")
    assert [nbest.id for nbest in lists] == list(LISTS)
    assert summary.problems == 2
    assert problems[0].startswith("train.pt.chunk000002.pt: not a ")
    assert "a list of 'F01_BUS' stands at" in problems[1]
    assert AudioEmbeddings(tmp_path).ids("lists.embeddings.safetensors") == list(LISTS)


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


def test_what_is_not_wanted_is_not_looked_at(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    other: dict[Any, Any] = {"emb_diff": torch.zeros(7, 16), 7: "seven"}
    items[0].update(other)
    source = save(tmp_path / "x.pt", items)
    assert run(source, tmp_path / "lists.jsonl")[1] == []
    items[0]["audio_features"] = "none"
    lists, problems, _ = run(save(source, items), tmp_path / "alone.jsonl", embeddings=False)
    assert problems == []
    assert [nbest.audio_embedding for nbest in lists] == [None, None]
    assert not (tmp_path / "alone.embeddings.safetensors").exists()


class Runs:
    """What pickle would run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


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


def test_the_command(tmp_path: Path, items: list[dict[str, Any]], tiny_base: Path) -> None:
    save(tmp_path / "train.pt", [*map(without_texts, items), dict.fromkeys(items[0])])
    command = [
        sys.executable,
        "-m",
        "robustger",
        "import-nbest",
        "train.pt",
        "-f",
        "robusthp",
        "-o",
        "lists.jsonl",
    ]
    result = subprocess.run(
        [*command, "--tokenizer", str(tiny_base), "--noise-embeddings"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "robustger: train.pt: item 3: has neither texts nor tokens: the script that made the file failed on this "
        "utterance",
        "robustger: 2 lists, 1 problems",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        "train.pt",
        "lists.jsonl",
        "lists.embeddings.safetensors",
        "lists.noise.safetensors",
    }

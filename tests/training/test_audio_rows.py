"""Places of audio embeddings: their owners, their defects, and the number of lists that may lack one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings, embeddings_path
from robustger.training.audio_rows import TOGETHER, AudioRows

Save = Callable[..., None]
KINDS = ("noisy", "clean")
WIDTH = 4


def named(lists: list[NBest], prefix: str) -> list[NBest]:
    return [replace(nbest, id=f"{prefix}{number}") for number, nbest in enumerate(lists)]


def added(lists: Iterable[tuple[Path, NBest]], kinds: tuple[str, ...] = KINDS) -> AudioRows:
    rows = AudioRows(kinds)
    for item in lists:
        rows.add([item])
    return rows


def refusal(file: Path, nbest: NBest) -> str:
    with pytest.raises(InputError) as caught:
        added([(file, nbest)])
    message = str(caught.value)
    assert "\n" not in message
    return message


def ids_tensor(*ids: str) -> np.ndarray:
    return np.frombuffer("".join(f"{json.dumps(one)}\n" for one in ids).encode(), dtype=np.uint8)


def stored(path: Path, **changed: np.ndarray | None) -> None:
    """Embeddings of the lists a, b and c, each filled with its row's number; None takes a tensor out."""
    values = np.repeat(np.arange(3, dtype=np.float32)[:, None], WIDTH, axis=1)
    tensors: dict[str, np.ndarray | None] = {"noisy": values, "clean": values + 10}
    tensors |= {f"{kind}.ids": ids_tensor("a", "b", "c") for kind in KINDS}
    tensors |= {name.replace("_", "."): value for name, value in changed.items()}
    path.parent.mkdir(exist_ok=True)
    save_file({name: value for name, value in tensors.items() if value is not None}, path)


def pointing(id_: str, noisy: Any, clean: Any, file: Any = "emb/x.safetensors") -> NBest:
    place = {"file": file, "noisy": noisy, "clean": clean}
    return NBest.from_texts(id_, ["what is said"], reference="what is said", audio_embedding=place)


def test_embeddings_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    lists = tmp_path / "lists.jsonl"
    stored(tmp_path / "emb" / "x.safetensors")
    # a file of the same name beside the lists is another one
    stored(tmp_path / "x.safetensors", noisy_ids=ids_tensor("z", "z", "z"))
    rows = added([(lists, pointing("c", 2, 2)), (lists, pointing("a", 0, 0))])
    noisy, clean = rows.read("noisy", [0, 1]), rows.read("clean", [1, 0])
    assert noisy is not None
    assert clean is not None
    assert noisy[:, 0].tolist() == [2, 0]
    assert clean[:, 0].tolist() == [10, 12]


@pytest.mark.parametrize("row", [3, -1, True, "1", 1.0])
def test_a_row_that_is_not_there_is_told(tmp_path: Path, row: object) -> None:
    path = tmp_path / "emb" / "x.safetensors"
    stored(path)
    for kind, nbest in (("noisy", pointing("b", row, 1)), ("clean", pointing("b", 1, row))):
        assert refusal(tmp_path / "lists.jsonl", nbest) == (
            f"{path}: has no row {row!r} of {kind!r}, which list 'b' points to; {TOGETHER}"
        )


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_must_be_of_its_list(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "emb" / "x.safetensors"
    stored(path, **{f"{kind}_ids": ids_tensor("a", "c", "b")})
    said = refusal(tmp_path / "lists.jsonl", pointing("b", 1, 1))
    assert said.startswith(f"{path}: row 1 of {kind!r} belongs to 'c', not to list 'b': ")
    assert said.endswith(TOGETHER)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "ids",
    [None, np.frombuffer(b'"a"\n"b\n', dtype=np.uint8), np.frombuffer(b'"a"\n["b"]\n"c"\n', dtype=np.uint8)],
    ids=["none", "cut off", "no text"],
)
def test_ids_that_cannot_be_read_are_told(tmp_path: Path, kind: str, ids: np.ndarray | None) -> None:
    path = tmp_path / "emb" / "x.safetensors"
    stored(path, **{f"{kind}_ids": ids})
    said = refusal(tmp_path / "lists.jsonl", pointing("b", 1, 1))
    assert said.startswith(
        (
            f"{path}: the embedding of the {kind} audio of list 'b', or whose it is, cannot be read: ",
            f"{path}: its ids of the kind {kind!r} cannot be read (list 'b'",
        )
    )
    assert said.endswith(TOGETHER)


def test_fewer_embeddings_than_ids_are_told(tmp_path: Path) -> None:
    path = tmp_path / "emb" / "x.safetensors"
    stored(path, clean=np.zeros((1, WIDTH), dtype=np.float32))
    said = refusal(tmp_path / "lists.jsonl", pointing("b", 1, 1))
    assert said == f"{path} has no row 1 of 'clean' (list 'b'); {TOGETHER}"


def test_a_file_that_is_not_there_or_has_no_name_is_told(tmp_path: Path) -> None:
    lists = tmp_path / "lists.jsonl"
    said = refusal(lists, pointing("b", 1, 1))
    assert said.startswith(f"{tmp_path / 'emb' / 'x.safetensors'}: cannot be read: ")
    assert said.endswith(f"(list 'b'); {TOGETHER}")
    stored(tmp_path / "emb" / "x.safetensors", clean=None)
    assert refusal(lists, pointing("b", 1, 1)).endswith(
        f"x.safetensors: holds no embeddings of the kind 'clean' (list 'b'); {TOGETHER}"
    )
    assert refusal(lists, pointing("b", 1, 1, None)) == (
        f"{lists}: the `audio_embedding` of list 'b' names no file; {TOGETHER}"
    )


def test_mixed_files_are_looked_through_once_each(
    save_heard: Save, spoken_lists: list[NBest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists of several files, shuffled into one, would otherwise read all ids again for every list."""
    whole = []
    for name in "abc":
        save_heard(named(spoken_lists, name), tmp_path / f"{name}.jsonl")
        whole.append([(tmp_path / "all.jsonl", nbest) for nbest in load_nbest(tmp_path / f"{name}.jsonl")])
    mixed = [item for items in zip(*whole, strict=True) for item in items]
    read: list[tuple[str, str]] = []
    ids = AudioEmbeddings.ids

    def counted(self: AudioEmbeddings, name: str, kind: str = "noisy") -> list[str]:
        read.append((name, kind))
        return ids(self, name, kind)

    monkeypatch.setattr(AudioEmbeddings, "ids", counted)
    rows = added(mixed)
    assert len(read) == len(set(read)) == 6
    order = [23, 0, 7, 1, 5]
    for kind in KINDS:
        found = rows.read(kind, order)
        assert found is not None
        for index, row in zip(order, found.numpy(), strict=True):
            wanted = AudioEmbeddings(tmp_path).get(mixed[index][1], kind)
            assert wanted is not None
            assert np.array_equal(row, wanted)


def test_the_digest_is_of_what_is_heard_not_of_where_it_lies(
    save_heard: Save, spoken_lists: list[NBest], tmp_path: Path
) -> None:
    lists = tmp_path / "lists.jsonl"
    save_heard(spoken_lists, lists)
    here = [(lists, nbest) for nbest in load_nbest(lists)]
    before = added(here)
    assert added(here).digest == before.digest
    assert added(here[::-1]).digest != before.digest
    assert added(here, ("noisy",)).digest != before.digest
    (tmp_path / "emb").mkdir()
    embeddings_path(lists).rename(tmp_path / "emb" / "x.safetensors")
    there = [
        (file, replace(nbest, audio_embedding={**(nbest.audio_embedding or {}), "file": "emb/x.safetensors"}))
        for file, nbest in here
    ]
    assert added(there).digest == before.digest
    save_heard(spoken_lists, lists, **{kind: np.ones((8, 6), dtype=np.float32) for kind in KINDS})
    assert added((lists, nbest) for nbest in load_nbest(lists)).digest != before.digest


def test_one_in_twenty_may_lack_an_embedding(tmp_path: Path) -> None:
    lists = tmp_path / "lists.jsonl"
    count = 40
    ids = [f"u{number}" for number in range(count)]
    values = np.ones((count, WIDTH), dtype=np.float32)
    tensors = dict.fromkeys(KINDS, values) | {f"{kind}.ids": ids_tensor(*ids) for kind in KINDS}
    save_file(tensors, tmp_path / "x.safetensors")
    whole = [(lists, pointing(id_, number, number, "x.safetensors")) for number, id_ in enumerate(ids)]

    def lacking(*without: int) -> AudioRows:
        return added(
            (file, replace(nbest, audio_embedding=None) if number in without else nbest)
            for number, (file, nbest) in enumerate(whole)
        )

    assert lacking().problem("train") is None
    assert lacking(3, 30).problem("train") == (
        "data.train: distillation needs the embeddings of the audio: of 40 lists 2 have no noisy one, first 'u3', "
        "'u30'; these lists are left out"
    )
    with pytest.raises(InputError) as caught:
        lacking(3, 9, 20, 30).problem("train")
    assert str(caught.value) == (
        "data.train: distillation needs the embeddings of the audio: of 40 lists 4 have no noisy one, first 'u3', "
        "'u9', 'u20'; at most 5% may be left out: make the lists with `robustger nbest ... --embeddings`, take these "
        "lists out, or set distillation.objective=none"
    )

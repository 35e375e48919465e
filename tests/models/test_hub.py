"""The right files of a repository are fetched from the hub, which is a folder here with the hub's own filter."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from robustger.models.hub import NotOnTheHub, from_hub

COMMON = {"config.json", "tokenizer.json", "README.md", ".gitattributes"}
PICKLES = {
    "pytorch_model.bin",
    "pytorch_model-00001-of-00002.bin",
    "model.pt",
    "flax_model.msgpack",
    "tf_model.h5",
}


def fetched(files: set[str], root: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files that come of a repository with these; what was fetched is found again without the hub."""
    remote, cache = root / "remote", root / "cache"
    remote.mkdir()
    for file in files:
        (remote / file).write_text("{}")

    def snapshot_download(name: str, *, local_files_only: bool = False, **patterns: Any) -> str:
        assert name == "org/model"
        if not local_files_only:
            cache.mkdir(exist_ok=True)
            for file in filter_repo_objects(sorted(files), **patterns):
                shutil.copyfile(remote / file, cache / file)
        elif not cache.is_dir():
            raise LocalEntryNotFoundError("not in the cache")
        return str(cache)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert from_hub("org/model") == cache
    shutil.rmtree(remote)  # from now on the hub cannot be reached
    assert from_hub("org/model") == cache
    return {path.name for path in cache.iterdir()}


def test_of_transformers_the_safetensors_come_and_no_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}
    index = {
        "model.safetensors.index.json",
        "generation_config.json",
        "preprocessor_config.json",
        "merges.txt",
    }
    in_float32 = {"model.fp32-00001-of-00002.safetensors", "model.fp32-00002-of-00002.safetensors"}
    files = COMMON | PICKLES | weights | index | in_float32 | {"model.bin"}
    assert fetched(files, tmp_path, monkeypatch) == weights | index | {"config.json", "tokenizer.json"}


@pytest.mark.parametrize("vocabulary", ["vocabulary.txt", "vocabulary.json"])
def test_of_ctranslate2_the_model_and_its_vocabulary_come(
    vocabulary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"model.bin", vocabulary, "preprocessor_config.json"}
    found = fetched(COMMON | PICKLES | files, tmp_path, monkeypatch)
    assert found == files | {"config.json", "tokenizer.json"}


def test_a_hub_that_answers_in_any_other_way_is_told_by_the_name_of_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def snapshot_download(name: str, *, local_files_only: bool = False, **_: Any) -> str:
        raise (
            LocalEntryNotFoundError("absent") if local_files_only else ConnectionResetError("reset\nby peer")
        )

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(NotOnTheHub) as missing:
        from_hub("org/model")
    assert (missing.value.reason, missing.value.is_name) == ("ConnectionResetError", True)

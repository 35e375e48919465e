"""N-best lists are written whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.hypotheses.generated_lists import GOOD

from robustger.errors import InputError
from robustger.hypotheses import NBest, save_nbest


def folder_of(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


def test_lists_that_cannot_be_written_spare_the_old_file(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(InputError, match="'bad' cannot be written as JSON"):
        save_nbest([NBest.from_dict(GOOD), NBest.from_texts("bad", ["a"], meta={"x": {1, 2}})], path)
    assert path.read_text() == "old"
    assert folder_of(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("meta", [{"x": float("nan")}, {"x": "\ud800"}])
def test_what_is_not_json_is_not_written(tmp_path: Path, meta: dict):
    with pytest.raises(InputError, match="'x' cannot be written as JSON"):
        save_nbest([NBest.from_texts("x", ["a"], meta=meta)], tmp_path / "out.jsonl")
    assert folder_of(tmp_path) == []

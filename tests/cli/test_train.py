"""`robustger train`; what it trains is tested in `tests/training`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from robustger.hypotheses import NBest, save_nbest

LISTS = [
    NBest.from_texts("a", ["turn of the light", "turn off the light"], reference="turn off the light"),
    NBest.from_texts("b", ["close the store", "close the door"], reference="close the door"),
]


@pytest.fixture
def config(tmp_path: Path, tiny_base: Path) -> Path:
    save_nbest(LISTS, tmp_path / "lists.jsonl")
    content = {
        "output": str(tmp_path / "run"),
        "dtype": "float32",
        "tracking": "none",
        "corrector": {"base": str(tiny_base), "variant": "ger", "n_best": 2},
        "data": {"train": [str(tmp_path / "lists.jsonl")]},
        "optimization": {"epochs": 1},
    }
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_best_checkpoint_is_the_result(robustger, config: Path, tmp_path: Path) -> None:
    result = robustger("train", config)
    assert (result.code, result.out) == (0, f"{tmp_path / 'run' / 'best'}\n")
    assert (tmp_path / "run" / "best" / "adapter.safetensors").is_file()


def test_a_dry_run_prints_and_leaves_nothing(robustger, config: Path, tmp_path: Path) -> None:
    result = robustger("train", config, "--dry-run", "--set", "optimization.epochs=3")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].startswith("data.train       2 lists, ")
    assert lines[1] == "data.dev         no lists"
    assert "steps            3 of 32 lists; an epoch has 1; a checkpoint every 100" in lines
    assert any(line == "-> close the door</s>" for line in lines)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_refuses_what_a_run_would(robustger, config: Path) -> None:
    result = robustger("train", config, "--dry-run", "--set", "corrector.variant=robust")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("robustger: error: ")
    assert "corrector.variant = 'robust'" in result.err

"""`robustger calibrate` writes a corrector that decides with weights fitted to the given lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from tests.cli.conftest import Result


def rows(reference: bool = True) -> str:
    """Lists in which the second hypothesis is right whenever it has the better score."""
    lines = []
    for number in range(24):
        better = number % 2 == 0
        row = {
            "id": f"u{number}",
            "hypotheses": ["we saw the red coat", "we saw the red boat"],
            "scores": [-6.0, -3.0 if better else -9.0],
            "meta": {"speaker": f"s{number % 6}"},
        }
        if reference:
            row["reference"] = "we saw the red boat" if better else "we saw the red coat"
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


def test_the_fitted_corrector_uses_the_scores(
    robustger: Callable[..., Result], tmp_path: Path, tiny_checkpoint: Path
) -> None:
    lists, folder, output = tmp_path / "lists.jsonl", tmp_path / "fitted", tmp_path / "out.jsonl"
    lists.write_text(rows(), encoding="utf-8")
    done = robustger("calibrate", lists, "--checkpoint", tiny_checkpoint, "-o", folder)
    assert done.code == 0, done.err
    assert "WER 10.00 -> 0.00 %" in done.err
    guard = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["guard"]
    assert guard["name"] == "heard"
    assert guard["scored"]["recognizer"] > 0
    assert robustger("correct", lists, "-o", output, "--checkpoint", folder).code == 0
    texts = [json.loads(line)["text"] for line in output.read_text(encoding="utf-8").splitlines()]
    assert texts == ["we saw the red boat", "we saw the red coat"] * 12


def test_lists_without_references_are_refused(
    robustger: Callable[..., Result], tmp_path: Path, tiny_checkpoint: Path
) -> None:
    lists, folder = tmp_path / "lists.jsonl", tmp_path / "fitted"
    lists.write_text(rows(reference=False), encoding="utf-8")
    done = robustger("calibrate", lists, "--checkpoint", tiny_checkpoint, "-o", folder)
    assert (done.code, folder.exists()) == (2, False)
    assert "has no reference" in done.err

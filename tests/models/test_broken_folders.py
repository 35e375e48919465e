"""A folder of a model in which one file is broken is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_whisper import build_tiny_whisper

from robustger.errors import InputError
from robustger.models.loading import load_pretrained
from robustger.recognition.known_recognizers import load_recognizer


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def number_as_token(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token": 3}), encoding="utf-8")


def fraction_as_id(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["added_tokens"][0]["id"] = 0.5
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("damage", [cut_weights, number_as_token, fraction_as_id])
def test_a_broken_recognizer_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = build_tiny_whisper(tmp_path / "whisper")
    load_pretrained("AutoTokenizer", folder)
    damage(folder)
    with pytest.raises(InputError, match=str(tmp_path)):
        load_recognizer("whisper", folder, device="cpu")

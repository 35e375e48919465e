"""A bad option of a recognizer gives one line with the key, the value and the expected values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustger.errors import InputError
from robustger.recognition import load_recognizer

INTEGER, NUMBER, TEXT = "valid integer", "valid number", "valid string"
DTYPES = "'float32', 'bfloat16' or 'float16'"


@pytest.mark.parametrize(
    ("kind", "option", "value", "expected"),
    [
        ("whisper", "max_new_tokens", "ten", INTEGER),
        ("whisper", "max_new_tokens", True, INTEGER),
        ("whisper", "max_new_tokens", 2.5, INTEGER),
        ("whisper", "memory_gb", "abc", NUMBER),
        ("whisper", "memory_gb", 0, "greater than 0"),
        ("whisper", "memory_gb", float("inf"), "finite number"),
        ("whisper", "length_penalty", None, NUMBER),
        ("whisper", "language", False, TEXT),  # what YAML makes of "no"
        ("whisper", "task", "sing", "'transcribe' or 'translate'"),
        ("whisper", "dtype", "float23", DTYPES),
        ("whisper", "device", 3, TEXT),
        ("ctc", "dtype", 16, DTYPES),
        ("ctc", "window_seconds", "long", NUMBER),
        ("ctc", "window_seconds", 0, "greater than or equal to 0.1"),
        ("ctc", "batch_seconds", -1.0, "greater than 0"),
        ("faster-whisper", "device", "toaster", "'cpu' or 'cuda'"),
        ("faster-whisper", "dtype", "float23", "'int8_float16'"),
        ("faster-whisper", "batch_size", 0, "greater than or equal to 1"),
        ("faster-whisper", "max_new_tokens", "ten", INTEGER),
    ],
)
def test_a_wrong_value_is_told(tmp_path: Path, kind: str, option: str, value: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        load_recognizer(kind, tmp_path, **{option: value})
    message = str(error.value)
    assert message.startswith(f"option {option} = {value!r}: ")
    assert expected in message
    assert "\n" not in message


def test_right_values_are_taken(tiny_whisper: Path) -> None:
    import torch

    recognizer = load_recognizer(
        "whisper",
        str(tiny_whisper),
        device=torch.device("cpu"),
        memory_gb=1,
        length_penalty=0,
        max_new_tokens=3,
    )
    assert recognizer.window_seconds == 2

"""Whisper's recognizer reads window, languages and special tokens from a checkpoint, and names its defects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.recognition.recognizers.same_recognition import same
from tests.tiny_whisper import babble
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    WhisperForConditionalGeneration,
)

from robustger.errors import InputError, MissingModelError
from robustger.recognition import load_recognizer
from robustger.recognition.recognizers.whisper import WhisperRecognizer

TeacherForced = Callable[[Path, np.ndarray, Sequence[int]], torch.Tensor]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPELLING = 256 + 2  # bytes and the two special tokens: every text has one spelling, and so one score


def edit(folder: Path, copy: Path, file: str, **changes: Any) -> Path:
    """A copy of the checkpoint with other settings in one file; None removes a setting."""
    shutil.copytree(folder, copy)
    settings = json.loads((copy / file).read_text()) | changes
    (copy / file).write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    return copy


def test_window_and_hop_are_the_checkpoint_s(make_whisper: Callable[..., Path]) -> None:
    recognizer = WhisperRecognizer(make_whisper(seconds=5, hop_length=160))
    assert recognizer.window_seconds == 5
    assert recognizer.recognize([babble(5.0, 1)])[0].distinct == 5
    with pytest.raises(InputError, match=r"audio 1 lasts 5\.10 s and the recognizer takes 5 s"):
        recognizer.recognize([babble(1.0, 1), babble(5.1, 1)])


def test_languages_are_heard(make_whisper: Callable[..., Path], audios: list[np.ndarray]) -> None:
    folder = make_whisper(kind="multilingual")
    texts = {
        (language, task): [
            h.text
            for recognition in WhisperRecognizer(folder, language=language, task=task).recognize(audios[:2])  # type: ignore[arg-type]
            for h in recognition.hypotheses
        ]
        for language, task in (
            (None, "transcribe"),
            ("English", "transcribe"),
            ("de", "transcribe"),
            ("de", "translate"),
        )
    }
    assert texts[None, "transcribe"] == texts["English", "transcribe"]
    assert len({tuple(found) for found in texts.values()}) == 3
    assert not any("<|" in text for found in texts.values() for text in found)
    with pytest.raises(InputError, match="knows no language 'fr'; choose among: de, en"):
        WhisperRecognizer(folder, language="fr")
    with pytest.raises(InputError, match="unknown language 'klingon'"):
        WhisperRecognizer(folder, language="klingon")


def test_settings_that_say_nothing_are_made_up_for_by_the_tokenizer(
    make_whisper: Callable[..., Path], audios: list[np.ndarray], tmp_path: Path
) -> None:
    folder = make_whisper(kind="multilingual")
    reference = WhisperRecognizer(folder, language="de").recognize(audios[:2])
    silent = edit(
        folder,
        tmp_path / "silent",
        "generation_config.json",
        lang_to_id=None,
        task_to_id=None,
        no_timestamps_token_id=None,
    )
    for one, other in zip(
        reference, WhisperRecognizer(silent, language="de").recognize(audios[:2]), strict=True
    ):
        same(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "de"}, "knows English only, not 'de'; leave the language out"),
        ({"task": "translate"}, "only transcribes, and knows no task 'translate'"),
    ],
)
@pytest.mark.parametrize("kind", ["scratch", "english"])
def test_english_only_checkpoints_say_so(
    make_whisper: Callable[..., Path], kind: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        WhisperRecognizer(make_whisper(kind=kind), **options)


def test_no_timestamp_and_no_id_without_text_is_written(
    make_whisper: Callable[..., Path], audios: list[np.ndarray], tmp_path: Path
) -> None:
    folder = edit(
        make_whisper(kind="multilingual"), tmp_path / "free", "generation_config.json", suppress_tokens=None
    )
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    model.resize_token_embeddings(400)  # as a vocabulary rounded up for the GPU: 40 ids that no text has
    with torch.no_grad():
        model.proj_out.weight[360:] = 5 * model.proj_out.weight[100:140]
    settings = GenerationConfig.from_pretrained(folder)
    model.generation_config = settings
    model.save_pretrained(folder)
    recognizer = WhisperRecognizer(folder)
    suppressed = set(recognizer._settings["suppress_tokens"])
    special = {i for t, i in AutoTokenizer.from_pretrained(folder).get_vocab().items() if t.startswith("<|")}
    assert suppressed == (special | set(range(360, 400))) - {recognizer._settings["eos_token_id"]}
    assert recognizer.recognize(audios[:2])[0].hypotheses[0].text


def test_half_precision_on_the_cpu_is_read_as_float32_unless_asked_otherwise(
    tiny_whisper: Path, audios: list[np.ndarray], tmp_path: Path
) -> None:
    half = tmp_path / "half"
    shutil.copytree(tiny_whisper, half)
    WhisperForConditionalGeneration.from_pretrained(half, dtype=torch.float16).save_pretrained(half)
    assert WhisperRecognizer(half)._model.dtype == torch.float32
    narrow = WhisperRecognizer(half, dtype="bfloat16")
    assert narrow._model.dtype == torch.bfloat16
    recognition = narrow.recognize(audios[:2])[0]
    assert recognition.embedding.dtype == np.float32
    reference = WhisperRecognizer(tiny_whisper).recognize(audios[:2])[0]
    np.testing.assert_allclose(recognition.embedding, reference.embedding, atol=0.1)


def test_broken_checkpoints_are_named(tiny_whisper: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a model of the kind 'bert'"):
        WhisperRecognizer(tiny_encoder)
    with pytest.raises(MissingModelError, match=r"no config\.json there"):
        WhisperRecognizer(tmp_path)
    bare = tmp_path / "bare"
    shutil.copytree(tiny_whisper, bare)
    (bare / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="not a complete Whisper checkpoint"):
        WhisperRecognizer(bare)
    for file, changes, message in (
        ("preprocessor_config.json", {"chunk_length": 3}, "makes 150 mel frames of 3 s"),
        ("preprocessor_config.json", {"feature_size": 80}, "makes 80 mel bins"),
        ("preprocessor_config.json", {"sampling_rate": 8_000}, "made for 8000 samples a second"),
    ):
        with pytest.raises(InputError, match=message):
            WhisperRecognizer(edit(tiny_whisper, tmp_path / next(iter(changes)), file, **changes))


def test_wrong_requests_are_named(tiny_whisper: Path) -> None:
    recognizer = load_recognizer("whisper", tiny_whisper)
    audio = babble(0.5, 1)
    requests: list[tuple[list[np.ndarray], dict[str, Any], str]] = [
        ([audio], {"n": 0}, "n is 0"),
        ([audio], {"n": 5, "beams": 4}, "4 beams cannot give 5"),
        ([audio, audio[:0]], {}, r"audio 1 has the shape \(0,\)"),
        ([audio[None]], {}, r"audio 0 has the shape \(1, 8000\)"),
        ([np.full(9, np.nan, np.float32)], {}, "audio 0 contains NaN"),
    ]
    for arguments, options, message in requests:
        with pytest.raises(InputError, match=message):
            recognizer.recognize(arguments, **options)
    with pytest.raises(
        InputError, match="recognizer 'whisper' has no option 'beam'; choose among: device, dtype"
    ):
        load_recognizer("whisper", tiny_whisper, beam=5)
    with pytest.raises(InputError, match="unknown recognizer 'wisper'; choose one of: whisper"):
        load_recognizer("wisper", tiny_whisper)
    with pytest.raises(InputError, match=r"option dtype = 'int8': Input should be 'float32', 'bfloat16'"):
        load_recognizer("whisper", tiny_whisper, dtype="int8")
    with pytest.raises(InputError, match=r"max_new_tokens is 32; .* takes 1 to 31"):
        load_recognizer("whisper", tiny_whisper, max_new_tokens=32)

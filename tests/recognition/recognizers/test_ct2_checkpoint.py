"""CTranslate2 runs embedded models and folders in both formats, and others are refused with the reason."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.tiny_whisper import babble

from robustger.audio import read_audio
from robustger.errors import InputError
from robustger.models import resolve_ctranslate2, resolve_model
from robustger.recognition import load_recognizer
from robustger.recognition.recognizers.ct2_checkpoint import ct2_folder, load_ct2_checkpoint
from robustger.recognition.recognizers.faster_whisper import FasterWhisperRecognizer, _view
from robustger.recognition.recognizers.whisper import WhisperRecognizer
from robustger.text import get_normalizer

TINY, BASE = "whisper-tiny.en", "whisper-base"
SPOKEN = "10. Fresh Nelly is waiting on you. Good night, husband."


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    """A recording of LibriSpeech's test-clean, 5 s: "number ten fresh nelly is waiting on you good night husband"."""
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no real recording")
    return read_audio(Path(data) / "audio" / "librispeech" / "test-clean-dev" / "1089-134686-0004.opus")


@pytest.fixture(scope="module")
def tiny(embedded_whisper: Callable[[str], str]) -> FasterWhisperRecognizer:
    return FasterWhisperRecognizer(embedded_whisper(TINY), device="cpu")


@pytest.fixture(scope="module")
def tiny_stock(embedded_whisper: Callable[[str], str]) -> WhisperRecognizer:
    return WhisperRecognizer(embedded_whisper(TINY), device="cpu")


@pytest.fixture
def ctranslate2_folder(embedded_whisper: Callable[[str], str], tmp_path: Path) -> Path:
    """whisper-tiny.en as faster-whisper's users have it; files are copies that may be changed."""
    return Path(shutil.copytree(resolve_ctranslate2(embedded_whisper(TINY)), tmp_path / "ct2"))


@pytest.mark.parametrize("kind", ["whisper", "faster-whisper"])
@pytest.mark.parametrize("alias", [TINY, BASE])
def test_both_engines_transcribe_a_real_recording(
    kind: str, alias: str, recording: np.ndarray, embedded_whisper: Callable[[str], str]
) -> None:
    recognizer = load_recognizer(kind, embedded_whisper(alias), device="cpu")
    (result,) = recognizer.recognize([recording], n=1, beams=5)
    text = get_normalizer("number")(result.hypotheses[0].text)
    assert text.endswith("fresh nelly is waiting on you good night husband")
    assert "10" in text


def test_the_encoders_hear_the_same(
    recording: np.ndarray, tiny: FasterWhisperRecognizer, tiny_stock: WhisperRecognizer
) -> None:
    """In float32 the engines differ by rounding; int8 weights move an embedding by less than 2 % of its length."""
    (stock,), (ours,) = tiny_stock.embed([recording]), tiny.embed([recording])
    np.testing.assert_allclose(ours.real, stock.real, atol=1e-4)
    np.testing.assert_allclose(ours.padded, stock.padded, atol=1e-4)  # type: ignore[arg-type]
    (coarse,) = FasterWhisperRecognizer(TINY, device="cpu", dtype="int8").embed([recording])
    assert np.linalg.norm(coarse.real - stock.real) < 0.02 * np.linalg.norm(stock.real)


@pytest.mark.parametrize("alias", [TINY, BASE])
def test_these_are_the_same_weights_to_the_last_log_probability(
    alias: str,
    recording: np.ndarray,
    embedded_whisper: Callable[[str], str],
    teacher_forced: Callable[..., Any],
) -> None:
    """CTranslate2's score of each text that its search found is what a plain pass of transformers says of it.

    CTranslate2 shares the probability of what is suppressed out among the rest, so the pass does the same.
    """
    folder = resolve_model(embedded_whisper(alias))
    settings = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    recognizer = FasterWhisperRecognizer(alias, device="cpu")
    end, prompt = settings["eos_token_id"], recognizer._prompts.ids("en")
    results = recognizer._whisper.generate(
        _view(recognizer._encode([recording])),
        [prompt],
        beam_size=5,
        num_hypotheses=5,
        length_penalty=0,
        return_scores=True,
        suppress_tokens=recognizer._suppressed,
    )
    assert len(results[0].sequences_ids) == 5
    for ids, score in zip(results[0].sequences_ids, results[0].scores, strict=True):
        log_probs = teacher_forced(folder, recording, [*prompt, *ids])[len(prompt) - 1 :]
        log_probs[:, recognizer._suppressed] = -torch.inf
        log_probs[0, settings["begin_suppress_tokens"]] = -torch.inf
        chosen = torch.tensor([*ids, end])[:, None]
        assert score == pytest.approx(log_probs.log_softmax(-1).gather(1, chosen).sum().item(), abs=2e-3)


def test_a_clip_of_the_repository_is_heard_alike_by_both(
    tiny: FasterWhisperRecognizer, tiny_stock: WhisperRecognizer
) -> None:
    from robustger.pipeline.presets import demo_manifest

    manifest = demo_manifest("lab")
    assert manifest is not None
    clip = read_audio(manifest.parent / "music_10dB.flac")
    for recognizer in (tiny, tiny_stock):
        (result,) = recognizer.recognize([clip], n=1, beams=5)
        assert result.hypotheses[0].text == "Please turn right at the museum and drive straight ahead."


def test_a_folder_of_ctranslate2_runs_as_it_is(
    ctranslate2_folder: Path,
    recording: np.ndarray,
    tiny: FasterWhisperRecognizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is converted and nothing kept; with or without preprocessor_config.json, and with vocabulary.json."""
    features = resolve_model(TINY) / "preprocessor_config.json"
    monkeypatch.setenv("ROBUSTGER_CACHE", str(ctranslate2_folder / "cache"))
    (expected,) = tiny.recognize([recording], n=3, beams=5)
    words = (ctranslate2_folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    for change in ("as it is", "vocabulary.json", "preprocessor_config.json"):
        if change == "vocabulary.json":
            (ctranslate2_folder / change).write_text(json.dumps(words), encoding="utf-8")
            (ctranslate2_folder / "vocabulary.txt").unlink()
        elif change == "preprocessor_config.json":
            shutil.copyfile(features, ctranslate2_folder / change)
        (result,) = FasterWhisperRecognizer(ctranslate2_folder, device="cpu").recognize(
            [recording], n=3, beams=5
        )
        assert result.hypotheses == expected.hypotheses, change
        np.testing.assert_array_equal(result.embedding, expected.embedding)
    assert not (ctranslate2_folder / "cache").exists()


def test_what_is_known_of_it_is_what_transformers_knows(embedded_whisper: Callable[[str], str]) -> None:
    """The same model in both formats is described alike."""
    for alias in (TINY, BASE):
        native = load_ct2_checkpoint(embedded_whisper(alias))
        other = load_ct2_checkpoint(resolve_model(alias))
        assert ct2_folder(alias) == native.folder
        assert (ct2_folder(other.folder) / "model.bin").is_file()
        ours, theirs = native.described, other.described
        for size in ("d_model", "num_mel_bins", "vocab_size", "max_source_positions", "max_target_positions"):
            assert getattr(ours.config, size) == getattr(theirs.config, size)
        left, right = (model.generation_config.to_dict() for model in (ours, theirs))  # type: ignore[union-attr]
        for settings in (left, right):
            settings.pop("transformers_version", None)
            settings.pop("_from_model_config", None)
        assert left == right
        assert native.tokenizer.get_vocab() == other.tokenizer.get_vocab()
        assert native.extractor.to_dict() == other.extractor.to_dict()


def test_alignment_heads_and_suppressed_tokens_may_be_missing(ctranslate2_folder: Path) -> None:
    (ctranslate2_folder / "config.json").write_text("{}", encoding="utf-8")
    settings: Any = load_ct2_checkpoint(ctranslate2_folder).described.generation_config
    assert not settings.suppress_tokens
    assert getattr(settings, "alignment_heads", None) is None


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")


def _tokenizer_of_another(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    del tokenizer["added_tokens"][2]  # <|en|>: the ids of those behind it move
    path.write_text(json.dumps(tokenizer), encoding="utf-8")


def _no_vocabulary(folder: Path) -> None:
    (folder / "vocabulary.txt").unlink()


def _short_vocabulary(folder: Path) -> None:
    (folder / "vocabulary.txt").write_text("a\nb\n", encoding="utf-8")


def _odd_vocabulary(folder: Path) -> None:
    (folder / "vocabulary.json").write_text("{}", encoding="utf-8")


def _list_for_settings(folder: Path) -> None:
    (folder / "config.json").write_text("[]", encoding="utf-8")


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")


def _words_for_ids(folder: Path) -> None:
    (folder / "config.json").write_text('{"suppress_ids": "all"}', encoding="utf-8")


def _cut_off(folder: Path) -> None:
    content = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(content[: len(content) // 2])


def _one_byte(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"x")


def _pickle(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"PK\x03\x04" * 9)


def _another_kind(folder: Path) -> None:
    content = (folder / "model.bin").read_bytes()
    (folder / "model.bin").write_bytes(content.replace(b"WhisperSpec", b"WisperSpecs", 1))


def _bad_features(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text("[", encoding="utf-8")


def _another_feature_size(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"feature_size": 128}', encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_tokenizer, r"tokenizer\.json: is missing; copy it there"),
        (_broken_tokenizer, r"tokenizer\.json: not a tokenizer"),
        (
            _tokenizer_of_another,
            r"tokenizer\.json and the vocabulary do not agree on the token <\|notimestamps\|>",
        ),
        (_no_vocabulary, r"has no vocabulary\.json and no vocabulary\.txt"),
        (_short_vocabulary, r"2 tokens in its vocabulary and 51864 in model\.bin"),
        (_odd_vocabulary, r"vocabulary\.json: not a vocabulary"),
        (_list_for_settings, r"config\.json: not the settings of a model"),
        (_no_json, r"config\.json: not JSON"),
        (_words_for_ids, r"config\.json: suppress_ids: a list of token ids is needed"),
        (_cut_off, r"model\.bin: not a whole model of CTranslate2 \(it ends inside "),
        (_one_byte, r"model\.bin: not a whole model of CTranslate2 \(it ends after 1 bytes\)"),
        (_pickle, r"model\.bin: not a model of CTranslate2"),
        (_another_kind, r"a model of the kind WisperSpecs, not Whisper"),
        (_bad_features, r"preprocessor_config\.json: cannot be used"),
        (_another_feature_size, r"preprocessor_config\.json makes 128 mel bins and config\.json takes 80"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(
    spoil: Callable[[Path], None], message: str, ctranslate2_folder: Path
) -> None:
    (ctranslate2_folder / "model.bin").chmod(0o644)
    spoil(ctranslate2_folder)
    with pytest.raises(InputError, match=message) as refused:
        FasterWhisperRecognizer(ctranslate2_folder, device="cpu")
    assert "\n" not in str(refused.value)


def test_the_stock_recognizer_says_who_runs_such_a_folder(ctranslate2_folder: Path) -> None:
    with pytest.raises(
        InputError, match="in the format of CTranslate2; run it with --recognizer faster-whisper"
    ):
        WhisperRecognizer(ctranslate2_folder)


def test_a_quantized_folder_runs_and_is_not_converted_back(
    embedded_whisper: Callable[[str], str], recording: np.ndarray, tmp_path: Path
) -> None:
    """As many on the hub are: int8 weights, written by CTranslate2's own converter."""
    from ctranslate2.converters import TransformersConverter

    from robustger.models.whisper_weights import convert_to_transformers

    source = resolve_model(embedded_whisper(TINY))
    folder = tmp_path / "int8"
    TransformersConverter(str(source), copy_files=["tokenizer.json"]).convert(
        str(folder), quantization="int8"
    )
    (result,) = FasterWhisperRecognizer(folder, device="cpu", dtype="int8").recognize(
        [recording], n=1, beams=5
    )
    # Rounding to int8 decides differently on other processors, though not about words that are plain to hear.
    assert result.hypotheses[0].text.endswith("is waiting on you. Good night, husband.")
    with pytest.raises(InputError, match="its weights are int8, too coarse to convert"):
        convert_to_transformers(folder, tmp_path / "back")


def test_babble_is_no_reason_to_fail(tiny: FasterWhisperRecognizer) -> None:
    (result,) = tiny.recognize([babble(1.0, 3)], n=2, beams=5)
    assert result.embedding.shape == (384,)

"""Whisper by CTranslate2 on a tiny random checkpoint: exact scores, and the lists of the recognizer `whisper`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.tiny_whisper import babble, build_tiny_whisper, in_openai_order

from robustger.errors import InputError
from robustger.recognition import load_recognizer
from robustger.recognition.recognizers.faster_whisper import FasterWhisperRecognizer, _view
from robustger.recognition.recognizers.whisper import WhisperRecognizer
from robustger.recognition.search.strategy import as_spoken

AUDIOS = [babble(seconds, seed) for seed, seconds in enumerate((1.5, 0.3, 2.0, 0.9, 1.2, 0.6))]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny", kind="multilingual")
    in_openai_order(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUSTGER_CACHE", str(cache))


@pytest.fixture(scope="module")
def recognizer(checkpoint: Path, cache: Path) -> FasterWhisperRecognizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROBUSTGER_CACHE", str(cache))
        return FasterWhisperRecognizer(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def rescored(
    checkpoint: Path, teacher_forced: Callable[..., Any]
) -> Callable[[np.ndarray, list[int]], float]:
    """The log-probability of the tokens and the end, over what may be generated at each place, by a forward pass."""
    settings = json.loads((checkpoint / "generation_config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    special = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
    prompt, end = [vocabulary[token] for token in special], settings["eos_token_id"]
    timestamps = [i for token, i in vocabulary.items() if token.startswith("<|0.")]

    def rescore(audio: np.ndarray, ids: list[int]) -> float:
        log_probs = teacher_forced(checkpoint, audio, [*prompt, *ids])[len(prompt) - 1 :]
        log_probs[:, [*settings["suppress_tokens"], *timestamps]] = -np.inf
        log_probs[0, settings["begin_suppress_tokens"]] = -np.inf
        chosen = torch.tensor([*ids, end])[:, None]
        return log_probs.log_softmax(-1).gather(1, chosen).sum().item()

    return rescore


def test_scores_are_sums_of_log_probabilities(
    checkpoint: Path, recognizer: FasterWhisperRecognizer, rescored: Callable[[np.ndarray, list[int]], float]
) -> None:
    states, prompts = recognizer._encode(AUDIOS), [recognizer._prompts.ids("en")] * len(AUDIOS)
    checked = 0
    for penalty in (1.0, 0.0, 0.6):
        other = FasterWhisperRecognizer(checkpoint, device="cpu", length_penalty=penalty)
        found = other._whisper.generate(
            _view(states),
            prompts,
            beam_size=5,
            num_hypotheses=5,
            length_penalty=penalty,
            return_scores=True,
            suppress_tokens=other._suppressed,
            max_length=2 * other._max_new_tokens,
        )
        lists = other._found(states, prompts, beams=5, finished=5)
        for audio, result, texts in zip(AUDIOS, found, lists, strict=True):
            for ids, one in zip(result.sequences_ids, texts, strict=True):
                if len(ids) < other._max_new_tokens:  # ended by itself
                    checked += 1
                    assert one.hypothesis.score == pytest.approx(rescored(audio, ids), abs=1e-3)
    assert checked > 30


def test_a_batch_is_what_its_audios_are_alone(recognizer: FasterWhisperRecognizer) -> None:
    assert recognizer.window_seconds == 2.0
    batch = recognizer.recognize(AUDIOS, n=4, beams=6)
    assert sum(result.distinct for result in batch) > 3 * len(AUDIOS)
    for audio, together in zip(AUDIOS, batch, strict=True):
        (alone,) = recognizer.recognize([audio], n=4, beams=6)
        assert [h.text for h in together.hypotheses] == [h.text for h in alone.hypotheses]
        assert [h.score for h in together.hypotheses] == pytest.approx(
            [h.score for h in alone.hypotheses], abs=1e-4
        )
        assert together.distinct == alone.distinct
        np.testing.assert_allclose(together.embedding, alone.embedding, atol=1e-5)


def test_it_agrees_with_the_recognizer_whisper(tmp_path: Path) -> None:
    """Same checkpoint, hardly any token suppressed: the same embeddings, and for what both found the same scores."""
    folder = build_tiny_whisper(tmp_path / "tiny", kind="multilingual")
    in_openai_order(folder)
    path = folder / "generation_config.json"
    given = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(
        json.dumps({**given, "suppress_tokens": [], "begin_suppress_tokens": []}), encoding="utf-8"
    )
    ours = FasterWhisperRecognizer(folder, device="cpu").recognize(AUDIOS, n=5, beams=50)
    theirs = WhisperRecognizer(folder, device="cpu").recognize(AUDIOS, n=20, beams=50)
    shared = 0
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.embedding, other.embedding, atol=1e-4)
        assert other.padded_embedding is not None
        assert mine.padded_embedding is not None
        np.testing.assert_allclose(mine.padded_embedding, other.padded_embedding, atol=1e-4)
        scores = {h.text: h.score or 0.0 for h in other.hypotheses}
        spoken = {
            as_spoken(text, "en") for text in scores
        }  # which of those written alike is best hangs on rounding
        for hypothesis in mine.hypotheses[: mine.distinct]:
            shared += as_spoken(hypothesis.text, "en") in spoken
            if hypothesis.text in scores:
                # timestamps are suppressed in both; CTranslate2 rescales for them
                assert hypothesis.score == pytest.approx(scores[hypothesis.text], abs=0.05)
    same_first = sum(a.hypotheses[0].text == b.hypotheses[0].text for a, b in zip(ours, theirs, strict=True))
    assert same_first == len(AUDIOS)
    assert shared >= 4 * len(AUDIOS)  # most of the best five are among the best twenty of the other


def test_embeddings_without_a_search_are_those_of_one(recognizer: FasterWhisperRecognizer) -> None:
    assert recognizer.pads
    found = recognizer.recognize(AUDIOS, n=1, beams=2)
    for one, other in zip(recognizer.embed(AUDIOS), found, strict=True):
        np.testing.assert_array_equal(one.real, other.embedding)
        np.testing.assert_array_equal(one.padded, other.padded_embedding)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="audio 0 contains NaN"):
        recognizer.embed([np.full(9, np.nan, np.float32)])


def test_a_list_is_as_long_as_what_there_is_to_find(tmp_path: Path) -> None:
    """Nothing is repeated or made up, and what must not be written never appears."""
    few = build_tiny_whisper(tmp_path / "few", kind="multilingual", allowed=["a"], positions=7)
    in_openai_order(few)
    (result,) = FasterWhisperRecognizer(few, device="cpu").recognize([AUDIOS[0]], n=8)
    assert [h.text for h in result.hypotheses] == ["a", "aaa", "aa"]
    assert result.distinct == 3


def test_the_conversion_is_kept(checkpoint: Path, cache: Path, recognizer: FasterWhisperRecognizer) -> None:
    converted = {path: path.stat().st_mtime_ns for path in (cache / "ctranslate2").glob("*/model.bin")}
    again = load_recognizer("faster-whisper", checkpoint, device="cpu")
    assert again.embedding_size == recognizer.embedding_size == 32
    assert {
        path: path.stat().st_mtime_ns for path in (cache / "ctranslate2").glob("*/model.bin")
    } == converted
    os.utime(checkpoint / "model.safetensors")  # as after training on
    FasterWhisperRecognizer(checkpoint, device="cpu")
    assert len(list((cache / "ctranslate2").glob("*/model.bin"))) == len(converted) + 1


def test_what_cannot_be_run_is_refused(checkpoint: Path, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of the kind 'llama'; faster-whisper takes 'whisper' only"):
        FasterWhisperRecognizer(tiny_base)
    with pytest.raises(InputError, match=r"has no <\|notimestamps\|> token after all text tokens"):
        FasterWhisperRecognizer(build_tiny_whisper(tmp_path / "scratch"))
    with pytest.raises(InputError, match="CTranslate2 cannot run it"):
        FasterWhisperRecognizer(checkpoint, device="cpu", dtype="float16")
    with pytest.raises(InputError, match="knows no language 'fr'"):
        FasterWhisperRecognizer(checkpoint, language="fr")
    with pytest.raises(InputError, match="max_new_tokens is 99"):
        FasterWhisperRecognizer(checkpoint, max_new_tokens=99)

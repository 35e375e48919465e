"""Whisper's N-best lists, against searches and scores made by plain forward passes."""

from __future__ import annotations

import itertools
import json
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.recognition.recognizers.same_recognition import same
from tests.tiny_whisper import END, NO_TIMESTAMPS, START, babble
from transformers import (
    AutoTokenizer,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from robustger.audio import read_audio
from robustger.errors import InputError, MissingModelError
from robustger.evaluation import wer
from robustger.models import resolve_model
from robustger.recognition import load_recognizer
from robustger.recognition.recognizer import HearsFeatures
from robustger.recognition.recognizers.whisper import WhisperRecognizer

TeacherForced = Callable[[Path, np.ndarray, Sequence[int]], torch.Tensor]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPELLING = 256 + 2  # bytes and the two special tokens: every text has one spelling, and so one score


@pytest.mark.parametrize("length_penalty", [1.0, 0.0])
@pytest.mark.parametrize(
    ("kind", "language"), [("scratch", None), ("english", "en"), ("multilingual", "german")]
)
def test_scores_are_those_of_an_independent_rescoring(
    make_whisper: Callable[..., Path],
    teacher_forced: TeacherForced,
    audios: list[np.ndarray],
    kind: str,
    language: str | None,
    length_penalty: float,
) -> None:
    vocabulary_size = SPELLING if kind == "scratch" else SPELLING + 8
    folder = make_whisper(kind=kind, allowed=LETTERS, vocabulary=vocabulary_size, end_bias=8.0)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab()
    prompt = {
        "scratch": [START],
        "english": [START, NO_TIMESTAMPS],
        "multilingual": [START, "<|de|>", "<|transcribe|>", NO_TIMESTAMPS],
    }[kind]
    recognizer = load_recognizer("whisper", folder, language=language, length_penalty=length_penalty)
    ended = 0
    for samples, recognition in zip(audios, recognizer.recognize(audios, n=5, beams=8), strict=True):
        assert recognition.distinct == len({h.text for h in recognition.hypotheses}) == 5
        ranks = []
        for hypothesis in recognition.hypotheses:
            text = tokenizer(hypothesis.text, add_special_tokens=False)["input_ids"]
            start = [vocabulary[token] for token in prompt]
            if len(start) + len(text) < 32:  # else the decoder's last position is taken and no end is written
                text.append(vocabulary[END])
                ended += 1
            chosen = teacher_forced(folder, samples, [*start, *text])[len(start) - 1 : -1]
            expected = chosen[range(len(text)), text].sum().item()
            assert hypothesis.score == pytest.approx(expected, abs=1e-4)
            ranks.append(expected / len(text) ** length_penalty)
        assert ranks == sorted(ranks, reverse=True)
    assert ended > 25


def test_a_wide_search_finds_what_trying_everything_finds(
    make_whisper: Callable[..., Path], teacher_forced: TeacherForced
) -> None:
    folder = make_whisper(allowed="ab", vocabulary=SPELLING, end_bias=3.0)
    samples = babble(1.2, 7)
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    scored: dict[str, float] = {}
    for length in range(1, 5):
        for letters in itertools.product("ab", repeat=length):
            ids = [vocabulary[letter] for letter in letters] + [vocabulary[END]] * (length < 4)
            chosen = teacher_forced(folder, samples, [vocabulary[START], *ids])[:-1]
            scored["".join(letters)] = (chosen[range(len(ids)), ids].sum() / len(ids)).item()
    best = sorted(scored, key=lambda text: -scored[text])
    recognizer = WhisperRecognizer(folder, max_new_tokens=4)
    found = recognizer.recognize([samples], n=8, beams=32)[0]
    assert [hypothesis.text for hypothesis in found.hypotheses] == best[:8]


def transformers_texts(folder: Path, audios: list[np.ndarray], beams: int) -> list[str]:
    """What transformers' own search finds first."""
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    features = WhisperFeatureExtractor.from_pretrained(folder)(
        audios, sampling_rate=16_000, return_tensors="pt"
    )["input_features"]
    ids = model.generate(features, num_beams=beams, no_repeat_ngram_size=0, max_new_tokens=31)
    return [" ".join(text.split()) for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def test_the_first_is_what_transformers_finds(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    expected = transformers_texts(tiny_whisper, audios, beams=6)
    found = WhisperRecognizer(tiny_whisper).recognize(audios, beams=6)
    assert [recognition.hypotheses[0].text for recognition in found] == expected
    assert len(set(expected)) > 4  # the model listens


def test_one_beam_is_the_greedy_search(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    expected = transformers_texts(tiny_whisper, audios, beams=1)
    recognizer = WhisperRecognizer(tiny_whisper)
    found = recognizer.recognize(audios, n=1, beams=1)
    assert [recognition.hypotheses[0].text for recognition in found] == expected
    wide = {
        h.text: h.score or 0.0 for r in recognizer.recognize(audios, n=20, beams=50) for h in r.hypotheses
    }
    behind = [
        wide[text] - (r.hypotheses[0].score or 0.0)
        for text, r in zip(expected, found, strict=True)
        if text in wide
    ]
    assert min(behind) >= -1e-4  # a wide search may spell the same text better
    assert sum(abs(difference) < 1e-4 for difference in behind) >= 2


def test_asking_for_more_changes_nothing_before(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    for one, five in zip(
        recognizer.recognize(audios, n=1, beams=10), recognizer.recognize(audios, n=5, beams=10), strict=True
    ):
        assert one.hypotheses == five.hypotheses[:1]


def test_fifty_beams(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    for recognition in WhisperRecognizer(tiny_whisper).recognize(audios[:2], n=20, beams=50):
        assert recognition.distinct == len({h.text for h in recognition.hypotheses}) == 20
        assert all(h.score is not None and -1e3 < h.score < 0 for h in recognition.hypotheses)


def test_a_batch_is_one_at_a_time(
    make_whisper: Callable[..., Path], tiny_whisper: Path, audios: list[np.ndarray]
) -> None:
    audios = audios[:4]
    short = make_whisper(
        allowed="abcd.,-;?!", vocabulary=SPELLING, end_bias=4.0, seed=1
    )  # most lists are short of five, and searched for again
    for folder in (tiny_whisper, short):
        recognizer = WhisperRecognizer(folder)
        together = recognizer.recognize(audios)
        narrow = WhisperRecognizer(folder, memory_gb=1e-9).recognize(audios)
        backwards = recognizer.recognize(audios[::-1])[::-1]
        for k, samples in enumerate(audios):
            same(together[k], recognizer.recognize([samples])[0])
            same(together[k], narrow[k])
            same(together[k], backwards[k])


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_memory_budget_fixes_the_passes(tiny_whisper: Path, audios: list[np.ndarray], device: str) -> None:
    """Bytes hang on how many recordings share a pass, and what is free on a GPU must not decide that."""

    def passes(recognizer: WhisperRecognizer) -> list[int]:
        sizes: list[int] = []
        hook = recognizer._model.model.encoder.register_forward_hook(
            lambda module, arguments, output: sizes.append(len(output.last_hidden_state))
        )
        recognizer.recognize(audios, n=1, beams=2)
        hook.remove()
        return sizes

    recognizer = WhisperRecognizer(tiny_whisper, device=device, memory_gb=3.5e-4)
    before = passes(recognizer)
    taken = torch.empty(2**30 if device == "cuda" else 0, dtype=torch.uint8, device=device)
    assert passes(recognizer) == before
    del taken
    assert 1 < len(before) < len(audios) == sum(before)


def test_nothing_in_nothing_out(tiny_whisper: Path) -> None:
    assert WhisperRecognizer(tiny_whisper).recognize([]) == []


def test_embeddings_are_means_over_real_frames_and_over_all(
    tiny_whisper: Path, audios: list[np.ndarray]
) -> None:
    model: Any = WhisperForConditionalGeneration.from_pretrained(tiny_whisper).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(tiny_whisper)
    recognizer = WhisperRecognizer(tiny_whisper)
    one_frame = 2 * 320  # samples
    lengths = (1, one_frame, one_frame + 1, 10 * one_frame, 32_000)
    cut = [babble(2.0, 5)[:length] for length in lengths]
    assert recognizer.embedding_size == 32
    for samples, frames, recognition in zip(
        cut, (1, 1, 2, 10, 50), recognizer.recognize(cut, n=1), strict=True
    ):
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
        with torch.no_grad():
            states = model.model.encoder(features).last_hidden_state[0].numpy()
        assert recognition.embedding.dtype == np.float32
        np.testing.assert_allclose(recognition.embedding, states[:frames].mean(0), atol=1e-5)
        assert recognition.padded_embedding is not None
        np.testing.assert_allclose(recognition.padded_embedding, states.mean(0), atol=1e-5)


def test_embeddings_without_a_search_are_those_of_one(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    found = recognizer.recognize(audios, n=1, beams=2)
    for narrow in (recognizer, WhisperRecognizer(tiny_whisper, memory_gb=1e-9)):
        for one, other in zip(narrow.embed(audios), found, strict=True):
            assert other.padded_embedding is not None
            assert one.padded is not None
            # Batches of other sizes are summed in another order.
            np.testing.assert_allclose(one.real, other.embedding, atol=1e-5)
            np.testing.assert_allclose(one.padded, other.padded_embedding, atol=1e-5)
    assert recognizer.pads
    assert recognizer.embed([]) == []
    with pytest.raises(InputError, match="audio 1 lasts"):
        recognizer.embed([audios[0], babble(2.1, 1)])


def test_features_made_elsewhere_count_as_their_audio(tiny_whisper: Path, audios: list[np.ndarray]) -> None:
    recognizer = WhisperRecognizer(tiny_whisper)
    assert isinstance(recognizer, HearsFeatures)
    features_of = pickle.loads(pickle.dumps(recognizer.features_of))  # as another process gets it
    heard = [features_of(audio) if k % 2 else audio for k, audio in enumerate(audios)]
    assert [one.size for one in heard] == [audio.size for audio in audios]
    for one, other in zip(recognizer.recognize(heard), recognizer.recognize(audios), strict=True):
        assert one.hypotheses == other.hypotheses
        np.testing.assert_array_equal(one.embedding, other.embedding)
    for one, other in zip(recognizer.embed(heard), recognizer.embed(audios), strict=True):
        np.testing.assert_array_equal(one.real, other.real)
    with pytest.raises(InputError, match="audio 0 lasts"):
        features_of(babble(2.1, 1))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_gpu_agrees_with_the_cpu(tiny_whisper: Path, audios: list[np.ndarray], dtype: Any) -> None:
    on_cpu = WhisperRecognizer(tiny_whisper, device="cpu").recognize(audios)
    on_gpu = WhisperRecognizer(tiny_whisper, device="cuda", dtype=dtype).recognize(audios)
    for one, other in zip(on_cpu, on_gpu, strict=True):
        if dtype == "float32":
            same(one, other)
        else:
            assert other.distinct == 5
            np.testing.assert_allclose(one.embedding, other.embedding, atol=0.1)


@pytest.mark.network
def test_real_weights() -> None:
    data = os.environ.get("ROBUSTGER_DATA")
    if not data:
        pytest.skip("ROBUSTGER_DATA is not set: no speech to hear")
    try:
        recognizer = load_recognizer("whisper", "openai/whisper-tiny.en", device="cpu")
    except MissingModelError as error:
        pytest.skip(str(error))
    lines = (Path(data) / "audio" / "noisy_librispeech.jsonl").read_text().splitlines()[:4]
    rows = [json.loads(line) for line in lines]
    heard = [read_audio(Path(data) / "audio" / row["audio"]) for row in rows]
    found = recognizer.recognize(heard, n=5, beams=5)
    assert recognizer.window_seconds == 30
    assert recognizer.embedding_size == 384
    best = [one.hypotheses[0].text for one in found]
    assert wer([row["text"] for row in rows], best, normalizer="number").rate < 0.5
    folder = resolve_model("openai/whisper-tiny.en")
    model: Any = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    for samples, one in zip(heard, found, strict=True):
        assert one.distinct >= 3
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
        ids = model.generate(features, num_beams=5)
        text = tokenizer.batch_decode(ids, skip_special_tokens=True)[0]
        assert one.hypotheses[0].text == " ".join(text.split())

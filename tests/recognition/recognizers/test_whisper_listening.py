"""Holding texts against audio: scores against plain forward passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.recognition.recognizers.real_speech import ENGINES, embedded, recordings
from tests.tiny_whisper import babble

from robustger.audio import read_audio
from robustger.errors import InputError
from robustger.recognition.recognizers.whisper_listening import first_columns

TEXTS = ["the night train", "show me the door", "", "on", "the night train to lisbon"]


@pytest.fixture(scope="module")
def forced(multilingual: Path, teacher_forced: Callable[..., Any]) -> Callable[..., Any]:
    """Log-probabilities of a text's tokens and the end by a plain forward pass: (T + 1, V), and the T + 1 tokens."""
    tokenizer = json.loads((multilingual / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]

    def run(audio: np.ndarray, text: str, language: str) -> tuple[torch.Tensor, torch.Tensor]:
        from transformers import AutoTokenizer

        ids = AutoTokenizer.from_pretrained(multilingual)(f" {text}", add_special_tokens=False)["input_ids"]
        ids = ids if text else []
        special = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
        prompt = [vocabulary[token] for token in special]
        log_probs = teacher_forced(multilingual, audio, [*prompt, *ids])[len(prompt) - 1 :]
        return log_probs, torch.tensor([*ids, vocabulary["<|endoftext|>"]])

    return run


@pytest.mark.parametrize("language", ["en", "de"])
def test_whisper_scores_as_a_plain_forward_pass(
    listener: Callable[..., Any], forced: Callable[..., Any], language: str
) -> None:
    for seed in range(3):
        audio = babble(1.0, seed)
        found = listener("whisper").score(audio, TEXTS, language=language)
        for text, score in zip(TEXTS, found, strict=True):
            log_probs, ids = forced(audio, text, language)
            assert score == pytest.approx(log_probs.gather(1, ids[:, None]).sum().item(), abs=1e-4)


@pytest.mark.parametrize("language", ["en", "de"])
def test_faster_whisper_scores_over_what_may_be_written(
    multilingual: Path, listener: Callable[..., Any], forced: Callable[..., Any], language: str
) -> None:
    settings = json.loads((multilingual / "generation_config.json").read_text(encoding="utf-8"))
    recognizer = listener("faster-whisper")
    for seed in range(3):
        audio = babble(1.0, seed)
        found = recognizer.score(audio, TEXTS, language=language)
        for text, score in zip(TEXTS, found, strict=True):
            log_probs, ids = forced(audio, text, language)
            chosen = log_probs.gather(1, ids[:, None])[:, 0]
            log_probs[:, [*settings["suppress_tokens"], *recognizer._suppressed]] = -np.inf
            log_probs[0, settings["begin_suppress_tokens"]] = -np.inf
            log_probs.scatter_(1, ids[:, None], chosen[:, None])
            assert score == pytest.approx((chosen - log_probs.logsumexp(1)).sum().item(), abs=1e-3)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_score_does_not_depend_on_the_texts_beside_it(listener: Callable[..., Any], kind: str) -> None:
    recognizer, audio = listener(kind), babble(1.3, 5)
    together = recognizer.score(audio, TEXTS * 5)
    assert together[: len(TEXTS)] == pytest.approx(together[-len(TEXTS) :], abs=1e-4)
    assert together[: len(TEXTS)] == pytest.approx(
        [recognizer.score(audio, [text])[0] for text in TEXTS], abs=1e-4
    )
    assert recognizer.score(audio, []) == []
    with pytest.raises(InputError, match="a list of texts is needed, not the text 'hello' itself"):
        recognizer.score(audio, "hello")


def test_hypotheses_have_the_scores_of_their_texts(lab: Any) -> None:
    demo = resources.files("robustger.presets") / "lab" / "demo"
    checked = 0
    for name in ("white_10dB.flac", "car_0dB.flac"):
        audio = read_audio(str(demo / name))
        (found,) = lab.recognize([audio])
        scores = lab.score(audio, [h.text for h in found.hypotheses])
        for hypothesis, score in zip(found.hypotheses, scores, strict=True):
            # The search may have found another spelling, which has its own score.
            checked += hypothesis.score == pytest.approx(score, abs=1e-3)
    assert checked >= 9


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.01), ("int8", 1.5)])
def test_real_hypotheses_have_the_scores_of_their_texts(dtype: str, tolerance: float) -> None:
    """In int8 each of the fifty or so tokens is rounded otherwise in a search and in a pass over a given text."""
    (audio,) = recordings(1)
    recognizer = embedded("faster-whisper", dtype)
    (found,) = recognizer.recognize([audio], beams=5)
    scores = recognizer.score(audio, [h.text for h in found.hypotheses])
    assert scores == pytest.approx([h.score for h in found.hypotheses], abs=tolerance)


@pytest.mark.slow
def test_both_engines_score_real_speech_alike() -> None:
    """The same numbers, once CTranslate2's are taken over all tokens, too; else they differ by much the same."""
    (audio,) = recordings(1)
    by_transformers, by_ctranslate2 = embedded("whisper"), embedded("faster-whisper")
    (found,) = by_transformers.recognize([audio], beams=5)
    texts = [*(h.text for h in found.hypotheses), "Something else was said."]
    ours, theirs = by_transformers.score(audio, texts), by_ctranslate2.score(audio, texts)
    differences = np.subtract(theirs, ours)
    assert (differences > 0).all()
    assert (differences < 1).all()
    assert np.ptp(differences[:-1]) < 0.1
    by_ctranslate2._suppressed, by_ctranslate2._suppressed_at_first = [], []
    assert by_ctranslate2.score(audio, texts) == pytest.approx(ours, abs=0.01)
    assert ours[-1] < min(ours[:-1]) - 20


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10_000))
def test_the_cheapest_way_through_a_matrix(rows: int, columns: int, seed: int) -> None:
    costs = np.random.default_rng(seed).standard_normal((rows, columns))

    def cheapest(row: int, column: int) -> tuple[float, list[int]]:
        """By trying all ways to a cell: its cost, and the columns at which rows are entered."""
        if (row, column) == (0, 0):
            return costs[0, 0], [0]
        ways = []
        if column:
            ways.append(cheapest(row, column - 1))
        for back in (0, 1):
            if row and column >= back:
                cost, entered = cheapest(row - 1, column - back)
                ways.append((cost, [*entered, column]))
        cost, entered = min(ways)
        return cost + costs[row, column], entered

    assert first_columns(costs) == cheapest(rows - 1, columns - 1)[1]


@pytest.mark.parametrize("kind", ENGINES)
def test_what_cannot_be_held_against_audio_is_refused(listener: Callable[..., Any], kind: str) -> None:
    recognizer = listener(kind)
    long = "the night train to lisbon leaves " * 9
    for request in (
        lambda: recognizer.align(babble(1.0, 1), long),
        lambda: recognizer.score(babble(1.0, 1), ["on", long]),
    ):
        with pytest.raises(
            InputError, match=r"the text beginning with 'the night train to lisbon' has \d+ tokens and"
        ):
            request()
    with pytest.raises(InputError, match="audio 0 lasts"):
        recognizer.align(babble(2.1, 1), "on")
    with pytest.raises(InputError, match="knows no language 'fr'; choose among: de, en"):
        recognizer.score(babble(1.0, 1), ["on"], language="fr")


@pytest.mark.parametrize("kind", ENGINES)
def test_the_search_is_as_wide_as_it_is_asked_to_be(listener: Callable[..., Any], kind: str) -> None:
    """One search of that width, of which repeats are left out; "paper" is one of 50 beams."""
    from robustger.recognition.search.strategy import distinct

    audio = babble(1.2, 4)
    recognizer = listener(kind)
    for beams, asked in ((6, {"beams": 6}), (50, {"beams": 50}), (50, {"search": "paper"})):
        options = {"search": asked.pop("search")} if "search" in asked else {}
        (found,) = listener(kind, **options).recognize([audio], n=6, **asked)
        with torch.inference_mode():
            states = recognizer._encode([audio])
            if kind == "whisper":
                (all_of_it,) = recognizer._found(states, ["en"], beams, beams)
            else:
                (all_of_it,) = recognizer._found(states, [recognizer._prompts.ids("en")], beams, beams)
        assert len(all_of_it) <= beams
        expected = distinct([one.hypothesis for one in all_of_it], 6, "en")
        assert [h.text for h in found.hypotheses] == [h.text for h in expected]
        assert found.distinct == len(found.hypotheses)

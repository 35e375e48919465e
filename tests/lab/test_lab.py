"""The laboratory's world: its splits are disjoint, it is the same every time, and the recognizer hears it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from lab import (
    demo_clips,
    noises,
    recognizer_batches,
    sentences,
    simulated_lists,
    speech,
    train_language_model,
)
from robustger.audio import read_audio
from robustger.manifest import load_manifest
from robustger.pipeline.presets import demo_manifest


def test_no_sentence_is_on_two_sides() -> None:
    drawn = {split: set(sentences.sentences(split, 400, seed=1)) for split in sentences.SPLITS}
    assert all(len(texts) == 400 for texts in drawn.values())
    for split, texts in drawn.items():
        assert {sentences.split_of(text) for text in texts} == {split}
    assert drawn["test"] == set(sentences.sentences("test", 400, seed=1))
    assert drawn["test"] != set(sentences.sentences("test", 400, seed=2))


def test_the_grammar_leaves_no_slot_open() -> None:
    known = set(sentences.grammar().words())
    for sentence in sentences.sentences("recognizer", 3000, seed=5):
        assert set(sentence.split()) <= known
    assert all(word.replace("'", "").isalpha() and word == word.lower() for word in known)


def test_the_strings_of_words_use_the_grammars_words() -> None:
    known = set(sentences.grammar().words())
    strings = sentences.word_strings(200, seed=0)
    assert {word for string in strings for word in string.split()} <= known


def test_no_voice_is_heard_in_two_splits() -> None:
    voices = [set(timbres) for timbres in speech.VOICES.values()]
    assert sum(map(len, voices)) == len(set.union(*voices))


def test_a_voice_speaks_alike_every_time_and_unlike_the_others() -> None:
    # Alike, not equal: espeak-ng's own phases vary from call to call.
    text = "the night train from oslo arrives at noon"
    voices = [speech.draw_voice("test", random.Random(seed)) for seed in range(4)]
    first = [speech.say(text, voice) for voice in voices]
    again = [speech.say(text, voice) for voice in voices]
    for one, other in zip(first, again, strict=True):
        assert one.dtype == np.float32
        assert 1.0 < len(one) / speech.SAMPLE_RATE < 5.0
        assert len(other) == pytest.approx(len(one), rel=0.01)
    lengths = [len(one) for one in first]
    assert len(set(lengths)) == 4


def test_a_clip_of_the_demo_is_made_again() -> None:
    manifest = demo_manifest("whisper")
    assert manifest is not None
    rows = load_manifest(manifest)
    said = [(clip.text, clip.noise, clip.snr_db) for clip in demo_clips.CLIPS]
    assert [(row.text, row.noise, row.snr_db) for row in rows] == said
    again = demo_clips.make(demo_clips.CLIPS[0])
    # Not to the last bit: other processors round in another way.
    np.testing.assert_allclose(again, read_audio(rows[0].audio), atol=4 / 32_768)


def test_every_kind_of_noise_is_whole_and_the_same_every_time() -> None:
    speech = [np.random.default_rng(seed).standard_normal(12_000) for seed in range(20)]
    for kind in (*noises.KINDS, *noises.SPEECH_KINDS):
        noise = noises.make_noise(kind, 2.0, seed=3, speech=speech)
        assert noise.shape == (32_000,)
        assert np.isfinite(noise).all()
        assert np.abs(noise).max() == pytest.approx(0.5)
        halves = noise.reshape(4, -1).std(axis=1)
        assert halves.min() > 0.02 * halves.max(), f"{kind} falls silent"
        assert np.array_equal(noise, noises.make_noise(kind, 2.0, seed=3, speech=speech))
        assert not np.array_equal(noise, noises.make_noise(kind, 2.0, seed=4, speech=speech))


def test_colored_noise_has_its_color() -> None:
    for kind, slope_db_per_octave in (("white", 0.0), ("pink", -3.0), ("brown", -6.0)):
        noise = noises.make_noise(kind, 20.0, seed=0)
        power = np.abs(np.fft.rfft(noise)) ** 2
        octaves = [power[int(20 * low) : int(20 * 2 * low)].mean() for low in (250, 500, 1000, 2000)]
        slopes = np.diff(10 * np.log10(octaves))
        assert slopes == pytest.approx([slope_db_per_octave] * 3, abs=0.5)


def test_training_hears_what_the_feature_extractor_gives() -> None:
    from transformers import WhisperFeatureExtractor

    batches = recognizer_batches
    extractor = WhisperFeatureExtractor(
        feature_size=batches.MELS,
        sampling_rate=batches.SAMPLE_RATE,
        hop_length=batches.HOP,
        chunk_length=batches.WINDOW_SECONDS,
        n_fft=batches.WINDOW,
    )
    samples = np.zeros((2, batches.FULL), np.float32)
    samples[0, :40_000] = 0.1 * np.random.default_rng(0).standard_normal(40_000)
    samples[1, :70_000] = noises.make_noise("siren", 70_000 / 16_000, seed=0)
    expected = extractor(
        [samples[0, :40_000], samples[1, :70_000]], sampling_rate=batches.SAMPLE_RATE, return_tensors="pt"
    ).input_features
    torch.testing.assert_close(batches.LogMel()(torch.from_numpy(samples)), expected, atol=2e-4, rtol=0)


def test_mixtures_in_training_have_their_snr() -> None:
    random_ = np.random.default_rng(0)
    speech, noise = random_.standard_normal((2, 32_000)).astype(np.float32)
    for snr_db in (-5.0, 0.0, 20.0):
        added = recognizer_batches.mixed(speech, 0.3 * noise, snr_db) - speech
        assert 10 * np.log10((speech**2).mean() / (added**2).mean()) == pytest.approx(snr_db, abs=0.1)


def test_simulated_lists_are_distinct_best_first_and_get_worse() -> None:
    random_ = random.Random(0)
    texts = sentences.sentences("recognizer", 300, seed=3)
    lists = [simulated_lists.misheard(text, random_) for text in texts]
    assert all(len(set(texts)) == len(texts) <= simulated_lists.N for texts in lists)
    assert sum(len(texts) == simulated_lists.N for texts in lists) > 0.95 * len(lists)
    right = [
        sum(texts[rank : rank + 1] == [said] for texts, said in zip(lists, texts, strict=True))
        for rank in (0, 4)
    ]
    assert 0.5 * len(texts) > right[0] > 3 * right[1] > 0  # some are heard right, most are not
    assert lists == [simulated_lists.misheard(text, again) for again in [random.Random(0)] for text in texts]


def test_words_are_misheard_for_words_that_sound_alike() -> None:
    near = {word: others[:8] for word, (others, _) in simulated_lists.sounds_like().items()}
    for word, other in (("there", "their"), ("flour", "flower"), ("meet", "meat"), ("our", "hour")):
        assert (near[word][0], near[other][0]) == (other, word)


def test_the_language_model_s_tokens(tmp_path: Path) -> None:
    """Every word of the grammar is one token, with or without a space; any other text comes back whole."""
    from transformers import AutoTokenizer

    train_language_model.make_tokenizer(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for word in sentences.grammar().words():
        if word.isalpha():  # an apostrophe always stands alone
            assert len(tokenizer(word).input_ids) == len(tokenizer(f" {word}").input_ids) == 1
    for text in ("zzyzx, don't o'clock", "Hypotheses:\nwhat is\nTranscription:\n", "naïve 漢字"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_the_language_model_learns_from_answers_and_prompts(tmp_path: Path) -> None:
    training = train_language_model
    tokenizer = training.make_tokenizer(tmp_path)
    texts = sentences.sentences("recognizer", 40, seed=4)
    tokens, prompts = next(training.examples(tokenizer, texts, 8, seed=0))
    for row, prompt in zip(tokens.tolist(), prompts.tolist(), strict=True):
        asked, answer = tokenizer.decode(row[:prompt]), [token for token in row[prompt:] if token >= 0]
        assert asked.startswith("Hypotheses:\n")
        assert asked.endswith("\nTranscription:\n")
        assert tokenizer.decode(answer[:-1]) in texts
        assert answer[-1] == tokenizer.eos_token_id
    torch.manual_seed(0)
    model = training.new_model(tokenizer, 128, 2)
    asked, answered = training.losses(model, tokens, prompts)
    logits = model(input_ids=tokens[:1, :-1].clamp(min=0)).logits.log_softmax(-1)
    by_hand = -logits[0, torch.arange(tokens.shape[1] - 1), tokens[0, 1:].clamp(min=0)]
    only = training.losses(model, tokens[:1], prompts[:1])
    real = tokens[0, 1:] >= 0
    assert only[0].item() == pytest.approx(by_hand[: prompts[0] - 1].mean().item(), rel=1e-4)
    assert only[1].item() == pytest.approx(
        by_hand[prompts[0] - 1 :][real[prompts[0] - 1 :]].mean().item(), rel=1e-4
    )
    assert torch.stack([asked, answered]).isfinite().all()

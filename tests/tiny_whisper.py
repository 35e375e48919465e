"""Builds a tiny random Whisper in a folder like a real checkpoint; tests load it as users load theirs."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np

SENTENCES = (
    "what is the fare from boston to denver on sunday",
    "show me the first flight that leaves before nine in the morning",
    "the night train to lisbon leaves from platform four at a quarter past nine",
    "please turn off the light in the kitchen and close the door",
)
END, START = "<|endoftext|>", "<|startoftranscript|>"
LANGUAGES = ("<|en|>", "<|de|>")
TASKS = ("<|transcribe|>", "<|translate|>")
NO_TIMESTAMPS = "<|notimestamps|>"


def build_tiny_whisper(
    folder: Path,
    *,
    kind: Literal["scratch", "english", "multilingual"] = "scratch",
    allowed: Collection[str] | None = None,
    seconds: int = 2,
    hop_length: int = 320,
    vocabulary: int = 360,
    positions: int = 32,
    width: int = 32,
    layers: int = 2,
    std: float = 0.25,
    end_bias: float = 5.0,
    seed: int = 0,
) -> Path:
    """Writes config, weights, tokenizer, feature extractor and generation settings; returns `folder`.

    What it writes is noise, but depends on all it hears, and ends after a few words as often as not.

    Args:
        folder: made if absent.
        kind: "scratch" has no language, task or timestamp tokens, as a small checkpoint of one's own; the tokenizers
            of the others have all of them, as OpenAI's English-only checkpoints do, too.
        allowed: the only tokens that are not suppressed; None: all that are spelled with small letters and spaces.
        seconds: the window.
        hop_length: samples from one mel frame to the next.
        vocabulary: tokens; with the 256 bytes and the special ones alone, it spells.
        positions: of the decoder, prompt included.
        width: of encoder and decoder.
        layers: of encoder and of decoder.
        std: of the random weights between the embeddings and the output; the wider, the smaller it should be.
        end_bias: added to the end token's logit; the lower, the longer the texts.
        seed: of the weights.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    special = [END, START]
    if kind != "scratch":
        special += [*LANGUAGES, *TASKS, NO_TIMESTAMPS, "<|0.00|>", "<|0.02|>", "<|0.04|>"]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bpe.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    bpe.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=special,
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=special[1:],
    )
    tokenizer.save_pretrained(folder)
    ids = tokenizer.get_vocab()
    mel_bins, samples = 24, seconds * 16_000
    WhisperFeatureExtractor(
        feature_size=mel_bins, hop_length=hop_length, chunk_length=seconds, n_fft=400
    ).save_pretrained(folder)
    whisper: Any = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            num_mel_bins=mel_bins,
            d_model=width,
            encoder_layers=layers,
            decoder_layers=layers,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=2 * width,
            decoder_ffn_dim=2 * width,
            max_source_positions=samples // hop_length // 2,
            max_target_positions=positions,
            decoder_start_token_id=ids[START],
            bos_token_id=ids[START],
            eos_token_id=ids[END],
            pad_token_id=ids[END],
            tie_word_embeddings=False,  # tied random weights repeat what they last wrote
        )
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in whisper.named_parameters():
            if "layer_norm" not in name and "encoder.embed_positions" not in name:
                weight.normal_(
                    std=1.0 if name.startswith(("model.decoder.embed", "proj")) else std,
                    generator=generator,
                )
        # The last norm's first channel is always 1 and reaches only the end's logit: it says how often texts end.
        decoder = whisper.model.decoder
        decoder.layer_norm.weight[0], decoder.layer_norm.bias[0] = 0.0, 1.0
        whisper.proj_out.weight[:, 0] = 0.0
        whisper.proj_out.weight[ids[END], 0] = end_bias
    letters = set("abcdefghijklmnopqrstuvwxyzĠ")
    good = {token for token in ids if set(token) <= letters} if allowed is None else set(allowed)
    settings: dict[str, Any] = {
        "decoder_start_token_id": ids[START],
        "bos_token_id": ids[START],
        "eos_token_id": ids[END],
        "pad_token_id": ids[END],
        "suppress_tokens": sorted(i for token, i in ids.items() if token not in good and token != END),
        "begin_suppress_tokens": [ids[END]],
        "no_repeat_ngram_size": 2,  # as some published checkpoints come; must not bend the scores
    }
    if kind != "scratch":
        settings |= {"is_multilingual": kind == "multilingual", "no_timestamps_token_id": ids[NO_TIMESTAMPS]}
    if kind == "multilingual":
        settings |= {
            "lang_to_id": {token: ids[token] for token in LANGUAGES},
            "task_to_id": {token.strip("<|>"): ids[token] for token in TASKS},
        }
    whisper.generation_config = GenerationConfig(**settings)
    whisper.save_pretrained(folder)
    return folder


def in_openai_order(folder: Path) -> None:
    """Moves the special tokens behind the text, where OpenAI's checkpoints have them and CTranslate2 expects them."""
    import torch
    from transformers import WhisperForConditionalGeneration

    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    old: dict[str, int] = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    order = sorted(old, key=lambda token: (token in special, old[token]))
    new = {token: position for position, token in enumerate(order)}
    moved = {old[token]: new[token] for token in order}
    tokenizer["model"]["vocab"] = new
    for token in tokenizer["added_tokens"]:
        token["id"] = new[token["content"]]
    path.write_text(json.dumps(tokenizer), encoding="utf-8")

    model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    rows = [old[token] for token in order]
    with torch.no_grad():
        for weight in {model.model.decoder.embed_tokens.weight, model.proj_out.weight}:
            weight.copy_(weight[rows].clone())
    model.save_pretrained(folder)

    def renumbered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renumbered(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return sorted(moved[inner] for inner in value if inner in moved)
        return moved.get(value, value)

    for name in ("config.json", "generation_config.json"):
        path = folder / name
        settings = json.loads(path.read_text(encoding="utf-8"))
        for key, value in settings.items():
            if key.endswith(("token_id", "suppress_tokens", "to_id")) and value is not None:
                settings[key] = renumbered(value)
        path.write_text(json.dumps(settings), encoding="utf-8")


def babble(seconds: float, seed: int) -> np.ndarray:
    """Tones that come and go in noise: 16 kHz, float32; every seed sounds different to the model."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16_000)) / 16_000
    tones = sum(
        np.sin(2 * np.pi * (frequency * time + np.sin(2 * np.pi * draw.uniform(0.5, 4) * time)))
        for frequency in draw.uniform(100, 4_000, 5)
    )
    return (0.05 * tones + 0.02 * draw.standard_normal(time.size)).astype(np.float32)

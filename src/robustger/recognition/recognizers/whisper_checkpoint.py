"""Loads a Whisper checkpoint and reads the settings of its search from the checkpoint's own files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from transformers import (
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from robustger.audio import SAMPLE_RATE
from robustger.errors import InputError
from robustger.models.ctranslate2_folder import is_ctranslate2_folder
from robustger.models.loading import load_pretrained
from robustger.recognition.recognizers.whisper_decoder import SHARED

_TIMESTAMP = re.compile(r"<\|\d+\.\d\d\|>")


def load_checkpoint(
    folder: Path, dtype: str, device: torch.device
) -> tuple[WhisperForConditionalGeneration, Any, WhisperFeatureExtractor]:
    """Loads model, tokenizer and feature extractor; the `dtype` "auto" is the checkpoint's own.

    Raises:
        InputError: it is another kind of model or another format, or files are missing or broken.
    """
    if is_ctranslate2_folder(folder):
        raise InputError(
            f"{folder}: in the format of CTranslate2; run it with --recognizer faster-whisper, or name the same "
            "model in the format of transformers"
        )
    from huggingface_hub.errors import StrictDataclassError

    try:
        kind = load_pretrained("AutoConfig", folder).model_type
        if kind != "whisper":
            raise InputError(
                f"{folder}: a model of the kind {kind!r}; the recognizer 'whisper' takes 'whisper' only"
            )
        model = load_pretrained("WhisperForConditionalGeneration", folder, dtype=dtype)
        tokenizer = load_pretrained("AutoTokenizer", folder)
        extractor = load_pretrained("WhisperFeatureExtractor", folder)
    except (OSError, ValueError, KeyError, RuntimeError, StrictDataclassError) as error:
        # as transformers says that a file is missing, is no JSON, is nested too deeply, or does not fit another
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder}: not a complete Whisper checkpoint ({reason}); it needs config.json, safetensors weights, a "
            "tokenizer and preprocessor_config.json"
        ) from None
    model.set_attn_implementation(SHARED)
    model = model.to(device).eval()  # pyright: ignore[reportArgumentType]
    return model, tokenizer, extractor


def frame_stride(model: WhisperForConditionalGeneration) -> int:
    """The number of mel frames in one frame of the encoder: 2 in every Whisper."""
    encoder = model.model.encoder
    return encoder.conv1.stride[0] * encoder.conv2.stride[0]


def window_samples(
    folder: Path, model: WhisperForConditionalGeneration, extractor: WhisperFeatureExtractor
) -> int:
    """The exact number of samples that the encoder takes: 480,000 for OpenAI's checkpoints.

    Raises:
        InputError: the feature extractor and the encoder do not fit together.
    """
    if extractor.sampling_rate != SAMPLE_RATE:
        raise InputError(f"{folder}: made for {extractor.sampling_rate} samples a second; 16,000 are needed")
    if extractor.feature_size != model.config.num_mel_bins:
        raise InputError(
            f"{folder}: preprocessor_config.json makes {extractor.feature_size} mel bins and config.json takes "
            f"{model.config.num_mel_bins}; correct one of them"
        )
    samples = round(extractor.chunk_length * SAMPLE_RATE)
    frames = model.config.max_source_positions * frame_stride(model)
    if samples // extractor.hop_length != frames:
        raise InputError(
            f"{folder}: preprocessor_config.json makes {samples // extractor.hop_length} mel frames of "
            f"{extractor.chunk_length:g} s and config.json's max_source_positions takes {frames}; correct one of them"
        )
    return samples


def search_settings(model: WhisperForConditionalGeneration, tokenizer: Any) -> dict[str, Any]:
    """The settings of the checkpoint that a search follows: special tokens, and tokens that are never generated.

    Tokens are never generated if the checkpoint suppresses them, or if they have no text: special tokens except the
    end, timestamps (the prompt asks for none), and ids beyond the tokenizer. All other settings (n-gram blocking,
    forced tokens, sampling) would distort the scores and are ignored.
    """
    given: Any = model.generation_config
    size = model.config.vocab_size
    end = given.eos_token_id if given.eos_token_id is not None else model.config.eos_token_id
    end = end[0] if isinstance(end, list) else end
    suppressed = set(given.suppress_tokens or ()) | set(range(len(tokenizer), size))
    suppressed |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    suppressed |= {i for token, i in tokenizer.get_vocab().items() if _TIMESTAMP.fullmatch(token)}
    at_first = set(given.begin_suppress_tokens or ())
    return {
        "eos_token_id": end,
        "pad_token_id": end,
        "suppress_tokens": sorted(i for i in suppressed - {end} if 0 <= i < size) or None,
        "begin_suppress_tokens": sorted(i for i in at_first if 0 <= i < size) or None,
    }

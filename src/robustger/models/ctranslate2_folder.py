"""Describes a Whisper in CTranslate2's format with the classes of transformers.

Such a folder, as faster-whisper's users have it, holds `model.bin`, `config.json` (token ids, alignment heads),
`tokenizer.json`, `vocabulary.json` or `.txt`, and perhaps `preprocessor_config.json`. Sizes are read from the names and
shapes in `model.bin`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import (
    AddedToken,
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from robustger.errors import InputError
from robustger.models.ctranslate2_file import CTranslate2File, open_ctranslate2_file
from robustger.models.loading import load_pretrained

MODEL, TOKENIZER = "model.bin", "tokenizer.json"
_KIND = "WhisperSpec"
_MULTILINGUAL_VOCABULARY = 51_865  # OpenAI's own rule, and CTranslate2's: fewer tokens are English only
_HEAD_WIDTH = 64  # of every Whisper of OpenAI; files of before 2023 do not give the number of heads
_TIMESTAMP_SECONDS = 0.02
_END, _START, _NO_TIMESTAMPS = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"


@dataclass(frozen=True, slots=True)
class DescribedWhisper:
    """A Whisper in CTranslate2's format, described without reading its weights.

    Attributes:
        file: the names and places of its weights.
        config: sizes.
        generation: token ids that a search needs, and the heads that align texts, where the folder tells them.
        tokenizer: with all special tokens and timestamps.
        extractor: makes its features.
    """

    file: CTranslate2File
    config: WhisperConfig
    generation: GenerationConfig
    tokenizer: WhisperTokenizer
    extractor: WhisperFeatureExtractor


def is_ctranslate2_folder(folder: Path) -> bool:
    """Whether the folder is in CTranslate2's format and not in that of transformers."""
    return (folder / MODEL).is_file() and not any(folder.glob("*.safetensors"))


def describe_ctranslate2(folder: Path) -> DescribedWhisper:
    """Reads everything but the weights.

    Raises:
        InputError: a file is missing or broken, they do not fit together, or the model is no Whisper.
    """
    file = open_ctranslate2_file(folder / MODEL)
    if file.kind != _KIND:
        raise InputError(f"{folder}: a model of the kind {file.kind}, not Whisper ({_KIND})")
    settings = _read_json(folder / "config.json")
    if not isinstance(settings, dict):
        raise InputError(f"{folder / 'config.json'}: not the settings of a model (a mapping is needed)")
    config = _config(folder, file)
    tokenizer = _tokenizer(folder, config.vocab_size)
    generation = _generation(folder, config, tokenizer, settings)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"):
        setattr(config, name, getattr(generation, name))
    return DescribedWhisper(file, config, generation, tokenizer, _extractor(folder, config))


def _config(folder: Path, file: CTranslate2File) -> WhisperConfig:
    def shape(name: str, rank: int) -> tuple[int, ...]:
        found = file.variables.get(name)
        if found is None or len(found.shape) != rank:
            raise InputError(
                f"{folder / MODEL}: has no variable {name!r} of {rank} dimensions; not a Whisper"
            )
        return found.shape

    def heads(half: str, width: int) -> int:
        name = f"{half}/num_heads"
        return int(file.read(name)) if name in file.variables else width // _HEAD_WIDTH

    def layers(half: str) -> int:
        found = {
            int(match[1]) for name in file.variables if (match := re.match(rf"{half}/layer_(\d+)/", name))
        }
        return len(found)

    width, mel_bins, _ = shape("encoder/conv1/weight", 3)
    vocabulary, _ = shape("decoder/embeddings/weight", 2)
    return WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=mel_bins,
        d_model=width,
        encoder_layers=layers("encoder"),
        decoder_layers=layers("decoder"),
        encoder_attention_heads=heads("encoder", width),
        decoder_attention_heads=heads("decoder", width),
        encoder_ffn_dim=shape("encoder/layer_0/ffn/linear_0/weight", 2)[0],
        decoder_ffn_dim=shape("decoder/layer_0/ffn/linear_0/weight", 2)[0],
        max_source_positions=shape("encoder/position_encodings/encodings", 2)[0],
        max_target_positions=shape("decoder/position_encodings/encodings", 2)[0],
    )


def _tokenizer(folder: Path, size: int) -> WhisperTokenizer:
    """The folder's tokenizer with all `size` tokens: OpenAI's own for English lacks the timestamps."""
    words = _vocabulary(folder)
    if len(words) != size:
        raise InputError(f"{folder}: {len(words)} tokens in its vocabulary and {size} in {MODEL}")
    path = folder / TOKENIZER
    if not path.is_file():
        raise InputError(
            f"{path}: is missing; copy it there from the same model at the hub (openai/whisper-...), or convert the "
            f"model with --copy_files {TOKENIZER}"
        )
    try:
        tokenizer = load_pretrained(
            "WhisperTokenizer",
            folder,
            pad_token=_END,
            model_max_length=1024,
            clean_up_tokenization_spaces=False,
        )
    except Exception as error:  # the tokenizers library raises it for a file that is no tokenizer
        raise InputError(f"{path}: not a tokenizer ({' '.join(str(error).split())[:200]})") from None
    known = len(tokenizer)
    # A fine-tuned model's vocabulary may be wider than its tokenizer; only what reads as a time stamp is added.
    stamps = [
        AddedToken(word, normalized=True, special=False) for word in words[known:] if _is_timestamp(word)
    ]
    tokenizer.add_tokens(stamps)
    vocabulary = tokenizer.get_vocab()
    # Not all tokens are compared: one file may say <|nospeech|> where the other says <|nocaptions|>.
    needed = [_END, _START, *(word for word in words if word == _NO_TIMESTAMPS or _is_timestamp(word))]
    for word in needed:
        if word not in vocabulary or vocabulary[word] >= size or words[vocabulary[word]] != word:
            raise InputError(f"{folder}: {TOKENIZER} and the vocabulary do not agree on the token {word}")
    return tokenizer


def _vocabulary(folder: Path) -> list[str]:
    listed = folder / "vocabulary.json"
    if listed.is_file():
        words = _read_json(listed)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"{listed}: not a vocabulary (a list of tokens is needed)")
        return words
    lines = folder / "vocabulary.txt"
    try:
        text = lines.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{folder}: has no vocabulary.json and no vocabulary.txt") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{lines}: cannot be read ({error})") from None
    return text.removesuffix("\n").split("\n")


def _generation(
    folder: Path, config: WhisperConfig, tokenizer: WhisperTokenizer, settings: dict[str, Any]
) -> GenerationConfig:
    """The settings of the hub's `generation_config.json` for this model, without the folder's search settings."""
    tokens = tokenizer.get_vocab()
    end = tokens[_END]
    given: dict[str, Any] = {
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": tokens[_START],
        "max_length": config.max_target_positions,
        "suppress_tokens": _ids(folder, settings, "suppress_ids"),
        "begin_suppress_tokens": _ids(folder, settings, "suppress_ids_begin"),
        "return_timestamps": False,
        "is_multilingual": config.vocab_size >= _MULTILINGUAL_VOCABULARY,
    }
    if given["is_multilingual"]:
        languages = {f"<|{code}|>" for code in TO_LANGUAGE_CODE.values()}
        given["lang_to_id"] = {token: i for token, i in tokens.items() if token in languages}
        given["task_to_id"] = {
            task: tokens[f"<|{task}|>"] for task in ("transcribe", "translate") if f"<|{task}|>" in tokens
        }
    for key, token in (
        ("no_timestamps_token_id", "<|notimestamps|>"),
        ("prev_sot_token_id", "<|startofprev|>"),
    ):
        if token in tokens:
            given[key] = tokens[token]
    if heads := settings.get("alignment_heads"):
        given["alignment_heads"] = heads
    return GenerationConfig(**given)


def _ids(folder: Path, settings: dict[str, Any], key: str) -> list[int]:
    ids = settings.get(key) or []
    if not isinstance(ids, list) or not all(isinstance(i, int) for i in ids):
        raise InputError(f"{folder / 'config.json'}: {key}: a list of token ids is needed")
    return ids


def _extractor(folder: Path, config: WhisperConfig) -> WhisperFeatureExtractor:
    if (folder / "preprocessor_config.json").is_file():
        try:
            return load_pretrained("WhisperFeatureExtractor", folder)
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{folder / 'preprocessor_config.json'}: cannot be used ({reason})") from None
    hop_samples, sampling_rate, frames_per_position = 160, 16_000, 2
    seconds = config.max_source_positions * frames_per_position * hop_samples // sampling_rate
    return WhisperFeatureExtractor(
        feature_size=config.num_mel_bins,
        chunk_length=seconds,
        hop_length=hop_samples,
        sampling_rate=sampling_rate,
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: is missing") from None
    except (OSError, ValueError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise InputError(f"{path}: not JSON ({error})") from None


def _is_timestamp(token: str) -> bool:
    return re.fullmatch(r"<\|\d+\.\d\d\|>", token) is not None

"""Loads a Whisper checkpoint for CTranslate2, from CTranslate2's own format or from that of transformers.

CTranslate2's own format needs no conversion. A checkpoint of transformers is converted once and kept in the user's
cache.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from robustger.errors import InputError
from robustger.models import cache_folder, converted_once, resolve_ctranslate2
from robustger.models.ctranslate2_folder import describe_ctranslate2, is_ctranslate2_folder
from robustger.models.loading import load_pretrained

_NO_TIMESTAMPS = "<|notimestamps|>"
_TIMESTAMP = re.compile(r"<\|\d+\.\d\d\|>")


@dataclass(frozen=True, slots=True)
class CT2Checkpoint:
    """A Whisper that CTranslate2 can run.

    Attributes:
        folder: the folder that the user named, or the folder of the model with that name; for messages.
        described: the model of transformers with its sizes and settings, without memory for its weights.
        tokenizer: the tokenizer of transformers.
        extractor: extracts the features.
    """

    folder: Path
    described: WhisperForConditionalGeneration
    tokenizer: Any
    extractor: WhisperFeatureExtractor

    def load(self, device: str, compute_type: str) -> Any:
        """Loads the `ctranslate2.models.Whisper`; a checkpoint of transformers is converted first, once per user.

        Args:
            device: "cpu" or "cuda".
            compute_type: "float32", "float16", "int8" and so on, as CTranslate2 calls it.

        Raises:
            InputError: this machine lacks the device or dtype, or the weights are broken.
            MissingModelError: there is no place to keep the converted checkpoint.
        """
        import ctranslate2

        folder = _ct2_folder(self.folder)
        try:
            return ctranslate2.models.Whisper(str(folder), device=device, compute_type=compute_type)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.folder}: CTranslate2 cannot run it: {reason}") from None


def load_ct2_checkpoint(model: str | os.PathLike[str]) -> CT2Checkpoint:
    """Describes the checkpoint called `model` without reading its weights.

    Args:
        model: an embedded model, a folder in either format, a short name such as `large-v3`, or a name on the hub.

    Raises:
        InputError: it is not a complete Whisper checkpoint, or its tokens are not in OpenAI's order.
        MissingModelError: there is no such model.
    """
    folder = resolve_ctranslate2(model)
    if is_ctranslate2_folder(folder):
        whisper = describe_ctranslate2(folder)
        with torch.device("meta"):
            described = WhisperForConditionalGeneration(whisper.config)
        described.generation_config = whisper.generation
        _check_order(folder, whisper.tokenizer)
        return CT2Checkpoint(folder, described, whisper.tokenizer, whisper.extractor)
    described, tokenizer, extractor = _description(folder)
    _check_order(folder, tokenizer)
    return CT2Checkpoint(folder, described, tokenizer, extractor)


def ct2_folder(model: str | os.PathLike[str]) -> Path:
    """The folder of the checkpoint called `model` in CTranslate2's format, after conversion if necessary.

    Raises:
        InputError, MissingModelError: as `load_ct2_checkpoint` and `CT2Checkpoint.load`.
    """
    return _ct2_folder(resolve_ctranslate2(model))


def _ct2_folder(folder: Path) -> Path:
    return folder if is_ctranslate2_folder(folder) else _converted(folder)


def _description(folder: Path) -> tuple[WhisperForConditionalGeneration, Any, WhisperFeatureExtractor]:
    """The model of transformers without memory for its weights, its tokenizer, and its feature extractor."""
    try:
        config = load_pretrained("AutoConfig", folder)
        if config.model_type != "whisper":
            raise InputError(
                f"{folder}: a model of the kind {config.model_type!r}; faster-whisper takes 'whisper' only"
            )
        with torch.device("meta"):
            model = WhisperForConditionalGeneration(config)  # pyright: ignore[reportArgumentType]
        if (folder / "generation_config.json").is_file():
            model.generation_config = load_pretrained("GenerationConfig", folder)
        tokenizer = load_pretrained("AutoTokenizer", folder)
        extractor = load_pretrained("WhisperFeatureExtractor", folder)
    except (OSError, ValueError, KeyError) as error:  # transformers' errors for missing files, or no JSON
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: not a complete Whisper checkpoint ({reason})") from None
    return model, tokenizer, extractor


def _check_order(folder: Path, tokenizer: Any) -> None:
    """Checks that all ids after "no timestamps" are timestamps, as CTranslate2 assumes."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    last = vocabulary.get(_NO_TIMESTAMPS)
    if last is None or any(i > last and not _TIMESTAMP.fullmatch(token) for token, i in vocabulary.items()):
        raise InputError(
            f"{folder}: has no {_NO_TIMESTAMPS} token after all text tokens, which CTranslate2 needs; "
            "use the recognizer 'whisper'"
        )


def _converted(folder: Path) -> Path:
    """Converts the checkpoint for CTranslate2, at most once per user and state of the checkpoint's files.

    Raises:
        InputError: the weights cannot be converted.
        MissingModelError: the cache cannot be written.
    """
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.json"))
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    state = hashlib.sha256(repr((str(folder.resolve()), stats, ctranslate2.__version__)).encode()).hexdigest()

    def convert(partial: Path) -> None:
        try:
            TransformersConverter(str(folder)).convert(str(partial), force=True)
        except (ValueError, RuntimeError, KeyError, AttributeError) as error:  # as converters fail
            raise InputError(
                f"{folder}: cannot be converted for CTranslate2: {' '.join(str(error).split())[:200]}"
            ) from None

    megabytes = 1 + sum(file.stat().st_size for file in files) // 1_000_000
    return converted_once(cache_folder() / "ctranslate2" / state[:32], convert, megabytes)

"""Whisper through CTranslate2, the engine of faster-whisper: the same checkpoints, several times as fast on a CPU.

CTranslate2 is asked directly, because faster-whisper keeps one hypothesis of those its search has found. Checkpoints
are those of transformers; each is converted once and kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GenerationConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from robustger.errors import InputError, MissingExtraError
from robustger.hypotheses import Hypothesis
from robustger.models import cache_folder, converted_once, resolve_model
from robustger.recognition.base import AudioEmbedding, Recognition, check_audios, check_request
from robustger.recognition.fill import distinct, fill_up
from robustger.recognition.options import checked_options
from robustger.recognition.whisper_checkpoint import (
    frame_stride,
    prompt_ids,
    search_settings,
    window_samples,
)

DEFAULT_BEAMS = 10
WIDEST = 50  # beams up to which a list that is too short is searched for again
_NO_TIMESTAMPS = "<|notimestamps|>"
_TIMESTAMP = re.compile(r"<\|\d+\.\d\d\|>")


class FasterWhisperRecognizer:
    """Any Whisper checkpoint of transformers with OpenAI's order of special tokens, run by CTranslate2.

    A hypothesis' score is the sum of the natural log-probabilities of its tokens, the end token included, under the
    model's softmax over the tokens that are not suppressed: CTranslate2 rescales for those that are, the recogniser
    `whisper` does not, which is the one difference between their scores. Hypotheses are ranked by
    score / words ** `length_penalty`, words being the tokens without the end token.

    Short lists are searched for again with twice the beams, up to 50, and not filled up by sampling: CTranslate2's
    sampling cannot be repeated, as it seeds its random numbers once in a thread's life. `seeds` have no effect.

    Args:
        model: name or folder of the transformers checkpoint, see `robustger.models.resolve_model`.
        device: "cpu" or "cuda"; None takes a GPU that CTranslate2 can use, where there is one.
        dtype: of the computation; None is float32 on the CPU and float16 on a GPU. The int8 kinds are faster and less
            exact.
        language: code or English name; None is English. Checkpoints without language tokens take no other.
        task: `translate` needs a multilingual checkpoint.
        length_penalty: see above.
        max_new_tokens: longest hypothesis in tokens; None is what the decoder's positions allow, which is the most.
        batch_size: audios in one pass.

    Raises:
        MissingExtraError: ctranslate2 is not installed (extra `ct2`).
        MissingModelError: no such model, or nowhere to keep the converted one.
        InputError: not a complete Whisper checkpoint for 16 kHz, one that CTranslate2 cannot run, or an option it
            cannot follow.
    """

    @checked_options
    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: Literal["cpu", "cuda"] | None = None,
        dtype: Literal["float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16"]
        | None = None,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        length_penalty: FiniteFloat = 1.0,
        max_new_tokens: int | None = None,
        batch_size: Annotated[int, Field(ge=1)] = 8,
    ) -> None:
        try:
            import ctranslate2
        except ImportError:
            raise MissingExtraError("ctranslate2", "ct2") from None
        folder = resolve_model(model)
        described, self._tokenizer, self._extractor = _description(folder)
        self._stride = frame_stride(described)
        self._window_samples = window_samples(folder, described, self._extractor)
        self._prompt = prompt_ids(folder, described, self._tokenizer, language, task)
        self._suppressed: list[int] = search_settings(described, self._tokenizer)["suppress_tokens"] or []
        _check_order(folder, self._tokenizer)
        most = described.config.max_target_positions - len(self._prompt)
        if max_new_tokens is not None and not 1 <= max_new_tokens <= most:
            raise InputError(f"max_new_tokens is {max_new_tokens}; {folder} takes 1 to {most}")
        self._max_new_tokens = max_new_tokens or most
        self._length_penalty = length_penalty
        self._batch_size = batch_size
        self._width: int = described.config.d_model
        device = device or ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
        converted = _converted(folder)
        try:
            self._whisper: Any = ctranslate2.models.Whisper(
                str(converted),
                device=device,
                compute_type=dtype or ("float32" if device == "cpu" else "float16"),
            )
        except (
            ValueError,
            RuntimeError,
        ) as error:  # an unknown device or dtype, or one that this machine lacks
            raise InputError(f"{folder}: CTranslate2 cannot run it: {' '.join(str(error).split())}") from None

    @property
    def window_seconds(self) -> float:
        """The longest audio taken at once: 30 s for OpenAI's checkpoints."""
        return self._window_samples / self._extractor.sampling_rate

    @property
    def pads(self) -> bool:
        """True: to the window."""
        return True

    @property
    def embedding_size(self) -> int:
        """D, the width of the encoder: 384 for whisper-tiny, 1280 for whisper-large."""
        return self._width

    def recognize(
        self,
        audios: Sequence[np.ndarray],
        *,
        n: int = 5,
        beams: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Recognition]:
        """One recognition per audio, in order; see `robustger.recognition.base.Recognizer`.

        `beams` is 10 unless told otherwise, or `n` where that is more; `seeds` have no effect.
        """
        check_request(audios, n, beams, seeds, self.window_seconds)
        beams = beams or max(n, DEFAULT_BEAMS)
        recognised: list[Recognition] = []
        for first in range(0, len(audios), self._batch_size):
            recognised += self._recognize_batch(audios[first : first + self._batch_size], n, beams)
        return recognised

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`: the encoder's pass alone."""
        check_audios(audios, self.window_seconds)
        embedded: list[AudioEmbedding] = []
        for first in range(0, len(audios), self._batch_size):
            batch = audios[first : first + self._batch_size]
            embedded += self._embeddings(self._encode(self._features(batch)), batch)
        return embedded

    def _recognize_batch(self, audios: Sequence[np.ndarray], n: int, beams: int) -> list[Recognition]:
        features = self._features(audios)
        encoded = self._encode(features)
        embeddings = self._embeddings(encoded, audios)
        kept = [distinct(found, n) for found in self._search(encoded, len(audios), beams)]
        recognised = []
        for k, embedding in enumerate(embeddings):
            width = beams
            while len(kept[k]) < n and width < WIDEST:
                width = min(2 * width, WIDEST)
                (wider,) = self._search(self._encode(features[k : k + 1]), 1, width)
                kept[k] = distinct([*kept[k], *wider], n)
            hypotheses, count = fill_up(kept[k], n)
            recognised.append(Recognition(hypotheses, count, embedding.real, embedding.padded))
        return recognised

    def _features(self, audios: Sequence[np.ndarray]) -> np.ndarray:
        """(B, mel, S * stride), padded to the window."""
        return self._extractor(
            list(audios),
            sampling_rate=self._extractor.sampling_rate,
            max_length=self._window_samples,
            return_tensors="np",
        )["input_features"]

    def _embeddings(self, encoded: Any, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        import ctranslate2

        states = np.array(encoded.to(ctranslate2.DataType.float32))  # (B, S, D)
        step = self._extractor.hop_length * self._stride  # samples from one frame to the next
        lengths = [min(-(-audio.size // step), states.shape[1]) for audio in audios]
        return [
            AudioEmbedding(rows[:frames].mean(0), rows.mean(0))
            for rows, frames in zip(states, lengths, strict=True)
        ]

    def _encode(self, features: np.ndarray) -> Any:
        import ctranslate2

        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(features, dtype=np.float32))
        return self._whisper.encode(view, to_cpu=True)

    def _search(self, encoded: Any, rows: int, beams: int) -> Iterator[Iterator[Hypothesis]]:
        """All that the beam search finished, per audio, best first."""
        results = self._whisper.generate(
            encoded,
            [self._prompt] * rows,
            beam_size=beams,
            num_hypotheses=beams,
            length_penalty=self._length_penalty,
            return_scores=True,
            suppress_tokens=self._suppressed,
            max_length=2 * self._max_new_tokens,  # CTranslate2 takes half of it, as OpenAI's code does
        )
        return (self._hypotheses(zip(result.sequences_ids, result.scores, strict=True)) for result in results)

    def _hypotheses(self, found: Iterator[tuple[list[int], float]]) -> Iterator[Hypothesis]:
        """Texts on one line, with the scores that length had been divided out of."""
        for ids, score in found:
            summed = score * len(ids) ** self._length_penalty if ids else score
            if (
                summed > -1e8
            ):  # less is no log-probability: suppressed tokens stand in where nothing else was left
                text = self._tokenizer.decode(ids, skip_special_tokens=True)
                yield Hypothesis(" ".join(text.split()), summed)


def _description(folder: Path) -> tuple[WhisperForConditionalGeneration, Any, WhisperFeatureExtractor]:
    """The checkpoint as transformers knows it, but without memory for its weights."""
    try:
        config = AutoConfig.from_pretrained(folder)
        if config.model_type != "whisper":
            raise InputError(
                f"{folder}: a model of the kind {config.model_type!r}; faster-whisper takes 'whisper' only"
            )
        with torch.device("meta"):
            model = WhisperForConditionalGeneration(config)  # pyright: ignore[reportArgumentType]
        if (folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        extractor = WhisperFeatureExtractor.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:  # as transformers says that a file is missing or no JSON
        hint = ""
        if (folder / "model.bin").is_file():
            hint = "; it seems converted already: name the transformers checkpoint, it is converted once and kept"
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: not a complete Whisper checkpoint ({reason}){hint}") from None
    return model, tokenizer, extractor


def _check_order(folder: Path, tokenizer: Any) -> None:
    """CTranslate2 takes all ids beyond that of "no timestamps" for timestamps, as they are in OpenAI's checkpoints."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    last = vocabulary.get(_NO_TIMESTAMPS)
    if last is None or any(i > last and not _TIMESTAMP.fullmatch(token) for token, i in vocabulary.items()):
        raise InputError(
            f"{folder}: has no {_NO_TIMESTAMPS} token behind all of its text, which CTranslate2 needs; "
            "use the recogniser 'whisper'"
        )


def _converted(folder: Path) -> Path:
    """The checkpoint converted for CTranslate2, at most once per user and state of the checkpoint's files.

    Raises:
        InputError: the weights cannot be converted.
        MissingModelError: the cache cannot be written to.
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

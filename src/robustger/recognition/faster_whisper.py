"""Whisper through CTranslate2, the engine of faster-whisper: the same checkpoints, several times as fast on a CPU.

CTranslate2 is asked directly, because faster-whisper keeps one hypothesis of those its search has found. Checkpoints in
its own format run as they are; those of transformers are converted once and kept in the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis
from robustger.recognition.base import AudioEmbedding, Recognition, check_audios, check_request
from robustger.recognition.ct2_checkpoint import load_ct2_checkpoint
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


class FasterWhisperRecognizer:
    """Any Whisper checkpoint with OpenAI's order of special tokens, run by CTranslate2.

    A hypothesis' score is the sum of the natural log-probabilities of its tokens, the end token included, under the
    model's softmax over the tokens that are not suppressed: CTranslate2 rescales for those that are, the recogniser
    `whisper` does not, which is the one difference between their scores. Hypotheses are ranked by
    score / words ** `length_penalty`, words being the tokens without the end token.

    Short lists are searched for again with twice the beams, up to 50, and not filled up by sampling: CTranslate2's
    sampling cannot be repeated, as it seeds its random numbers once in a thread's life. `seeds` have no effect.

    Args:
        model: an embedded model, a folder in the format of CTranslate2 or transformers, a short name (`large-v3`), or
            a name on the hub; see `robustger.recognition.ct2_checkpoint`.
        device: "cpu" or "cuda"; None takes a GPU that CTranslate2 can use, where there is one.
        dtype: of the computation; None is float32 on the CPU and float16 on a GPU. The int8 kinds are faster and less
            exact.
        language: code or English name; None is English. Checkpoints without language tokens take no other.
        task: `translate` needs a multilingual checkpoint.
        length_penalty: see above.
        max_new_tokens: longest hypothesis in tokens; None is what the decoder's positions allow, which is the most.
        batch_size: audios in one pass.

    Raises:
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
        import ctranslate2

        checkpoint = load_ct2_checkpoint(model)
        folder, described = checkpoint.folder, checkpoint.described
        self._tokenizer, self._extractor = checkpoint.tokenizer, checkpoint.extractor
        self._stride = frame_stride(described)
        self._window_samples = window_samples(folder, described, self._extractor)
        self._prompt = prompt_ids(folder, described, self._tokenizer, language, task)
        self._suppressed: list[int] = search_settings(described, self._tokenizer)["suppress_tokens"] or []
        most = described.config.max_target_positions - len(self._prompt)
        if max_new_tokens is not None and not 1 <= max_new_tokens <= most:
            raise InputError(f"max_new_tokens is {max_new_tokens}; {folder} takes 1 to {most}")
        self._max_new_tokens = max_new_tokens or most
        self._length_penalty = length_penalty
        self._batch_size = batch_size
        self._width: int = described.config.d_model
        device = device or ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
        compute_type = dtype or ("float32" if device == "cpu" else "float16")
        self._whisper: Any = checkpoint.load(device, compute_type)

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

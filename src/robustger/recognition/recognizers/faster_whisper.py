"""Whisper through CTranslate2, the engine of faster-whisper: the same checkpoints, several times as fast on a CPU.

CTranslate2 is called directly, because faster-whisper keeps only one of the hypotheses that its search finds.
Checkpoints in its own format need no conversion; those of transformers are converted once and kept in the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis
from robustger.recognition.options import checked_options
from robustger.recognition.recognizer import (
    AudioEmbedding,
    Recognition,
    check_audios,
    check_request,
)
from robustger.recognition.recognizers.ct2_checkpoint import load_ct2_checkpoint
from robustger.recognition.recognizers.recent_encodings import RecentEncodings
from robustger.recognition.recognizers.whisper_checkpoint import frame_stride, search_settings, window_samples
from robustger.recognition.recognizers.whisper_features import log_mel
from robustger.recognition.recognizers.whisper_listener import WhisperListener
from robustger.recognition.recognizers.whisper_prompt import prompts_of
from robustger.recognition.search.strategy import Found, Search, finished_texts, search_lists, widths

TOKENS_SCORED_AT_ONCE = 512  # tokens; those of whisper-base have 200 KB of logits each


class FasterWhisperRecognizer(WhisperListener[np.ndarray]):
    """Recognizes with any Whisper checkpoint that has OpenAI's order of special tokens, run by CTranslate2.

    A hypothesis' score is the sum of the natural log-probabilities of its tokens, the end token included, under the
    model's softmax over the tokens that are not suppressed. The recognizer `whisper` takes the softmax over all tokens;
    this is the only difference between their scores. Hypotheses are ranked by score / tokens ** `length_penalty`, where
    the end token is not counted.

    Args:
        model: an embedded model, a folder in the format of CTranslate2 or transformers, a short name (`large-v3`), or
            a name on the hub; see `robustger.recognition.recognizers.ct2_checkpoint`.
        device: "cpu" or "cuda"; None takes a GPU if there is one that CTranslate2 can use.
        dtype: the type of the computation; None is float32 on the CPU and float16 on a GPU. The int8 types are faster
            and less exact.
        language: code or English name; None is English; "auto" detects the language of every audio. Checkpoints
            without language tokens transcribe English only, also with "auto".
        task: `translate` needs a multilingual checkpoint.
        length_penalty: see above.
        search: "adaptive" or "paper", see `robustger.recognition.search.strategy`.
        max_new_tokens: the longest hypothesis in tokens; None is the most that the decoder's positions allow.
        batch_size: audios in one pass.

    Raises:
        MissingModelError: there is no such model, or no place to keep the converted one.
        InputError: it is not a complete Whisper checkpoint for 16 kHz, CTranslate2 cannot run it, or it does not
            support an option.
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
        search: Search = "adaptive",
        max_new_tokens: int | None = None,
        batch_size: Annotated[int, Field(ge=1)] = 8,
    ) -> None:
        import ctranslate2

        checkpoint = load_ct2_checkpoint(model)
        folder, described = checkpoint.folder, checkpoint.described
        self._tokenizer, self._extractor = checkpoint.tokenizer, checkpoint.extractor
        self._samples_per_frame = self._extractor.hop_length * frame_stride(described)
        self._window_samples = window_samples(folder, described, self._extractor)
        self._prompts = prompts_of(folder, described, self._tokenizer, language, task)
        settings = search_settings(described, self._tokenizer)
        self._end: int = settings["eos_token_id"]
        self._suppressed: list[int] = settings["suppress_tokens"] or []
        self._suppressed_at_first: list[int] = settings["begin_suppress_tokens"] or []
        self._most = described.config.max_target_positions - self._prompts.length
        if max_new_tokens is not None and not 1 <= max_new_tokens <= self._most:
            raise InputError(f"max_new_tokens is {max_new_tokens}; {folder} takes 1 to {self._most}")
        self._max_new_tokens = max_new_tokens or self._most
        self._search: Search = search
        self._recent = RecentEncodings()
        self._length_penalty = length_penalty
        self._batch_size = batch_size
        self._width: int = described.config.d_model
        device = device or ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
        compute_type = dtype or ("float32" if device == "cpu" else "float16")
        self._whisper: Any = checkpoint.load(device, compute_type)
        if self._prompts.language is None and not self._whisper.is_multilingual:
            raise InputError(
                f"{folder}: CTranslate2 detects no languages with a vocabulary that is not OpenAI's; "
                "name the language, or use the recognizer 'whisper'"
            )

    @property
    def embedding_size(self) -> int:
        """D, the width of the encoder: 384 for whisper-tiny, 1280 for whisper-large."""
        return self._width

    def recognize(
        self, audios: Sequence[np.ndarray], *, n: int = 5, beams: int | None = None
    ) -> list[Recognition]:
        """One recognition per audio, in order; see `robustger.recognition.recognizer.Recognizer`."""
        check_request(audios, n, beams, self.window_seconds)
        plan = widths(self._search, n, beams)
        recognized: list[Recognition] = []
        for first in range(0, len(audios), self._batch_size):
            recognized += self._recognize_batch(audios[first : first + self._batch_size], n, plan)
        return recognized

    def embed(self, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`: the encoder's pass alone."""
        check_audios(audios, self.window_seconds)
        embedded: list[AudioEmbedding] = []
        for first in range(0, len(audios), self._batch_size):
            batch = audios[first : first + self._batch_size]
            embedded += self._embeddings(self._encode(batch), batch)
        return embedded

    def _encode_one(self, audio: np.ndarray) -> np.ndarray:
        return self._encode([audio])[0]

    def _language_of(self, states: np.ndarray) -> str:
        return self._languages(states[None])[0]

    def _align_tokens(
        self, states: np.ndarray, prompt: list[int], text: list[int], samples: int
    ) -> tuple[list[int], list[float]]:
        """As `WhisperListener._align_tokens`; probabilities are under the softmax over all tokens that are text."""
        (aligned,) = self._whisper.align(
            _view(states[None]),
            prompt[:-1],  # CTranslate2 adds "no timestamps" itself
            [text],
            -(-samples // self._extractor.hop_length),
        )
        rows: dict[int, int] = {}
        for row, frame in aligned.alignments:
            rows.setdefault(row, frame)
        return [rows[row] for row in range(len(text) + 1)], aligned.text_token_probs

    def _score_tokens(self, states: np.ndarray, prompt: list[int], texts: list[list[int]]) -> list[float]:
        """As `WhisperListener._score_tokens`, under the softmax that the search uses: over unsuppressed tokens.

        A suppressed token in a text is scored as if it alone were not suppressed. The scores equal those of the
        hypotheses to 0.01 in float32. In int8, where numbers are rounded along the way, they differ by some tenths.
        """
        scores: list[float] = []
        longest = 1 + max(map(len, texts), default=0)
        size = max(1, TOKENS_SCORED_AT_ONCE // longest)
        for first in range(0, len(texts), size):
            scores += self._score(states, prompt, texts[first : first + size])
        return scores

    def _score(self, states: np.ndarray, prompt: list[int], texts: list[list[int]]) -> list[float]:
        """Scores texts as the beginning of a search, because CTranslate2 returns the logits of given tokens."""
        longest = 1 + max(map(len, texts))
        results = self._whisper.generate(
            _view(np.repeat(states[None], len(texts), axis=0)),
            [prompt + text for text in texts],
            beam_size=1,
            return_logits_vocab=True,
            suppress_tokens=[],
            suppress_blank=False,
            # CTranslate2 takes half of it, or the remaining positions
            max_length=max(2 * longest, longest + len(prompt)),
        )
        scores = []
        for text, result in zip(texts, results, strict=True):
            written = [*text, self._end]
            logits = np.stack([np.asarray(step) for step in result.logits[0][: len(written)]]).astype(
                np.float64
            )
            places = np.arange(len(written))
            chosen = logits[places, written]
            logits[:, self._suppressed] = -np.inf
            logits[0, self._suppressed_at_first] = -np.inf
            logits[places, written] = chosen
            scores.append(float((chosen - np.logaddexp.reduce(logits, axis=1)).sum()))
        return scores

    def _languages(self, states: np.ndarray) -> list[str]:
        """The code of each audio's language, given or most probable, from states (B, S, D)."""
        if self._prompts.language is not None:
            return [self._prompts.language] * len(states)
        ranked = self._whisper.detect_language(_view(states))
        known = self._prompts.languages
        return [next(token[2:-2] for token, _ in tokens if token[2:-2] in known) for tokens in ranked]

    def _recognize_batch(
        self, audios: Sequence[np.ndarray], n: int, plan: Sequence[int]
    ) -> list[Recognition]:
        states = self._encode(audios)
        languages = self._languages(states)

        def search(rows: list[int], beams: int) -> Iterator[list[Found]]:
            prompts = [self._prompts.ids(languages[row]) for row in rows]
            return self._found(states[rows], prompts, beams, finished_texts(n, plan, beams))

        lists = search_lists(search, plan, n, languages)
        return [
            Recognition(hypotheses, len(hypotheses), embedding.real, embedding.padded, language)
            for hypotheses, embedding, language in zip(
                lists, self._embeddings(states, audios), languages, strict=True
            )
        ]

    def _features(self, audios: Sequence[np.ndarray]) -> np.ndarray:
        """(B, mel, S * stride), padded to the window."""
        cpu = torch.device("cpu")
        spectra = [log_mel(self._extractor, audio, self._window_samples, cpu) for audio in audios]
        return torch.stack(spectra).numpy()

    def _embeddings(self, states: np.ndarray, audios: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        lengths = [min(-(-audio.size // self._samples_per_frame), states.shape[1]) for audio in audios]
        return [
            AudioEmbedding(rows[:frames].mean(0), rows.mean(0))
            for rows, frames in zip(states, lengths, strict=True)
        ]

    def _encode(self, audios: Sequence[np.ndarray]) -> np.ndarray:
        """The encoder's last hidden states, float32 (B, S, D), with padding; the most recent ones are kept."""
        import ctranslate2

        encoded = self._whisper.encode(_view(self._features(audios)), to_cpu=True)
        states = np.array(encoded.to(ctranslate2.DataType.float32))
        for audio, one in zip(audios, states, strict=True):
            self._recent.keep(audio, one.copy())  # a view would keep the memory of the whole batch
        return states

    def _found(
        self, states: np.ndarray, prompts: list[list[int]], beams: int, finished: int
    ) -> Iterator[list[Found]]:
        """The texts of a beam search that is over when it has finished so many, per audio, best first."""
        results = self._whisper.generate(
            _view(states),
            prompts,
            beam_size=beams,
            patience=finished / beams,
            num_hypotheses=finished,
            length_penalty=self._length_penalty,
            return_scores=True,
            suppress_tokens=self._suppressed,
            max_length=2 * self._max_new_tokens,  # CTranslate2 takes half of it, as OpenAI's code does
        )
        return (
            list(self._as_found(zip(result.sequences_ids, result.scores, strict=True))) for result in results
        )

    def _as_found(self, texts: Iterable[tuple[list[int], float]]) -> Iterator[Found]:
        """The found texts on one line, with their scores, which CTranslate2 divided by a power of the length."""
        for ids, rank in texts:
            summed = rank * len(ids) ** self._length_penalty if ids else rank
            if summed > -1e8:  # lower values mean suppressed tokens, chosen when no others were left
                text = self._tokenizer.decode(ids, skip_special_tokens=True)
                yield Found(Hypothesis(" ".join(text.split()), summed), rank)


def _view(values: np.ndarray) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(values, dtype=np.float32))

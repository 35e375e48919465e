"""Whisper through transformers: true N-best lists with their scores, and the encoder's embedding, from one pass.

`WhisperForConditionalGeneration.generate` cannot be asked for several hypotheses: it repeats the audio and returns the
same text as often. Here the audio is encoded once and `robustger.recognition.search` runs on what came out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, FiniteFloat
from torch import Tensor

from robustger.errors import InputError
from robustger.hypotheses import Hypothesis
from robustger.models import resolve_model, torch_device
from robustger.recognition.base import AudioEmbedding, Features, Recognition, check_audios, check_request
from robustger.recognition.fill import TEMPERATURE, distinct, fill_up
from robustger.recognition.options import checked_options
from robustger.recognition.search import Tokens, beam_search, draw_texts
from robustger.recognition.whisper_checkpoint import (
    frame_stride,
    load_checkpoint,
    prompt_ids,
    search_settings,
    window_samples,
)
from robustger.recognition.whisper_decoder import WhisperDecoder
from robustger.recognition.whisper_features import WhisperFeatures, log_mel

DEFAULT_BEAMS = 10
ENCODED_AT_ONCE = 8  # audios; the encoder gains nothing from more, and its layers' results stay in the cache


class _SeededSampling:
    """Draws from log-probabilities at `TEMPERATURE`: by Gumbel's rule, the largest of these + noise is a draw.

    The noise of every audio comes from its own generator, so what is drawn for it does not depend on the batch.
    """

    def __init__(self, seeds: Sequence[int], samples: int) -> None:
        self._generators = [
            torch.Generator().manual_seed(seed) for seed in seeds
        ]  # on the CPU: the same on any device
        self._samples = samples

    def __call__(self, log_probs: Tensor) -> Tensor:
        """A token for each row, (seeds * samples, V) -> (seeds * samples,)."""
        noise = torch.cat(
            [
                torch.empty(self._samples, log_probs.shape[-1]).exponential_(generator=generator)
                for generator in self._generators
            ]
        )
        return (log_probs / TEMPERATURE - noise.log().to(log_probs.device)).argmax(-1)


class WhisperRecognizer:
    """Any Whisper checkpoint of transformers, from the hub or trained from scratch.

    The window, the hop, the special tokens and the longest text are read from the checkpoint. The prompt is the start
    token, language and task where the checkpoint has several of them, and "no timestamps" where it has that token;
    timestamps and ids without a text are never generated.

    A hypothesis' score is the sum of the natural log-probabilities of its tokens, the end token included, under the
    model's softmax over all tokens at temperature 1 (suppressed tokens are left out of the search; the others are not
    rescaled for it). Hypotheses are ranked by score / tokens ** `length_penalty`, as transformers and OpenAI's code do
    with 1; a shorter one may thus have the higher score and the lower rank. 0 ranks by the score itself. What
    sampling adds to a short list stands behind what was searched, in the order drawn.

    Args:
        model: name or folder, see `robustger.models.resolve_model`.
        device: where it runs; None takes a GPU where there is one.
        dtype: of weights and activations; None is float32 on the CPU and the checkpoint's own on a GPU.
        language: code or English name; None is English. Checkpoints without language tokens take no other.
        task: `translate` needs a multilingual checkpoint.
        length_penalty: see above.
        max_new_tokens: longest hypothesis in tokens; None is what the decoder's positions allow, which is also the
            most.
        memory_gb: what the search for a batch of utterances may take, estimated for texts of full length, in GiB; None
            is 2 on the CPU and 60 % of what is free on a GPU. One utterance is always taken, whatever its beams need.

    Raises:
        MissingModelError: no such model.
        InputError: not a complete Whisper checkpoint for 16 kHz, or an option it cannot follow.
    """

    @checked_options
    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] | None = None,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        length_penalty: FiniteFloat = 1.0,
        max_new_tokens: int | None = None,
        memory_gb: Annotated[FiniteFloat, Field(gt=0)] | None = None,
    ) -> None:
        self._device = torch_device(device)
        folder = resolve_model(model)
        on_cpu = self._device.type == "cpu"
        self._model, self._tokenizer, self._extractor = load_checkpoint(
            folder, dtype or ("float32" if on_cpu else "auto"), self._device
        )
        self._window_samples = window_samples(folder, self._model, self._extractor)
        self._samples_per_frame = self._extractor.hop_length * frame_stride(self._model)
        self._prompt = prompt_ids(folder, self._model, self._tokenizer, language, task)
        most = self._model.config.max_target_positions - len(self._prompt)
        if max_new_tokens is not None and not 1 <= max_new_tokens <= most:
            raise InputError(f"max_new_tokens is {max_new_tokens}; {folder} takes 1 to {most}")
        self._max_new_tokens = max_new_tokens or most
        self._memory_gb = memory_gb
        self._settings = search_settings(self._model, self._tokenizer)
        self._length_penalty = length_penalty

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
        return self._model.config.d_model

    @property
    def features_of(self) -> WhisperFeatures:
        """As `HearsFeatures.features_of`: the log-mel spectrogram of an audio, computed on the CPU."""
        return WhisperFeatures(self._extractor, self._window_samples)

    def recognize(
        self,
        audios: Sequence[np.ndarray | Features],
        *,
        n: int = 5,
        beams: int | None = None,
        seeds: Sequence[int] | None = None,
    ) -> list[Recognition]:
        """One recognition per audio, in order; see `robustger.recognition.base.Recognizer`.

        `beams` is 10 unless told otherwise, or `n` where that is more.
        """
        check_request(audios, n, beams, seeds, self.window_seconds)
        beams = beams or max(n, DEFAULT_BEAMS)
        found: dict[int, Recognition] = {}
        with torch.inference_mode():
            for batch in self._batches(audios, beams):
                recognised = self._recognize_batch(
                    [audios[k] for k in batch], n, beams, [seeds[k] if seeds else 0 for k in batch]
                )
                found |= zip(batch, recognised, strict=True)
        return [found[k] for k in range(len(audios))]

    def embed(self, audios: Sequence[np.ndarray | Features]) -> list[AudioEmbedding]:
        """As `Recognizer.embed`: the encoder's pass alone."""
        check_audios(audios, self.window_seconds)
        found: dict[int, AudioEmbedding] = {}
        with torch.inference_mode():
            for batch in self._batches(audios, beams=1):
                some = [audios[k] for k in batch]
                real, padded = self._embeddings(self._encode(some), some)
                found |= zip(batch, map(AudioEmbedding, real, padded), strict=True)
        return [found[k] for k in range(len(audios))]

    def _batches(self, audios: Sequence[np.ndarray | Features], beams: int) -> Iterator[list[int]]:
        """Indices of audios that fit into memory together, of similar lengths, which end together."""
        order = sorted(range(len(audios)), key=lambda k: audios[k].size)
        size = self._utterances_per_batch(beams)
        return (order[first : first + size] for first in range(0, len(order), size))

    def _recognize_batch(
        self, audios: list[np.ndarray | Features], n: int, beams: int, seeds: list[int]
    ) -> list[Recognition]:
        states = self._encode(audios)  # (B, S, D)
        searched = self._search(states, beams)
        kept = [distinct(self._hypotheses(tokens), n) for tokens in searched]
        short = [k for k, hypotheses in enumerate(kept) if len(hypotheses) < n]
        sampled: dict[int, list[Tokens]] = {}
        if short:
            # A text twice as long as any that was searched is a sample that lost its way.
            limits = [2 * max(len(tokens.ids) for tokens in searched[k]) for k in short]
            drawn = self._sample(states[short], n, [seeds[k] for k in short], limits)
            sampled = dict(zip(short, drawn, strict=True))
        embeddings, padded = self._embeddings(states, audios)
        recognised = []
        for k in range(len(audios)):
            hypotheses, count = fill_up(kept[k], n, self._hypotheses(sampled.get(k, [])))
            recognised.append(Recognition(hypotheses, count, embeddings[k], padded[k]))
        return recognised

    def _encode(self, audios: Sequence[np.ndarray | Features]) -> Tensor:
        """The encoder's last hidden states, (B, S, D), padding included."""
        states: list[Tensor] = []
        for first in range(0, len(audios), ENCODED_AT_ONCE):
            spectra = [self._spectrum(audio) for audio in audios[first : first + ENCODED_AT_ONCE]]
            features = torch.stack(spectra).to(self._device, self._model.dtype)  # (b, mel, S * stride)
            states.append(self._model.model.encoder(features).last_hidden_state)
        return torch.cat(states)

    def _spectrum(self, audio: np.ndarray | Features) -> Tensor:
        """(mel, S * stride)."""
        if isinstance(audio, Features):
            return torch.from_numpy(audio.values)
        return log_mel(self._extractor, audio, self._window_samples, self._device)

    def _embeddings(
        self, states: Tensor, audios: list[np.ndarray | Features]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means over the frames that begin within the audio, and over all frames: two of (B, D), float32."""
        states = states.float()
        lengths = [-(-audio.size // self._samples_per_frame) for audio in audios]
        frames = torch.tensor(lengths, device=states.device)
        frames = frames.clamp(max=states.shape[1])
        real = torch.arange(states.shape[1], device=states.device) < frames[:, None]  # (B, S)
        means = torch.where(real[..., None], states, 0).sum(1) / frames[:, None]
        return means.cpu().numpy(), states.mean(1).cpu().numpy()

    def _search(self, states: Tensor, beams: int) -> list[list[Tokens]]:
        """All that the beam search finished, per audio, best first; with one beam, the likeliest tokens."""
        decoder, end = self._decoder(states), self._settings["eos_token_id"]
        longest = self._max_new_tokens
        if beams == 1:  # a search goes on behind an end token, in the hope of a better rank
            return draw_texts(
                decoder, lambda log_probs: log_probs.argmax(-1), texts=1, end=end, longest=longest
            )
        return beam_search(
            decoder, beams=beams, end=end, longest=longest, length_penalty=self._length_penalty
        )

    def _sample(self, states: Tensor, n: int, seeds: list[int], limits: list[int]) -> list[list[Tokens]]:
        """Up to `n` samples for each audio; those that do not end within its limit are left out."""
        end = self._settings["eos_token_id"]
        drawn = draw_texts(
            self._decoder(states),
            _SeededSampling(seeds, n),
            texts=n,
            end=end,
            longest=min(max(limits), self._max_new_tokens),
        )
        return [
            [tokens for tokens in texts if tokens.ids[-1] == end and len(tokens.ids) <= limit]
            for texts, limit in zip(drawn, limits, strict=True)
        ]

    def _decoder(self, states: Tensor) -> WhisperDecoder:
        settings = self._settings
        return WhisperDecoder(
            self._model, states, self._prompt, settings["suppress_tokens"], settings["begin_suppress_tokens"]
        )

    def _hypotheses(self, found: list[Tokens]) -> Iterator[Hypothesis]:
        """Texts on one line; decoded when asked for, because most beams are never looked at."""
        for tokens in found:
            text = self._tokenizer.decode(tokens.ids, skip_special_tokens=True)
            yield Hypothesis(" ".join(text.split()), tokens.score)

    def _utterances_per_batch(self, beams: int) -> int:
        config = self._model.config
        number = self._model.dtype.itemsize
        frames, tokens = config.max_source_positions, config.max_target_positions
        cache = 2 * config.decoder_layers * config.d_model * number  # of one frame or token
        states = frames * config.d_model * number
        scores = 4 * config.vocab_size * 4  # as the model gives them, normalised, added up, and masked
        if self._memory_gb is not None:
            budget = self._memory_gb * 2**30
        elif self._device.type == "cuda":
            budget = 0.6 * torch.cuda.mem_get_info(self._device)[0]
        else:
            budget = 2 * 2**30
        # Twice what a text's tokens take: whenever beams change places they are copied.
        return max(1, int(budget // (cache * frames + states + beams * (2 * cache * tokens + scores))))

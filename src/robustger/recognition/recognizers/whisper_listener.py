"""Aligns a given text with an audio and scores it; the recognizers of Whisper share this code on all engines."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, Self, TypeVar

import numpy as np
from transformers import WhisperFeatureExtractor

from robustger.recognition.recognizer import TimedWord, check_audios, check_texts
from robustger.recognition.recognizers.recent_encodings import RecentEncodings
from robustger.recognition.recognizers.whisper_prompt import Prompts
from robustger.recognition.recognizers.word_times import check_length, spelled, words_of_tokens

States = TypeVar("States")  # the array type in which an engine keeps the encoder's states


class WhisperListener(ABC, Generic[States]):
    """The base class of recognizers that run a Whisper; a subclass sets the attributes and runs the network.

    Attributes:
        _tokenizer: the tokenizer of the checkpoint.
        _extractor: the feature extractor of the checkpoint.
        _prompts: the tokens that every text starts from.
        _most: the longest text that the decoder takes, in tokens, without the end token.
        _window_samples: the samples of a window.
        _samples_per_frame: the samples from one frame of the encoder to the next.
        _recent: the encoder's states of the most recent audios.
    """

    _tokenizer: Any
    _extractor: WhisperFeatureExtractor
    _prompts: Prompts
    _most: int
    _window_samples: int
    _samples_per_frame: int
    _recent: RecentEncodings[States]

    @property
    def window_seconds(self) -> float:
        """The longest audio that is taken at once, in seconds: 30 for OpenAI's checkpoints."""
        return self._window_samples / self._extractor.sampling_rate

    @property
    def pads(self) -> bool:
        """True: every audio is padded to the window."""
        return True

    def in_language(self, language: str) -> Self:
        """As `HearsLanguages.in_language`."""
        told = copy.copy(self)
        told._prompts = replace(self._prompts, language=self._prompts.known(language))
        return told

    def align(self, audio: np.ndarray, text: str, *, language: str | None = None) -> list[TimedWord]:
        """As `Listens.align`, by the places that the cross-attention looks at.

        See `robustger.recognition.recognizers.word_times`.

        Raises:
            InputError: also a text that is longer than the decoder takes, or a language that it does not know.
        """
        code, states = self._heard(audio, language)
        spelling = spelled(self._tokenizer, text, code)
        check_length(self._prompts.source, spelling, self._most)
        frames, probabilities = [0], []
        if spelling.ids:
            frames, probabilities = self._align_tokens(
                states, self._prompts.ids(code), spelling.ids, audio.size
            )
        step = self._samples_per_frame / self._extractor.sampling_rate  # seconds
        duration = audio.size / self._extractor.sampling_rate
        return words_of_tokens(spelling, [frame * step for frame in frames], probabilities, duration)

    def score(self, audio: np.ndarray, texts: Sequence[str], *, language: str | None = None) -> list[float]:
        """As `Listens.score`; a hypothesis gets its own score if the search spelled it as the tokenizer does.

        Raises:
            InputError: also a text that is longer than the decoder takes, or a language that it does not know.
        """
        check_texts(texts)
        code, states = self._heard(audio, language)
        spellings = [spelled(self._tokenizer, text, code) for text in texts]
        for spelling in spellings:
            check_length(self._prompts.source, spelling, self._most)
        return self._score_tokens(states, self._prompts.ids(code), [spelling.ids for spelling in spellings])

    def _heard(self, audio: np.ndarray, language: str | None) -> tuple[str, States]:
        """The code of the language, and the encoder's states (S, D). A recent audio is not encoded again."""
        check_audios([audio], self.window_seconds)
        states = self._recent.get(audio)
        if states is None:
            states = self._encode_one(audio)
        return self._prompts.known(language) if language else self._language_of(states), states

    @abstractmethod
    def _encode_one(self, audio: np.ndarray) -> States:
        """The encoder's states (S, D) for an audio."""

    @abstractmethod
    def _language_of(self, states: States) -> str:
        """The code of the language in an audio, from the encoder's states (S, D)."""

    @abstractmethod
    def _align_tokens(
        self, states: States, prompt: list[int], text: list[int], samples: int
    ) -> tuple[list[int], Sequence[float]]:
        """The frames in which T tokens begin and the last one ends, T + 1 numbers, and the T probabilities.

        Args:
            states: the encoder's states (S, D) for the audio.
            prompt: the tokens that the text starts from.
            text: the tokens of the text, at least one.
            samples: the length of the audio.
        """

    @abstractmethod
    def _score_tokens(self, states: States, prompt: list[int], texts: list[list[int]]) -> list[float]:
        """The natural log-probability of each text with its end token; arguments as for `_align_tokens`."""

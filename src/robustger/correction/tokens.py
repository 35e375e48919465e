"""Turns texts into tokens of the language model, and tokens into texts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from robustger.correction.config import CorrectorConfig
from robustger.correction.prompt import PROMPTS
from robustger.errors import InputError
from robustger.hypotheses.distinct import first_distinct
from robustger.models import resolve_model
from robustger.models.loading import load_pretrained


class ListTokens:
    """Makes the token ids of prompts and answers. Several threads may share an object.

    Args:
        config: names the language model, the prompt template and N.
    """

    def __init__(self, config: CorrectorConfig) -> None:
        self._base = config.base
        self._prompt = PROMPTS.get(config.prompt)
        self._n_best = config.n_best
        self._lock = threading.RLock()  # tokenizers change their state while they work

    @property
    def tokenizer(self) -> Any:
        """The language model's own tokenizer; read when it is first used.

        Raises:
            InputError: the model has no tokenizer, or the tokenizer has no token that ends a text.
        """
        with self._lock:
            return self._tokenizer

    @cached_property
    def _tokenizer(self) -> Any:
        folder = resolve_model(self._base)
        try:
            if not any([*folder.glob("tokenizer*"), *folder.glob("vocab*")]):
                raise OSError  # some families would get an empty tokenizer
            tokenizer = load_pretrained("AutoTokenizer", folder)
        except (OSError, ValueError):
            raise InputError(f"{folder}: no tokenizer there; copy the tokenizer's files to it") from None
        if tokenizer.eos_token_id is None:
            raise InputError(
                f"{folder}: the tokenizer has no eos_token, which ends an answer; name one in its config"
            )
        return tokenizer

    @property
    def end(self) -> int:
        """The id of the token that ends an answer."""
        return self.tokenizer.eos_token_id

    def prompt(self, texts: Sequence[str]) -> list[int]:
        """The prompt of the first N distinct hypotheses. The tokens of the answer follow directly."""
        return self.of(self._prompt(first_distinct(texts, self._n_best)), add_special_tokens=True)

    def answer(self, text: str) -> list[int]:
        """The token ids of a text with the token that ends an answer."""
        return [*self.of(text), self.end]

    def of(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """The token ids of any text. A special token that is spelled out in it, such as "</s>", is read as text."""
        with self._lock:
            return self._tokenizer(text, add_special_tokens=add_special_tokens, split_special_tokens=True)[
                "input_ids"
            ]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, with folded white space."""
        # Without the clean-up of some tokenizers, which would write "do n't" as "don't".
        with self._lock:
            text = self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        return " ".join(text.split())

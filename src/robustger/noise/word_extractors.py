"""Extractors that compose a text's vector of those of its parts, without reading it: the paper's Table 13.

The paper takes FastText's vectors and the token embeddings of LLaMA-2 in the place of Sentence-BERT's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import InputError
from robustger.models import resolve_model
from robustger.models.loading import load_pretrained

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDING_NAMES = (
    "model.embed_tokens.weight",
    "transformer.word_embeddings.weight",
    "transformer.wte.weight",
)
LENGTHS = (3, 4, 5, 6)  # of FastText's n-grams
PREFIX = "hashed-"
_KEPT = 100_000  # vectors of words kept between calls


class TokenEmbeddings:
    """Means of a language model's own input embeddings over the tokens of a text, scaled to length 1.

    Only that one matrix is read from the model's files.

    Args:
        model: the language model, a folder or a name, see `robustger.models.resolve_model`.

    Raises:
        MissingModelError: no such model.
        InputError: it has no safetensors with an input embedding of a known name.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        folder = resolve_model(model)
        self._embeddings = _input_embeddings(folder)  # (V, D)
        self._tokenizer = load_pretrained("AutoTokenizer", folder)

    @property
    def dimension(self) -> int:
        """The width of the language model."""
        return self._embeddings.shape[1]

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Float32 vectors of length 1 on the CPU, (len(texts), dimension); exactly 0 for blank texts."""
        import torch

        result = torch.zeros(len(texts), self.dimension)
        known: dict[str, Tensor] = {}
        for row, text in enumerate(texts):
            valid = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
            if valid and text not in known:
                # With a space before it, as the word has it within a sentence.
                tokens = self._tokenizer(f" {valid}", add_special_tokens=False)["input_ids"]
                mean = self._embeddings[torch.tensor(tokens)].float().mean(0)
                known[text] = torch.nn.functional.normalize(mean, dim=0)
            if valid:
                result[row] = known[text]
        return result


def _input_embeddings(folder: Path) -> Any:
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            for name in EMBEDDING_NAMES:
                if name in names:
                    return file.get_tensor(name)
    raise InputError(
        f"{folder}: no *.safetensors there with {' or '.join(EMBEDDING_NAMES)}; name another model"
    )


class HashedNgrams:
    """FastText's composition without its training: a word is the mean of its character n-grams' vectors.

    As in FastText (Bojanowski et al. 2017) a word stands between "<" and ">" and has n-grams of 3 to 6 characters and
    itself; a text is the mean of its words. The vectors of the n-grams are not learned but drawn from a Gaussian, each
    from a seed that the n-gram alone gives: words are as near as the n-grams that they share, and what they mean is
    left out. Vectors of texts have length 1.

    Args:
        dimension: the width.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._word = lru_cache(_KEPT)(self._composed)

    @classmethod
    def parse(cls, name: str) -> HashedNgrams:
        """From `hashed-384`: vectors of 384 numbers.

        Raises:
            InputError: the name has another form.
        """
        digits = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or not digits.isdecimal() or not int(digits):
            raise InputError(f"encoder {name!r}: the extractor ngrams takes {PREFIX}D, as in {PREFIX}384")
        return cls(int(digits))

    @property
    def dimension(self) -> int:
        """The width of the vectors."""
        return self._dimension

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Float32 vectors of length 1 on the CPU, (len(texts), dimension); exactly 0 for blank texts."""
        import torch

        result = torch.zeros(len(texts), self._dimension)
        for row, text in enumerate(texts):
            words = text.split()
            if words:
                mean = torch.stack([self._word(word) for word in words]).mean(0)
                result[row] = torch.nn.functional.normalize(mean, dim=0)
        return result

    def _composed(self, word: str) -> Tensor:
        import torch

        vectors = [self._drawn(part) for part in _parts(f"<{word}>")]
        return torch.nn.functional.normalize(torch.stack(vectors).mean(0), dim=0)

    def _drawn(self, part: str) -> Tensor:
        import torch

        digest = hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))
        return torch.randn(self._dimension, generator=generator)


def _parts(word: str) -> Iterator[str]:
    """The n-grams of a word between its marks, and all of it."""
    yield word
    for length in LENGTHS:
        for start in range(len(word) - length + 1):
            if length < len(word):
                yield word[start : start + length]

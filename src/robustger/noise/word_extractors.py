"""Extractors that compose the vector of a text from the vectors of its parts, for the paper's Table 13.

The paper replaces the vectors of Sentence-BERT by those of FastText and by the token embeddings of LLaMA-2.
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

_EMBEDDING_NAMES = (
    "model.embed_tokens.weight",
    "transformer.word_embeddings.weight",
    "transformer.wte.weight",
)
_NGRAM_LENGTHS = (3, 4, 5, 6)  # of FastText's n-grams
_NAME_PREFIX = "hashed-"
_KEPT = 100_000  # vectors of words that are kept between calls


class TokenEmbeddings:
    """Averages a language model's input embeddings over the tokens of a text, and scales the mean to length 1.

    Only the matrix of input embeddings is read from the model's files.

    Args:
        model: the language model, a folder or a name, see `robustger.models.resolve_model`.

    Raises:
        MissingModelError: there is no such model.
        InputError: its safetensors hold no input embedding under a known name.
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
                # A space before it, as a word has within a sentence.
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
            for name in _EMBEDDING_NAMES:
                if name in names:
                    return file.get_tensor(name)
    raise InputError(
        f"{folder}: no *.safetensors there with {' or '.join(_EMBEDDING_NAMES)}; name another model"
    )


class HashedNgrams:
    """Composes vectors as FastText does, but without training: a word is the mean of the vectors of its n-grams.

    As in FastText (Bojanowski et al. 2017) a word is put between "<" and ">". Its n-grams are all those of 3 to 6
    characters, and the word itself. A text is the mean of its words. The vectors of the n-grams are not learned but
    drawn from a Gaussian, with a seed that depends only on the n-gram. So the similarity of two words depends only on
    the n-grams that they share, and not on their meanings. Vectors of texts have length 1.

    Args:
        dimension: the width.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._word = lru_cache(_KEPT)(self._composed)

    @classmethod
    def parse(cls, name: str) -> HashedNgrams:
        """The extractor of a name: `hashed-384` gives vectors of 384 numbers.

        Raises:
            InputError: the name has another form.
        """
        digits = name.removeprefix(_NAME_PREFIX)
        if not name.startswith(_NAME_PREFIX) or not digits.isdecimal() or not int(digits):
            raise InputError(
                f"encoder {name!r}: the extractor ngrams takes {_NAME_PREFIX}D, as in {_NAME_PREFIX}384"
            )
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
    """The n-grams of a word with its marks, and the whole word."""
    yield word
    for length in _NGRAM_LENGTHS:
        for start in range(len(word) - length + 1):
            if length < len(word):
                yield word[start : start + length]

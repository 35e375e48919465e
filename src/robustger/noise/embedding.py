"""The language-space noise embedding E_LN of N-best lists (eq. 4-6), as in the paper or as in the released code.

| | `paper` | `released` |
|---|---|---|
| row order | [utterance ; token] | [token ; utterance] |
| pairs (i, j), counted from 1 | i > j: (2,1) (3,1) (3,2) (4,1) ... | i < j: (1,2) (1,3) ... (1,N) (2,3) ... |
| a row | Y_i - Y_j: worse minus better, E_LN | Y_i - Y_j: better minus worse, that is -E_LN |
| token rows | sum over the columns of one alignment of all N | mean over the pair's own edits, else 0 |

`released` follows the feature script behind the released data, `generate_robust_hp.py` (`word_emb_diff`,
`sent_emb_diff`). YUCHEN005/RobustGER does not hold it; an adapted copy is in teinhonglo/RobustGER under `local/`.
That script first normalizes the hypotheses and writes "<UNK>" for those left empty. Here texts are not changed, and an
empty hypothesis is the zero vector and has no tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from robustger.errors import InputError
from robustger.noise.alignment import WordPair, align_all, edited_pairs
from robustger.noise.extractors import Extractor
from robustger.noise.token_units import TOKEN_UNITS
from robustger.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]
NOISE_LEVELS = ("utterance", "token")


@dataclass(frozen=True, slots=True)
class NoiseVariant:
    """One definition of E_LN.

    Attributes:
        pairs: gives the pairs (i, j) of hypothesis indices for a list of n, in the order of the rows.
        edits: gives for every pair the words by which Y_i and Y_j differ.
        mean: whether a token row is the mean over the pair's edits instead of their sum.
        tokens_first: whether the token rows precede the utterance rows.
    """

    pairs: Callable[[int], list[Pair]]
    edits: Callable[[Sequence[list[str]], Sequence[Pair]], list[list[WordPair]]]
    mean: bool
    tokens_first: bool


def _edits_by_joint_alignment(tokens: Sequence[list[str]], pairs: Sequence[Pair]) -> list[list[WordPair]]:
    rows = align_all(tokens)
    return [[(a, b) for a, b in zip(rows[i], rows[j], strict=True) if a != b] for i, j in pairs]


def _edits_by_pair(tokens: Sequence[list[str]], pairs: Sequence[Pair]) -> list[list[WordPair]]:
    return [edited_pairs(tokens[i], tokens[j]) for i, j in pairs]


NOISE_VARIANTS: Registry[NoiseVariant] = Registry("noise variant")
NOISE_VARIANTS.register("paper")(
    NoiseVariant(
        pairs=lambda n: [(i, j) for i in range(n) for j in range(i)],
        edits=_edits_by_joint_alignment,
        mean=False,
        tokens_first=False,
    )
)
NOISE_VARIANTS.register("released")(
    NoiseVariant(
        pairs=lambda n: list(combinations(range(n), 2)),
        edits=_edits_by_pair,
        mean=True,
        tokens_first=True,
    )
)


class NoiseEmbedder:
    """Computes E_LN for batches of N-best lists.

    Tokens that occur equally often on both sides of a pair
    cancel exactly, so identical hypotheses give exactly 0. The rest of the batch and the extractor's memo change the
    embedding of a list only by rounding (less than 1e-5). Several threads may share an embedder.

    Args:
        extractor: gives the vectors of hypotheses and words; its `dimension` is D.
        variant: name of the definition in `NOISE_VARIANTS`.
        n: N, the number of hypotheses that are compared. Longer lists are cut to their first N. Shorter lists are
            filled by repeating their last hypothesis, so that the pairs among the repeats are rows of 0. (The released
            lists repeat entries, too, but random ones.)
        token_unit: name of what a token is, in `TOKEN_UNITS`.

    Raises:
        InputError: unknown variant or token unit, or n < 2.

    Example:
        >>> embedder = NoiseEmbedder(SentenceBert())
        >>> embedder([["turn it off", "turn it of", "turn it on", "turn off", "turn it off"]]).shape
        torch.Size([1, 20, 384])
    """

    def __init__(
        self,
        extractor: Extractor,
        variant: Literal["paper", "released"] | str = "paper",
        n: int = 5,
        token_unit: str = "whitespace",
    ) -> None:
        if n < 2:
            raise InputError(f"n is {n}: the noise embedding compares hypotheses and needs at least 2")
        self.extractor = extractor
        self.variant = variant
        self.n = n
        self._definition = NOISE_VARIANTS.get(variant)
        self._split = TOKEN_UNITS.get(token_unit)
        self._pairs = self._definition.pairs(n)
        self._encoding = threading.Lock()

    @property
    def rows(self) -> int:
        """N(N-1), the number of vectors per list."""
        return 2 * len(self._pairs)

    @property
    def dimension(self) -> int:
        """D, the width of each vector."""
        return self.extractor.dimension

    def rows_of(self, level: str) -> slice:
        """The rows of a level, one of `NOISE_LEVELS`."""
        half = len(self._pairs)
        first = (level == "token") == self._definition.tokens_first
        return slice(0, half) if first else slice(half, 2 * half)

    def __call__(self, lists: Sequence[Sequence[str]]) -> Tensor:
        """The noise embeddings of `lists`, each best hypothesis first.

        Returns:
            (B, N(N-1), D) float32 on the CPU; rows as in the table at the head of this module.

        Raises:
            InputError: a list without hypotheses.
        """
        import torch

        filled = [self._fill(texts, k) for k, texts in enumerate(lists)]
        edits = [
            pair_edits
            for texts in filled
            for pair_edits in self._definition.edits([self._split(text) for text in texts], self._pairs)
        ]  # B * P lists, P pairs
        # One table holds all needed vectors. Words in which no pair differs cancel, so they need no vector. Sentences
        # of a list whose hypotheses are all equal need none either: the empty text takes their place.
        index: dict[str, int] = {"": 0}
        words = [w for pair_edits in edits for edit in pair_edits for w in edit if w is not None]
        for text in (*(t for texts in filled if len(set(texts)) > 1 for t in texts), *words):
            index.setdefault(text, len(index))
        with self._encoding:
            vectors = self.extractor.encode(list(index))  # (V, D)

        sentences = torch.tensor([[index.get(t, 0) for t in texts] for texts in filled], dtype=torch.long)
        sentences = sentences.view(len(filled), self.n)
        first, second = torch.tensor(self._pairs).unbind(1)  # (P,) each
        utterance = vectors[sentences[:, first]] - vectors[sentences[:, second]]  # (B, P, D)
        token = self._token_rows(edits, index, vectors).view(utterance.shape)
        parts = (token, utterance) if self._definition.tokens_first else (utterance, token)
        return torch.cat(parts, dim=1)  # (B, 2P, D)

    def _fill(self, texts: Sequence[str], position: int) -> list[str]:
        if isinstance(texts, str):
            raise TypeError("NoiseEmbedder takes a batch: a sequence of lists of hypotheses, not one list")
        if not texts:
            raise InputError(f"N-best list {position} of the batch has no hypotheses; give at least one")
        kept = list(texts[: self.n])
        return kept + [kept[-1]] * (self.n - len(kept))

    def _token_rows(self, edits: list[list[WordPair]], index: dict[str, int], vectors: Tensor) -> Tensor:
        """One row per entry of `edits`: the sum or mean of vector(left) - vector(right), where Ø counts as 0."""
        import torch

        rows: list[int] = []
        columns: list[int] = []
        signs: list[float] = []
        for row, pair_edits in enumerate(edits):
            for edit in pair_edits:
                for word, sign in zip(edit, (1.0, -1.0), strict=True):
                    if word is not None:
                        rows.append(row)
                        columns.append(index[word])
                        signs.append(sign)
        # Coalescing counts the words of a row before any vector is used, so that words that only moved cancel exactly.
        counts = torch.sparse_coo_tensor(
            torch.tensor([rows, columns], dtype=torch.long),
            torch.tensor(signs),
            (len(edits), len(vectors)),
            check_invariants=True,
        ).coalesce()
        sums = torch.sparse.mm(counts, vectors)  # (B * P, D)
        if not self._definition.mean:
            return sums
        return sums / torch.tensor([max(len(pair_edits), 1) for pair_edits in edits]).unsqueeze(1)

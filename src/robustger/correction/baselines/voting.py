"""Baselines that need only the list: minimum Bayes risk, and a vote in the manner of ROVER.

Words are compared as they are written; let lists that differ in case and punctuation be normalized before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rapidfuzz.distance import Levenshtein

from robustger.correction.baselines.baseline import baseline_transcript, softmax
from robustger.hypotheses import NBest, Transcript
from robustger.noise.alignment import align_all


def posteriors(nbest: NBest) -> list[float]:
    """P(Y_i) over the list: the softmax of the scores, or uniform where there are none.

    Repeated hypotheses count as often as they stand there.
    """
    return softmax([0.0 if hypothesis.score is None else hypothesis.score for hypothesis in nbest.hypotheses])


def expected_errors(texts: Sequence[Sequence[str]], probabilities: Sequence[float]) -> list[float]:
    """The Bayes risk of each text: sum over j of P(Y_j) d(Y_i, Y_j), d the word edit distance.

    Args:
        texts: words of each hypothesis.
        probabilities: P(Y_j).
    """
    return [
        math.fsum(
            probability * Levenshtein.distance(text, other)
            for other, probability in zip(texts, probabilities, strict=True)
        )
        for text in texts
    ]


class MinimumBayesRisk:
    """argmin_i sum_j P(Y_j) d(Y_i, Y_j): the hypothesis with the fewest expected word errors (Stolcke et al., 1997).

    Its text always stands in the list; of several with the same risk the first is taken. The confidence is one minus
    the expected errors per word.
    """

    def transcribe(self, lists: Iterable[NBest]) -> Iterator[Transcript]:
        for nbest in lists:
            texts = [text.split() for text in nbest.texts]
            risks = expected_errors(texts, posteriors(nbest))
            least = min(risks)
            # Rounding must not decide between hypotheses of equal risk.
            index = next(i for i, risk in enumerate(risks) if math.isclose(risk, least, abs_tol=1e-12))
            confidence = max(0.0, 1 - risks[index] / max(1, len(texts[index])))
            yield baseline_transcript(nbest, " ".join(texts[index]), confidence)


class Vote:
    """A vote word by word, in the manner of ROVER (Fiscus, 1997).

    The hypotheses are aligned one after the other, best first, into a table with a column a word and the empty token
    where a hypothesis has none (`robustger.noise.alignment.align_all`). In each column the token with the most votes
    wins, of several the one that the earliest hypothesis holds; winning empty tokens are not written. The text may be
    one that no hypothesis has. The confidence is the mean share of votes.

    Where NIST's `rover` differs: it combines the outputs of several recognizers, which may carry times and a
    confidence for every word, aligns each with all words that stand in a column already, and weighs votes against
    confidences, with a confidence of the empty token that is tuned on data. Here the hypotheses of one list vote, each
    entry once, each is aligned with the word of the best-ranked hypothesis in a column, and nothing is tuned.
    """

    def transcribe(self, lists: Iterable[NBest]) -> Iterator[Transcript]:
        for nbest in lists:
            rows = align_all([text.split() for text in nbest.texts])
            # A Counter keeps the order of the hypotheses, and `max` takes the first of several.
            winners = [
                max(Counter(column).items(), key=lambda item: item[1]) for column in zip(*rows, strict=True)
            ]
            text = " ".join(token for token, _ in winners if token is not None)
            shares = [votes / len(rows) for _, votes in winners]
            yield baseline_transcript(nbest, text, sum(shares) / len(shares) if shares else 1.0)

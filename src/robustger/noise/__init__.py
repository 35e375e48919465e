"""Computes the noise rows of N-best lists, above all the language-space noise embedding E_LN (paper, eq. 4-6).

`source` chooses where the rows come from. For E_LN, `extractors` turns strings into vectors, `alignment` finds where
the hypotheses differ, and `embedding` combines both into the (N(N-1), E) matrix that conditions the language model.
"""

from __future__ import annotations

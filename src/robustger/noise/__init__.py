"""From an N-best list to its language-space noise embedding E_LN (paper, section 4.2, eq. 4-6).

`extractors` turns strings into vectors, `alignment` says where hypotheses differ, and `embedding` puts the
two together as the (N(N-1), D) matrix that conditions the language model.
"""

from __future__ import annotations

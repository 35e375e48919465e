"""Writes lists of one empty hypothesis with sentences as references: they teach a corrector the language cheaply.

Usage: `python -m lab.unheard_lists COUNT LISTS.jsonl`
"""

from __future__ import annotations

import sys

from lab.sentences import sentences
from robustger.hypotheses import NBest, save_nbest

SEED = 7


def main() -> None:
    texts = sentences("corrector", int(sys.argv[1]), SEED)
    save_nbest(
        (NBest.from_texts(f"text-{i:05d}", [""], reference=text) for i, text in enumerate(texts)), sys.argv[2]
    )


if __name__ == "__main__":
    main()

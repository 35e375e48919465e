"""Time to embed the noise of 1,000 five-best lists: python benchmarks/noise_embedding.py [LISTS.jsonl]"""

from __future__ import annotations

import itertools
import json
import os
import platform
import sys
import time
from importlib.resources import files

import torch

from robustger.hypotheses import load_nbest
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import SentenceBert

LISTS = 1_000
BATCH = 32


def distinct_lists(path: str) -> list[tuple[str, ...]]:
    """`LISTS` lists from the file; when it has fewer, they come again with the words in another order.

    A repeated list would be served from the extractor's memo and cost nothing.
    """
    texts = [nbest.texts for nbest in load_nbest(path) if len(nbest.texts) > 1]
    rotated = (
        tuple(
            " ".join(words[turn % len(words) :] + words[: turn % len(words)])
            for words in map(str.split, hypotheses)
        )
        for turn in itertools.count()
        for hypotheses in texts
    )
    return list(itertools.islice(rotated, LISTS))


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else str(files("robustger.presets") / "demo.jsonl")
    lists = distinct_lists(path)
    for variant in ("paper", "released"):
        embedder = NoiseEmbedder(SentenceBert(), variant)
        embedder(lists[:1])  # what is loaded on first use is not what is measured
        start = time.perf_counter()
        for first in range(0, LISTS, BATCH):
            embedder(lists[first : first + BATCH])
        seconds = time.perf_counter() - start
        result = {
            "benchmark": "noise_embedding",
            "variant": variant,
            "lists": LISTS,
            "seconds": round(seconds, 2),
        }
        machine = {
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        print(json.dumps(result | machine), flush=True)


if __name__ == "__main__":
    main()

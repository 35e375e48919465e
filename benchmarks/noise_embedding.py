"""E_LN of 1,000 lists against one SBERT call per word and sentence: python benchmarks/noise_embedding.py [LISTS.jsonl]

There are two baselines. Like the released script, both embed one text per call and remember nothing:

- `released`: the released script's own calls, two per pair of sentences and one or two per edited word of a pair
- `paper`: equation 6 word by word, every word of both hypotheses of a pair, whether they differ there or not

They run on a sample of the lists. Their time for all lists is extrapolated by the number of calls, which is counted.
Values must agree within 1e-5, or the benchmark fails. Ours gets all lists in one call, with an empty memo. `--quick`
takes 60 lists.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.lists import distinct_lists, spoken_words
from benchmarks.roofline import layer_weights, matmul_rate
from benchmarks.timing import Row, Timings, as_json, interleaved, significant

from robustger.hypotheses import NBest
from robustger.models import resolve_model
from robustger.models.loading import load_pretrained
from robustger.noise.alignment import align_all, edited_pairs
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import SentenceBert

Encode = Callable[[str], Tensor]  # one text to its vector (D,)
AIM = "at least 50"
TOLERANCE = 1e-5


def released_style(texts: Sequence[str], encode: Encode) -> Tensor:
    """E_LN of one list by the calls of `generate_robust_hp.py`: (N(N-1), D), token rows first."""
    token, utterance = [], []
    for first, second in combinations(texts, 2):
        difference = encode(first) - encode(second)
        total = torch.zeros_like(difference)
        edits = edited_pairs(first.split(), second.split())
        for better, worse in edits:
            total += encode(better) if better is not None else 0
            total -= encode(worse) if worse is not None else 0
        token.append(total / max(len(edits), 1))
        utterance.append(difference)
    return torch.stack(token + utterance)


def word_by_word(texts: Sequence[str], encode: Encode) -> Tensor:
    """E_LN of one list by equations 4 to 6 as they stand: (N(N-1), D), utterance rows first."""
    aligned = align_all([text.split() for text in texts])
    utterance, token = [], []
    for i in range(len(texts)):
        for j in range(i):
            difference = encode(texts[i]) - encode(texts[j])
            total = torch.zeros_like(difference)
            for worse, better in zip(aligned[i], aligned[j], strict=True):
                total += encode(worse) if worse is not None else 0
                total -= encode(better) if better is not None else 0
            utterance.append(difference)
            token.append(total)
    return torch.stack(utterance + token)


BASELINES = {
    "released": (released_style, "one SBERT call per sentence and edited word of a pair"),
    "paper": (word_by_word, "one SBERT call per sentence and word of a pair"),
}


def filled(nbest: NBest) -> list[str]:
    """Five hypotheses, the last one again where there are fewer."""
    return [*nbest.texts[:5], *[nbest.texts[-1]] * (5 - len(nbest.texts))]


def calls_of(style: Callable[[Sequence[str], Encode], Tensor], lists: Sequence[Sequence[str]]) -> int:
    """Calls that a style takes for these lists."""
    calls = 0

    def count(text: str) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros(1)

    for texts in lists:
        style(texts, count)
    return calls


def compare(variant: str, lists: Sequence[Sequence[str]], sample_size: int, rounds: int) -> tuple[Row, float]:
    """The row of one variant, and the seconds that ours takes."""
    style, baseline = BASELINES[variant]
    sample = lists[:: max(1, len(lists) // sample_size)][:sample_size]
    extractor = SentenceBert(memo_bytes=0)
    embedder = NoiseEmbedder(extractor, variant)

    def one_by_one() -> Tensor:
        return torch.stack([style(texts, lambda text: extractor.encode([text])[0]) for texts in sample])

    embedder(sample)  # what happens on first use is not what is measured
    difference = (embedder(sample) - one_by_one()).abs().max().item()
    if difference > TOLERANCE:
        sys.exit(f"noise_embedding: {variant}: values differ by {difference:.2g}, more than {TOLERANCE:g}")
    timings = interleaved(lambda: embedder(lists), one_by_one, rounds, warm_up=False)
    calls, sample_calls = calls_of(style, lists), calls_of(style, sample)
    timings = Timings(timings.ours, tuple(taken * calls / sample_calls for taken in timings.baseline))
    details = {
        "lists": len(lists),
        "baseline_lists": len(sample),
        "baseline_calls_per_list": significant(calls / len(lists)),
        "largest_difference": significant(difference, 2),
    }
    row = Row("c", f"E_LN, {variant}", baseline, timings.faster, aim=AIM, details=timings.seconds() | details)
    return row, min(timings.ours)


def share_of_limit(lists: Sequence[Sequence[str]], taken: float) -> Row:
    """How much of the time the encoder's matrix products would take at the rate of a single one."""
    folder = resolve_model("minilm")
    encoder = load_pretrained("AutoModel", folder)
    texts: dict[str, None] = {}
    for hypotheses in lists:
        if len(set(hypotheses)) > 1:
            texts |= dict.fromkeys(hypotheses)
            words = map(str.split, hypotheses)
            edits = [edit for a, b in combinations(words, 2) for edit in edited_pairs(a, b)]
            texts |= dict.fromkeys(word for edit in edits for word in edit if word is not None)
    pieces = sum(map(len, load_pretrained("AutoTokenizer", folder)(list(texts), padding=False)["input_ids"]))
    operations = 2 * pieces * (layer_weights(encoder) - layer_weights(encoder.pooler))
    width = encoder.config.hidden_size
    peak = matmul_rate(512, width, encoder.config.intermediate_size, torch.float32)
    details = {
        "distinct_texts": len(texts),
        "word_pieces": pieces,
        "gflops": significant(operations / taken / 1e9),
        "matmul_gflops": significant(peak / 1e9),
    }
    name = "E_LN: all of it"
    against = "its matrix products alone at full speed"
    return Row("c", name, against, (operations / peak / taken,), details=details)


def measure(quick: bool, path: str | None = None) -> list[Row]:
    """E_LN against one SBERT call per word and sentence, and against what the processor can do at most."""
    found = distinct_lists(60 if quick else 1_000, path)
    lists = [filled(nbest) for nbest in found]
    released, taken = compare("released", lists, 2 if quick else 16, 1 if quick else 2)
    paper, _ = compare("paper", lists, 1 if quick else 2, 1 if quick else 2)
    words = {"words_of_a_best": significant(spoken_words(found), 3)}
    rows = [released, paper, share_of_limit(lists, taken)]
    return [Row(r.part, r.name, r.baseline, r.values, r.unit, r.aim, {**r.details, **words}) for r in rows]


def main() -> None:
    paths = [argument for argument in sys.argv[1:] if argument != "--quick"]
    rows = measure("--quick" in sys.argv[1:], paths[0] if paths else None)
    print(as_json(rows, benchmark="noise_embedding"), end="")


if __name__ == "__main__":
    main()

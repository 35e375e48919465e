"""What the guard `heard` is worth, and where its gain comes from: python -m benchmarks.heard CHECKPOINT LISTS...

Every file of LISTS is a set: N-best lists with scores and references, as `robustger nbest` makes them. The table has
the 1-best, the best of the list, the fused choice (score + 0.2 log p(untrained SmolLM2) + 1.0 words, not tuned here,
among the hypotheses that the guard considers), and the corrector with its own weights. The arms take a part of the
corrector away and keep the decision:

- `zero`       noise embedding of zeros
- `closed`     the gates of the prompt closed, LoRA kept
- `untrained`  the language model without LoRA and prompt

Intervals are 95 %, from a paired bootstrap over the recordings (or over `meta.sentence` where lists have it).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rapidfuzz.distance import Levenshtein

from robustger.correction import Corrector
from robustger.correction.guards.heard_guard import HOPELESS_NATS, MOST_WORDS_APART
from robustger.correction.guards.margin_guard import edited_stretches, put_back
from robustger.correction.llm.causal_lm import CausalLanguageModel
from robustger.correction.llm.language_model import best_dtype
from robustger.evaluation.bootstrap import paired_bootstrap
from robustger.hypotheses import NBest, load_nbest
from robustger.text import get_normalizer
from robustger.text.loops import is_loop, says_twice

ARMS = ("full", "zero", "closed", "untrained")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint")
    parser.add_argument("lists", type=Path, nargs="+")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["full"])
    parser.add_argument(
        "--fused", action="store_true", help="also the fused choice, which scores every text once more"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/heard"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    sets = {
        path.name.removesuffix(".jsonl"): [nbest for nbest in load_nbest(path) if nbest.reference]
        for path in arguments.lists
    }
    texts: dict[str, dict[str, list[str]]] = {name: {} for name in sets}
    for name, lists in sets.items():
        texts[name]["1-best"] = [nbest.best for nbest in lists]
    if arguments.fused:
        model = CausalLanguageModel("smollm2-135m", dtype=best_dtype("cpu"))
        for name, lists in sets.items():
            texts[name]["fused"] = [fused(nbest, model) for nbest in lists]
    for arm in arguments.arms:
        corrector = arm_of(arguments.checkpoint, arm)
        for name, lists in sets.items():
            texts[name][arm] = corrected(corrector, lists)
            (arguments.output / f"{name}.json").write_text(json.dumps(texts[name]), encoding="utf-8")
            print(row(name, lists, arm, texts[name]["1-best"], texts[name][arm]), flush=True)
    for name, lists in sets.items():
        for kind in ("1-best", "fused"):
            if kind in texts[name]:
                print(row(name, lists, kind, texts[name]["1-best"], texts[name][kind]), flush=True)


def arm_of(checkpoint: str, arm: str) -> Corrector:
    """The corrector with a part taken away."""
    if arm == "untrained":
        trained = Corrector.from_pretrained(checkpoint)
        return Corrector.create(trained.config.model_copy(update={"lora": None}))
    corrector = Corrector.from_pretrained(checkpoint)
    if arm == "zero":
        corrector.config = corrector.config.model_copy(update={"noise": "zero"})
        corrector.renew_noise()
    if arm == "closed":
        with torch.no_grad():
            corrector.llm.adapter.gate.zero_()
    return corrector


def corrected(corrector: Corrector, lists: Sequence[NBest]) -> list[str]:
    return [one.text for one in corrector.correct(lists)]


def fused(nbest: NBest, model: CausalLanguageModel) -> str:
    """The hypothesis with the greatest score + 0.2 log p + 1.0 words, in written form for the language model.

    Only those among ten that the guard `heard` would consider take part; the others would win by going on and on.
    """
    best = nbest.hypotheses[0]
    some = [
        (one, written)
        for one, written in zip(nbest.hypotheses[:10], nbest.written, strict=False)
        if one is best
        or (
            (one.score or 0.0) > (best.score or 0.0) - HOPELESS_NATS
            and abs(len(one.text.split()) - len(best.text.split())) <= MOST_WORDS_APART
            and not is_loop(one.text)
            and not says_twice(one.text)
        )
    ]
    language = model.log_probabilities([written for _, written in some])
    values = [
        (one.score or 0.0) + 0.2 * log_p + len(one.text.split())
        for (one, _), log_p in zip(some, language, strict=True)
    ]
    return some[values.index(max(values))][0].text


def row(name: str, lists: Sequence[NBest], kind: str, bests: Sequence[str], texts: Sequence[str]) -> str:
    """A line of the table."""
    normalize: Callable[[str], str] = get_normalizer("number")
    references = [normalize(nbest.reference or "").split() for nbest in lists]

    def errors(some: Sequence[str]) -> list[int]:
        return [
            Levenshtein.distance(normalize(text).split(), reference)
            for text, reference in zip(some, references, strict=True)
        ]

    before, after = errors(bests), errors(texts)
    words = [len(reference) for reference in references]
    oracle = sum(
        min(Levenshtein.distance(normalize(text).split(), reference) for text in nbest.texts)
        for nbest, reference in zip(lists, references, strict=True)
    )
    clusters = [str(nbest.meta.get("sentence", nbest.id)) for nbest in lists]
    compared = paired_bootstrap(before, after, words, clusters=clusters)
    low, high = -100 * compared.relative_interval.high, -100 * compared.relative_interval.low
    harmful = helpful = 0
    for best, text, reference in zip(bests, texts, references, strict=True):
        old, new = best.split(), text.split()
        stretches = edited_stretches(old, new)
        for stretch in stretches:
            alone = put_back(old, new, [other for other in stretches if other is not stretch])
            change = Levenshtein.distance(normalize(alone).split(), reference) - Levenshtein.distance(
                normalize(best).split(), reference
            )
            harmful += change > 0
            helpful += change < 0
    total = sum(words)
    change = 100 * (sum(after) / max(1, sum(before)) - 1)
    rates = " | ".join(f"{100 * count / total:.2f}" for count in (sum(before), oracle, sum(after)))
    return (
        f"| {name} | {kind} | {len(lists)} | {total:,} | {rates} | {change:+.1f} [{low:+.1f}, {high:+.1f}] | "
        f"{helpful} | {harmful} |"
    )


if __name__ == "__main__":
    main()

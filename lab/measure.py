"""Prints the laboratory's table: by SNR the WER, the oracles, distinct hypotheses, |E_LN| and the corrected WER.

    python -m lab.measure LISTS.jsonl [--corrections CORRECTED.jsonl] [--normalizer number] [--json FILE]

Intervals are at 95 %, from a bootstrap over sentences: the same sentence at several SNRs is drawn as one.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from robustger.evaluation.bootstrap import resampled_sums
from robustger.evaluation.corrections import load_corrections
from robustger.evaluation.intervals import percentile_interval
from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.wer import count_errors, error_rates, relative_reductions
from robustger.hypotheses import NBest, load_nbest
from robustger.noise.embedding import NoiseEmbedder
from robustger.noise.extractors import EXTRACTORS
from robustger.text import get_normalizer

RESAMPLES = 2000
COUNTS = ("words", "best", "o_nb", "o_cp", "corrected")


def condition(nbest: NBest) -> str:
    """The SNR in dB as text, or "clean"."""
    snr_db = nbest.meta.get("snr_db")
    return "clean" if snr_db is None else f"{round(snr_db):d}"


def sentence(nbest: NBest) -> str:
    """What was said, by whom: the resampling unit."""
    return nbest.id.split("_")[0]


def counts(nbest: NBest, corrected: str | None, normalizer: str) -> list[int]:
    """`COUNTS` of one list."""
    normalize = get_normalizer(normalizer)
    reference = normalize(nbest.reference or "").split()
    hypotheses = [normalize(text).split() for text in nbest.texts]
    text = nbest.best if corrected is None else corrected
    return [
        len(reference),
        count_errors(reference, hypotheses[0]),
        n_best_errors(reference, hypotheses),
        compositional_errors(reference, hypotheses),
        count_errors(reference, normalize(text).split()),
    ]


def row(
    lists: list[NBest], corrections: dict[str, str], norms: dict[str, float], normalizer: str
) -> dict[str, Any]:
    """The figures of the lists of one condition."""
    by_sentence: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(len(COUNTS), dtype=np.int64))
    better = worse = 0
    for nbest in lists:
        one = counts(nbest, corrections.get(nbest.id), normalizer)
        by_sentence[sentence(nbest)] += one
        better += one[4] < one[1]
        worse += one[4] > one[1]
    table = np.stack(list(by_sentence.values()))
    total = dict(zip(COUNTS, table.sum(0), strict=True))
    sums = resampled_sums(table, resamples=RESAMPLES, seed=0)
    words, best, corrected = sums[:, 0], sums[:, 1], sums[:, 4]

    def interval(samples: Any) -> list[float]:
        ends = percentile_interval(samples)
        return [ends.low, ends.high]

    return {
        "utterances": len(lists),
        "words": int(total["words"]),
        "wer": float(total["best"] / total["words"]),
        "wer_interval": interval(error_rates(best, words)),
        "o_nb": float(total["o_nb"] / total["words"]),
        "o_cp": float(total["o_cp"] / total["words"]),
        "distinct": float(
            np.mean([len(set(map(get_normalizer(normalizer), nbest.texts))) for nbest in lists])
        ),
        "noise_norm": float(np.mean([norms[nbest.id] for nbest in lists])),
        "corrected_wer": float(total["corrected"] / total["words"]),
        "relative_reduction": float(relative_reductions(total["best"], total["corrected"])),
        "reduction_interval": interval(relative_reductions(best, corrected)),
        "better": better,
        "worse": worse,
    }


def noise_norms(lists: list[NBest]) -> dict[str, float]:
    """The norm of E_LN (variant `paper`) by id."""
    embedder = NoiseEmbedder(EXTRACTORS.get("sbert")("minilm"), variant="paper", n=5)
    norms: dict[str, float] = {}
    for start in range(0, len(lists), 256):
        chunk = lists[start : start + 256]
        embedding = embedder([nbest.texts for nbest in chunk])
        norms |= zip((nbest.id for nbest in chunk), embedding.flatten(1).norm(dim=1).tolist(), strict=True)
    return norms


def table(rows: dict[str, dict[str, Any]], normalizer: str) -> str:
    """The figures as a Markdown table, rates in percent."""
    titles = (
        "SNR (dB)",
        "utterances",
        f"WER ({normalizer})",
        "o_nb",
        "o_cp",
        "distinct",
        "norm of E_LN",
        "corrected",
    )
    lines = [f"| {' | '.join((*titles, 'reduction', 'better / worse'))} |", "|---" * (len(titles) + 2) + "|"]
    for name, one in rows.items():
        cells = [
            name,
            str(one["utterances"]),
            f"{100 * one['wer']:.2f} ({_percent(one['wer_interval'])})",
            *(f"{100 * one[key]:.2f}" for key in ("o_nb", "o_cp")),
            *(f"{one[key]:.2f}" for key in ("distinct", "noise_norm")),
            f"{100 * one['corrected_wer']:.2f}",
            f"{100 * one['relative_reduction']:.1f} % ({_percent(one['reduction_interval'])})",
            f"{one['better']} / {one['worse']}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(interval: list[float]) -> str:
    return "..".join(f"{100 * end:.2f}" for end in interval)


def _order(name: str) -> tuple[int, float, str]:
    """Clean first, then from quiet noise to loud, then the groups."""
    if name == "clean":
        return 0, 0.0, name
    return (1, -float(name), name) if name.lstrip("-").isdigit() else (2, 0.0, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lists", nargs="+")
    parser.add_argument("--corrections", nargs="*", default=[])
    parser.add_argument("--normalizer", default="number")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    lists = [nbest for file in arguments.lists for nbest in load_nbest(file)]
    corrections: dict[str, str] = {}
    for file in arguments.corrections:
        corrections |= load_corrections(file)
    norms = noise_norms(lists)
    groups: dict[str, list[NBest]] = defaultdict(list)
    for nbest in lists:
        groups[condition(nbest)].append(nbest)
        if condition(nbest) in ("0", "5", "10"):
            groups["0, 5 and 10"].append(nbest)
        if condition(nbest) == "0":
            groups[f"0, {nbest.meta['noise'].rpartition('-')[0]}"].append(nbest)
    order = sorted(groups, key=_order)
    rows = {name: row(groups[name], corrections, norms, arguments.normalizer) for name in order}
    print(table(rows, arguments.normalizer))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

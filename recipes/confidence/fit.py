"""Fits the word confidences of a corrector, and measures them on lists that were not used for it.

    python recipes/confidence/fit.py HYPORADISE [--plot confidence.png] [--record confidence.json]

HYPORADISE is the folder with the N-best lists. The first 25 lists of each domain's `dev` file measure. By default the
model is fitted on the next 50 `dev` lists of each domain, whose references differ from all of those. The `train` lists
are not used by default, because the preset was trained on them: there it makes fewer errors than elsewhere.

A word of a corrected text is right if it stands in the reference at its place (Levenshtein alignment). The coefficients
are printed as the content of `confidence.yaml`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rapidfuzz.distance import Levenshtein

from robustger.correction import Corrector
from robustger.correction.confidence import UNJUDGED, ConfidenceModel, WordEvidence, word_evidence
from robustger.hypotheses import NBest, Transcript, load_nbest

DOMAINS = ("chime4", "cv", "lrs2", "td3", "swbd", "wsj", "ls_other", "atis")
MEASURED, FITTED, SEED = 25, 50, 22
PENALTY = 1.0  # of the squared coefficients, the intercept left out
BINS = 10


class Unjudged(ConfidenceModel):
    """Leaves the confidence that the language model gives, the geometric mean of its tokens' probabilities."""

    def judged(self, transcript: Transcript, nbest: NBest) -> Transcript:
        return transcript


@dataclasses.dataclass(frozen=True)
class JudgedWords:
    """The words of the corrections of some lists.

    Attributes:
        evidence: what is known about each word.
        right: whether each word is right, (W,).
        lists: the number of each word's list, (W,).
        before: the confidence of the language model in the whole text of each word, (W,).
    """

    evidence: list[WordEvidence]
    right: np.ndarray
    lists: np.ndarray
    before: np.ndarray


def judged_words(lists: Sequence[NBest], transcripts: Sequence[Transcript]) -> JudgedWords:
    """The words of all texts that something judged, compared with the references."""
    evidence, right, numbers, before = [], [], [], []
    for number, (nbest, transcript) in enumerate(zip(lists, transcripts, strict=True)):
        if transcript.source in UNJUDGED or nbest.reference is None:
            continue
        words = transcript.text.split()
        held = set[int]()
        for block in Levenshtein.opcodes(words, nbest.reference.split()):
            if block.tag == "equal":
                held.update(range(block.src_start, block.src_end))
        evidence += word_evidence(transcript.text, nbest, transcript.confidence)
        right += [place in held for place in range(len(words))]
        numbers += [number] * len(words)
        before += [transcript.confidence] * len(words)
    return JudgedWords(evidence, np.array(right, float), np.array(numbers), np.array(before))


def fit(words: JudgedWords) -> ConfidenceModel:
    """The logistic model of the greatest penalized likelihood, by Newton's method."""
    names = list(ConfidenceModel.model_fields)
    rows = np.array([[1.0, *(float(getattr(one, name)) for name in names[1:])] for one in words.evidence])
    penalty = np.array([0.0] + [PENALTY] * (len(names) - 1))
    weights = np.zeros(len(names))
    for _ in range(100):
        probabilities = 1 / (1 + np.exp(-rows @ weights))
        gradient = rows.T @ (probabilities - words.right) + penalty * weights
        curvature = (rows.T * (probabilities * (1 - probabilities))) @ rows + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    return ConfidenceModel(**{name: round(float(w), 2) for name, w in zip(names, weights, strict=True)})


def calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error over ten bins of equal width (Naeini et al., 2015)."""
    rows = reliability(confidences, right)
    return sum(count * abs(mean - share) for mean, share, count in rows) / len(right)


def reliability(confidences: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """Mean confidence, share of right words and number of words of each bin that is not empty."""
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        (float(confidences[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum()))
        for b in range(BINS)
        if (bins == b).any()
    ]


def figures(words: JudgedWords, confidences: np.ndarray) -> dict[str, Any]:
    """Calibration error, Brier score and discrimination of confidences, with intervals over the lists."""
    edited = np.array([one.edited for one in words.evidence])
    held = np.array([one.share > 0 for one in words.evidence])
    measures = {"ece": calibration_error, "brier": lambda c, r: float(((c - r) ** 2).mean()), "auc": auc}
    generator = np.random.default_rng(SEED)
    members = [np.flatnonzero(words.lists == number) for number in np.unique(words.lists)]
    draws = [
        np.concatenate([members[k] for k in generator.integers(len(members), size=len(members))])
        for _ in range(1000)
    ]
    found: dict[str, Any] = {
        name: {
            "value": measure(confidences, words.right),
            "interval": [
                float(end)
                for end in np.percentile(
                    [measure(confidences[d], words.right[d]) for d in draws], [2.5, 97.5]
                )
            ],
        }
        for name, measure in measures.items()
    }
    for name, chosen in (("all", held | ~held), ("edited", edited), ("in no hypothesis", ~held)):
        if chosen.any():
            found[name] = {
                "words": int(chosen.sum()),
                "right": float(words.right[chosen].mean()),
                "confidence": float(confidences[chosen].mean()),
            }
    found["reliability"] = reliability(confidences, words.right)
    return found


def auc(confidences: np.ndarray, right: np.ndarray) -> float:
    """The probability that a right word has a higher confidence than a wrong one; a tie counts half."""
    good, bad = np.sort(confidences[right == 1]), confidences[right == 0]
    if not good.size or not bad.size:
        return float("nan")
    below = (np.searchsorted(good, bad, "left") + np.searchsorted(good, bad, "right")) / 2
    return float(1 - below.mean() / good.size)


def chosen_lists(folder: Path, split: str) -> tuple[list[NBest], list[NBest]]:
    """The lists to fit on and the lists to measure on."""
    measured = [nbest for d in DOMAINS for nbest in load_nbest(folder / f"{d}.dev.jsonl")[:MEASURED]]
    ids, references = {nbest.id for nbest in measured}, {nbest.reference for nbest in measured}
    fitted = []
    for domain in DOMAINS:
        others = [
            nbest
            for nbest in load_nbest(folder / f"{domain}.{split}.jsonl")
            if nbest.reference not in references and (split == "train" or nbest.id not in ids)
        ]
        fitted += others[:FITTED]
    return fitted, measured


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """The reliability of the words' confidences, before and after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    titles = ("before: of the language model, per text", "after: calibrated, per word")
    for axes, title, result in zip(panels, titles, results.values(), strict=True):
        axes.plot((0, 1), (0, 1), color="#999999", linewidth=1, linestyle="--")
        means, shares, counts = zip(*result["reliability"], strict=True)
        axes.plot(means, shares, color="#0072b2", linewidth=1)
        axes.scatter(means, shares, s=[8 + 3 * count**0.5 for count in counts], color="#0072b2")
        for mean, share, count in result["reliability"]:
            axes.annotate(
                str(count), (mean, share), (0, -13), textcoords="offset points", fontsize=7, ha="center"
            )
        axes.set(
            xlim=(0, 1.02),
            ylim=(0, 1.05),
            xlabel="confidence",
            title=f"{title}\nECE {result['ece']['value']:.3f}",
        )
    panels[0].set_ylabel("share of words that are right")
    figure.savefig(path, dpi=90)


def main() -> None:
    """Corrects the lists, fits, measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the lists of HyPoradise")
    parser.add_argument("--checkpoint", default="whisper", help="checkpoint or preset (default: whisper)")
    parser.add_argument("--fit-on", choices=("dev", "train"), default="dev", help="the split to fit on")
    parser.add_argument("--plot", type=Path, help="PNG file of the reliability plot")
    parser.add_argument("--record", type=Path, help="JSON file with settings and figures")
    options = parser.parse_args()

    fitted, measured = chosen_lists(options.folder, options.fit_on)
    corrector = Corrector.from_pretrained(options.checkpoint)
    corrector.confidence = Unjudged()
    model = fit(judged_words(fitted, corrector.correct(fitted)))
    words = judged_words(measured, corrector.correct(measured))
    after = np.array([model.probability(one) for one in words.evidence])
    results = {"before": figures(words, words.before), "after": figures(words, after)}
    print(yaml.safe_dump(model.model_dump(), sort_keys=False))
    for name, result in results.items():
        print(name, {key: value for key, value in result.items() if key != "reliability"})
    if options.plot is not None:
        draw(results, options.plot)
    if options.record is not None:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
        ).stdout.strip()
        settings = {
            "commit": commit,
            "checkpoint": options.checkpoint,
            "fitted_on": f"{len(fitted)} {options.fit_on} lists",
            "measured_on": f"{len(measured)} dev lists",
            "seed": SEED,
            "model": model.model_dump(),
        }
        text = json.dumps({"settings": settings, "figures": results}, indent=1)
        options.record.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

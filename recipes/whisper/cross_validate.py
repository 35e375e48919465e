"""Cross-validates the decision of a corrector's guard `heard` on N-best files, and prints a row for each file.

    python recipes/whisper/cross_validate.py CHECKPOINT LISTS.jsonl...

The lists are divided by speaker or sentence into five parts. The weights of each part are fitted to the other four. The
threshold is the one that `robustger calibrate` takes for these lists, so it has seen all five. Lists in which the
1-best loops, and lists in other languages, are left out, because nothing is decided there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from robustger.correction import Corrector
from robustger.correction.calibrated import EVIDENCE_OF, judged_lists
from robustger.correction.calibration import SPLITS, JudgedList, calibrate, fit
from robustger.correction.weighing import weigh
from robustger.hypotheses import load_nbest
from robustger.text import get_normalizer

NORMALIZE = get_normalizer("number")


def main() -> None:
    corrector = Corrector.from_pretrained(sys.argv[1])
    files = [Path(name) for name in sys.argv[2:]]
    lists: list[JudgedList] = []
    names: list[str] = []
    for file in files:
        found = judged_lists(corrector, load_nbest(file))
        lists += found
        names += [file.stem] * len(found)
    scored = lists[0].candidates[0].recognizer is not None
    evidence = EVIDENCE_OF["scored" if scored else "unscored"]
    chosen = calibrate(lists, evidence=evidence, normalize=NORMALIZE).weights
    print(f"weights and threshold for all of them: {chosen}")
    groups = sorted({one.group for one in lists})
    fold_of = {group: number % SPLITS for number, group in enumerate(groups)}
    wrong = [[errors(text.text, one.reference) for text in one.candidates] for one in lists]
    totals = {name: [0, 0, 0] for name in dict.fromkeys(names)}  # words, errors before, errors after
    for fold in range(SPLITS):
        inside = [place for place, one in enumerate(lists) if fold_of[one.group] != fold]
        weights = fit([lists[place] for place in inside], [wrong[place] for place in inside], evidence)
        for place, one in enumerate(lists):
            if fold_of[one.group] == fold:
                text, _ = weigh(one.candidates, weights, chosen.min_gain)
                sums = totals[names[place]]
                sums[0] += len(NORMALIZE(one.reference).split())
                sums[1] += wrong[place][0]
                sums[2] += errors(text, one.reference)
    totals["total"] = [sum(column) for column in zip(*totals.values(), strict=True)]
    for name, (words, before, after) in totals.items():
        change = 100 * (after / max(before, 1) - 1)
        print(
            f"| {name} | {words:,} | {100 * before / words:.2f} | {100 * after / words:.2f} | {change:+.1f} |"
        )


def errors(text: str, reference: str) -> int:
    return Levenshtein.distance(NORMALIZE(text).split(), NORMALIZE(reference).split())


if __name__ == "__main__":
    main()

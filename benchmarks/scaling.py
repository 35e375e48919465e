"""Time against the length of the hypotheses, their number and the batch size: python benchmarks/scaling.py [--quick]

The lengths and batch sizes are measured with the preset `whisper`. A trained corrector cannot change the number of
hypotheses. So for these numbers, an untrained corrector on the same language model is used, and the times are those of
E_LN and of one pass over the prompt and the 1-best.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.corpus import exponent
from benchmarks.lists import distinct_lists
from benchmarks.timing import FASTER, Row, as_json, seconds, significant

from robustger.correction import Corrector, CorrectorConfig
from robustger.hypotheses import NBest

WORDS = (5, 20, 80)
HYPOTHESES = (2, 5, 10)
BATCHES = (1, 4, 16)


def lists_of_words(count: int, words: int) -> list[NBest]:
    """Lists whose hypotheses have this many words each: those of other lists one behind the other, cut there."""
    found = []
    waiting = iter(distinct_lists(count * (words + 1)))
    for number in range(count):
        texts: list[list[str]] = [[] for _ in range(5)]
        while min(map(len, texts)) < words:
            parts = next(waiting).texts
            for place, text in enumerate(texts):
                text += parts[min(place, len(parts) - 1)].split()
        found.append(NBest.from_texts(f"{number}", [" ".join(text[:words]) for text in texts]))
    return found


def lists_of_hypotheses(count: int, n: int) -> list[list[str]]:
    """Lists of n hypotheses: those there are, and the same without their last words."""
    return [
        [
            " ".join(words[: len(words) - turn])
            for turn in range(n)
            for words in map(str.split, nbest.texts[:5])
        ][:n]
        for nbest in distinct_lists(count)
    ]


def curve(
    sizes: Sequence[int], prepare: Callable[[int], Callable[[], object]], rounds: int
) -> list[list[float]]:
    """Seconds of what is prepared for every size, in turns: one row a round."""
    runs = [prepare(size) for size in sizes]
    runs[0]()  # what happens on first use is not what is measured
    return [[seconds(run) for run in runs] for _ in range(rounds)]


def _points(key: str, sizes: Sequence[int], rows: Sequence[Sequence[float]], lists: int) -> dict[str, Any]:
    """For a row's details: the median seconds per list of every size."""
    medians = [sorted(column)[len(column) // 2] / lists for column in zip(*rows, strict=True)]
    points = [{key: size, "seconds": significant(each)} for size, each in zip(sizes, medians, strict=True)]
    return {"points": points, "lists": lists}


def by_words(corrector: Corrector, sizes: Sequence[int], lists: int, rounds: int) -> Row:
    def prepare(words: int) -> Callable[[], object]:
        made = lists_of_words(lists, words)
        return lambda: corrector.correct(made)

    rows = curve(sizes, prepare, rounds)
    return Row(
        "g",
        f"power of the words in a hypothesis, {sizes[0]} to {sizes[-1]}",
        "1: twice the words, twice the time",
        tuple(exponent(list(zip(sizes, row, strict=True))) for row in rows),
        "exponent",
        details=_points("words", sizes, rows, lists),
    )


def by_hypotheses(base: str, sizes: Sequence[int], lists: int, rounds: int) -> Row:
    def prepare(n: int) -> Callable[[], object]:
        corrector = Corrector.create(CorrectorConfig(base=base, n_best=n), device="cpu")
        made = lists_of_hypotheses(lists, n)
        read = [
            torch.tensor([[*corrector.prompt_tokens(texts), *corrector.answer_tokens(texts[0])]])
            for texts in made
        ]

        def once() -> None:
            corrector.renew_noise()
            for tokens, noise in zip(read, corrector.noise_embedding(made), strict=True):
                corrector.logits(tokens, noise[None])

        return once

    rows = list(zip(*(curve([n], prepare, rounds) for n in sizes), strict=True))  # one model at a time
    flat = [[value for part in row for value in part] for row in rows]
    return Row(
        "g",
        f"power of the hypotheses in a list, {sizes[0]} to {sizes[-1]}",
        "1: twice the hypotheses, twice the time",
        tuple(exponent(list(zip(sizes, row, strict=True))) for row in flat),
        "exponent",
        details=_points("hypotheses", sizes, flat, lists),
    )


def by_batch(corrector: Corrector, sizes: Sequence[int], lists: int, rounds: int) -> Row:
    made = distinct_lists(lists)

    def prepare(batch_size: int) -> Callable[[], object]:
        return lambda: corrector.correct(made, batch_size=batch_size)

    rows = curve(sizes, prepare, rounds)
    return Row(
        "g",
        f"batches of {sizes[-1]}",
        f"batches of {sizes[0]}",
        tuple(row[0] / row[-1] for row in rows),
        FASTER,
        details=_points("batch size", sizes, rows, lists),
    )


def measure(quick: bool) -> list[Row]:
    """How time grows with the words and the hypotheses of a list, and shrinks with the batch size."""
    corrector = Corrector.from_pretrained("whisper", device="cpu")
    rounds = 1 if quick else 2
    rows = [
        by_words(corrector, WORDS[:2] if quick else WORDS, 1 if quick else 3, rounds),
        by_batch(corrector, BATCHES[:2] if quick else BATCHES, 2 if quick else 16, rounds),
    ]
    base = corrector.config.base
    del corrector
    return [*rows, by_hypotheses(base, HYPOTHESES[:2] if quick else HYPOTHESES, 1 if quick else 3, rounds)]


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draws the points of the rows that have some, both axes logarithmic, as PNG."""
    from matplotlib.figure import Figure

    drawn = [row for row in rows if "points" in row.details]
    figure = Figure(figsize=(4 * len(drawn), 3.5), layout="constrained")
    for axes, row in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        points: Any = row.details["points"]
        key = next(iter(points[0]))
        x, y = ([point[name] for point in points] for name in (key, "seconds"))
        axes.loglog(x, y, "o-")
        axes.set_xticks(x, [f"{each:g}" for each in x])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(key)
        axes.set_ylabel("seconds" if key == "lists" else "seconds per list")
        if row.unit == "exponent":
            axes.loglog(x, [y[0] * each / x[0] for each in x], ":", color="gray", label="power 1")
            axes.set_title(f"power {row.median:.2f}")
            axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    print(as_json(measure("--quick" in sys.argv[1:]), benchmark="scaling"), end="")

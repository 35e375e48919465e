"""Measures what longer lists and wider beams could save, and what they cost.

Short lists are cut from the test lists. For the width of the beam, some of the recordings are recognized again with
each width. Where the recordings or the recognizer are missing, that part is left out, and the output says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robustger.correction.prompt import compact_prompt
from robustger.errors import InputError
from robustger.evaluation.measured import COUNTED, Measured, error_counts, mean, ratio
from robustger.evaluation.tables import Table
from robustger.experiments.conditions import sentence
from robustger.experiments.experiment import NORMALIZER, Context, Experiment, Findings
from robustger.experiments.systems.beam_sweep import MOST, Sweep, sweep
from robustger.hypotheses import NBest

COMPARED_SIZE = 5  # hypotheses of a list at which widths are compared
TIMED = 200  # lists whose noise embedding is timed

SystemRates = dict[str, Measured]
"""The WER of each of `COUNTED`, as a fraction."""


def cut_rates(lists: Sequence[NBest], n: int) -> SystemRates:
    """The WER of the 1-best and of the oracles over the first `n` hypotheses of each list."""
    cut = [NBest.from_texts(nbest.id, nbest.texts[:n], reference=nbest.reference) for nbest in lists]
    errors, words = error_counts(cut, NORMALIZER)
    units = [sentence(nbest) for nbest in lists]
    return {name: ratio(values, words, units) for name, values in errors.items()}


def errors_left(lists: Sequence[NBest], n: int) -> SystemRates:
    """The errors of the oracles over the first `n` hypotheses, as a fraction of the errors of the 1-best."""
    cut = [NBest.from_texts(nbest.id, nbest.texts[:n], reference=nbest.reference) for nbest in lists]
    errors, _ = error_counts(cut, NORMALIZER)
    units = [sentence(nbest) for nbest in lists]
    return {name: ratio(errors[name], errors["best"], units) for name in ("o_nb", "o_cp")}


def prompt_words(lists: Sequence[NBest], n: int) -> Measured:
    """The number of words of the prompt `compact` with the first `n` hypotheses."""
    lengths = [len(compact_prompt(nbest.texts[:n]).split()) for nbest in lists]
    return mean(lengths, map(sentence, lists))


def embedding_milliseconds(lists: Sequence[NBest], n: int) -> float:
    """CPU milliseconds of the noise embedding of a list's first `n` hypotheses, starting with an empty cache."""
    from robustger.noise.embedding import NoiseEmbedder
    from robustger.noise.extractors import SentenceBert

    embed = NoiseEmbedder(SentenceBert(device="cpu"), n=n)
    texts = [nbest.texts for nbest in lists]
    began = time.process_time()
    embed(texts)
    return 1000 * (time.process_time() - began) / len(texts)


def size_table(
    lists: Sequence[NBest], by_size: dict[int, SystemRates], costs: dict[int, dict[str, float]]
) -> Table:
    """The table of list sizes, a row for each."""
    rows = []
    for n, found in by_size.items():
        cost = costs[n]
        milliseconds = f"{cost['milliseconds']:.1f}" if "milliseconds" in cost else ""
        cells = [found[name].percent().cell(2) for name in ("o_nb", "o_cp")]
        rows.append((str(n), *cells, str(n * (n - 1)), f"{cost['prompt_words']:.1f}", milliseconds))
    best = by_size[1]["best"].percent().cell(2)
    return Table(
        f"Size of the list: {len(lists):,} lists, WER of the 1-best {best} %",
        ("N", "o_nb (WER, %)", "o_cp (WER, %)", "rows of E_LN", "words of the prompt", "E_LN, CPU ms a list"),
        tuple(rows),
        notes=f"Normalizer {NORMALIZER}. 95 % intervals from a bootstrap over sentences. The noise embedding is timed "
        f"over at most {TIMED} lists in one call, in which words and sentences that recur are embedded once.",
    )


def beam_table(sweeps: Sequence[Sweep], by_beams: dict[int, SystemRates], agreement: float) -> Table:
    """The table of beam widths, a row for each."""
    rows = tuple(
        (
            str(one.beams),
            *(by_beams[one.beams][name].percent().cell(2) for name in COUNTED),
            f"{np.mean(one.distinct):.2f} of {min(one.beams, MOST)}",
            f"{one.cost:.3f}",
        )
        for one in sweeps
    )
    first = sweeps[0]
    return Table(
        f"Width of the beam: {len(first.lists)} recordings, {first.audio_seconds / 60:.1f} minutes",
        ("beams", *(f"{name} (WER, %)" for name in COUNTED.values()), "distinct", "CPU s a second of audio"),
        rows,
        notes=f"Oracles over the first {COMPARED_SIZE} hypotheses (fewer with fewer beams). Normalizer {NORMALIZER}. "
        "95 % intervals from a bootstrap over sentences. With one of these widths, "
        f"{100 * agreement:.1f} % of the 1-bests are those of the lists that are tested on.",
    )


def same_best(sweeps: Sequence[Sweep], lists: Sequence[NBest]) -> float:
    """The largest share, over all widths, of 1-bests that equal those of the given lists."""
    known = {nbest.id: nbest.best for nbest in lists}
    return max(float(np.mean([known[nbest.id] == nbest.best for nbest in one.lists])) for one in sweeps)


def _nbest_size(context: Context) -> Findings:
    """Cuts all test lists, and recognizes some of the recordings again."""
    from robustger.experiments.figures.nbest_size_plots import by_size_plot, by_width_plot

    lists = [nbest for part in context.data.test_lists(context.quick).values() for nbest in part]
    sizes = range(1, max(len(nbest.hypotheses) for nbest in lists) + 1)
    by_size = {n: cut_rates(lists, n) for n in sizes}
    costs: dict[int, dict[str, float]] = {n: {"prompt_words": prompt_words(lists, n).value} for n in sizes}
    if len(sizes) > 1:
        embedding_milliseconds(lists[:5], 2)  # loads the model, which is not to be timed
    for n in sizes[1:]:
        costs[n]["milliseconds"] = embedding_milliseconds(lists[:TIMED], n)
    tables = [size_table(lists, by_size, costs)]
    figures: dict[str, Callable[[], Any]] = {}
    results: dict[str, Any] = {
        "normalizer": NORMALIZER,
        "lists": len(lists),
        "sizes": [{"n": n} | _json(by_size[n]) | costs[n] for n in sizes],
    }
    notes = []
    sweeps: list[Sweep] = []
    try:
        sweeps = sweep(context)
    except InputError as error:
        notes.append(f"The width of the beam was not measured: {error}.")
    left = {"": {n: errors_left(lists, n) for n in sizes}}
    if sweeps:
        by_beams = {one.beams: cut_rates(one.lists, COMPARED_SIZE) for one in sweeps}
        widest, given = sweeps[-1], _of_same(context, sweeps[-1])
        agreement = same_best(sweeps, given)
        tables.append(beam_table(sweeps, by_beams, agreement))
        # Both curves show the same recordings, because part of a test may be easier than the whole.
        left = {"": {n: errors_left(given, n) for n in sizes}}
        left[f", {widest.beams} beams"] = {
            n: errors_left(widest.lists, n) for n in range(1, min(widest.beams, MOST) + 1)
        }
        notes.append(
            "The figure of N shows the recordings that were recognized again: solid with their own lists, dashed with "
            f"{widest.beams} beams."
        )
        figures["-beams"] = lambda: by_width_plot(by_beams, {one.beams: one.cost for one in sweeps})
        results |= {
            "beams": [
                {
                    "beams": one.beams,
                    "cpu_seconds_a_second": one.cost,
                    "distinct": float(np.mean(one.distinct)),
                }
                | _json(by_beams[one.beams])
                for one in sweeps
            ],
            "recordings": len(sweeps[0].lists),
            "same_1_best_as_the_lists": agreement,
        }
    if len(sizes) > 1:
        figures[""] = lambda: by_size_plot(left)
    return Findings(results, tuple(tables), figures, notes=tuple(notes))


def _of_same(context: Context, found: Sweep) -> list[NBest]:
    """The test lists of the recordings that were recognized again, in their order."""
    known = {nbest.id: nbest for part in context.data.test_lists().values() for nbest in part}
    return [known[nbest.id] for nbest in found.lists]


def _json(found: SystemRates) -> dict[str, Any]:
    return {"wer": {name: value.to_json_dict() for name, value in found.items()}}


NBEST_SIZE = Experiment(
    "nbest-size",
    "size of the list and width of the beam against what the lists could save, and their cost",
    _nbest_size,
)

"""Case studies (the paper's Table 5): one utterance through every system.

The paper shows an utterance that RobustGER gets right and GER does not. Such an utterance exists for almost any two
systems. So this table shows two utterances, the one with the largest gain and the one with the largest loss, and counts
gains and losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustger.experiments.experiment import NORMALIZER, Context, Experiment, Findings, Needs, word_errors
from robustger.experiments.measures.scoreboard import BEST
from robustger.experiments.systems.correctors import test_sets
from robustger.experiments.tables.case_study import Case, as_page, as_table, as_text
from robustger.experiments.tables.table1 import FULL, GER, TRAINED_ARMS, UNDISTILLED, systems_of
from robustger.hypotheses import NBest


def errors_of(
    lists: Sequence[NBest], texts: Mapping[str, str], normalizer: str = NORMALIZER
) -> dict[str, int]:
    """The number of word errors of one system in each list, by list id."""
    ids = [nbest.id for nbest in lists]
    return dict(zip(ids, word_errors(lists, [texts[id_] for id_ in ids], normalizer), strict=True))


def extremes(base: Mapping[str, int], new: Mapping[str, int]) -> tuple[str | None, str | None]:
    """The ids of the utterances where the new system gains most errors against the base, and where it loses most.

    Among equal utterances the one in which the better system has fewer errors is taken, then the first by id. None
    stands for an utterance that does not exist.

    Args:
        base: errors of one system by list id.
        new: errors of the other system by list id.
    """

    def most(one: Mapping[str, int], other: Mapping[str, int]) -> str | None:
        found = [id_ for id_ in one if other[id_] < one[id_]]
        return min(found, key=lambda id_: (other[id_] - one[id_], other[id_], id_)) if found else None

    return most(base, new), most(new, base)


def cases(lists: Sequence[NBest], texts: Mapping[str, Mapping[str, str]], base: str, new: str) -> list[Case]:
    """The utterances where the new system gains most against the base, and where it loses most.

    Args:
        lists: all with a reference.
        texts: by system and list id; the 1-best may be missing.
        base: a system, or "1-best".
        new: a system.
    """
    known = {BEST: {nbest.id: nbest.best for nbest in lists}, **texts}
    before, after = errors_of(lists, known[base]), errors_of(lists, known[new])
    better = sum(after[id_] < before[id_] for id_ in before)
    worse = sum(after[id_] > before[id_] for id_ in before)
    found = []
    by_id = {nbest.id: nbest for nbest in lists}
    for id_, word in zip(extremes(before, after), ("fewer", "more"), strict=True):
        if id_ is not None:
            most = f"{abs(after[id_] - before[id_])} {word}"
            why = (
                f"Chosen for the largest difference: {new} has {most} errors than {base}. Of {len(lists):,} utterances "
                f"it has fewer in {better:,} and more in {worse:,}."
            )
            written = {name: given[id_] for name, given in texts.items()}
            found.append(Case.of(by_id[id_], written, why, NORMALIZER))
    return found


def hardest(lists: Sequence[NBest], texts: Mapping[str, Mapping[str, str]], base: str, new: str) -> Case:
    """The utterance in which the 1-best has most errors, for systems that do not differ; the first by id of several."""
    errors = errors_of(lists, {nbest.id: nbest.best for nbest in lists})
    nbest = min(lists, key=lambda nbest: (-errors[nbest.id], nbest.id))
    why = (
        f"Chosen for the most errors of the 1-best: {new} has as many errors as {base} in each of {len(lists):,} "
        "utterances."
    )
    return Case.of(nbest, {name: given[nbest.id] for name, given in texts.items()}, why, NORMALIZER)


def _case_studies(context: Context) -> Findings:
    """Shows two utterances of the lists that trainings were tested on."""
    lists = [nbest for part in test_sets(context).values() for nbest in part]
    systems, _, notes = systems_of(context)
    texts = {system.name: system.texts[0] for system in systems}
    wanted = (FULL, UNDISTILLED, *context.checkpoints, GER)
    new = next((name for name in wanted if name in texts), list(texts)[-1])
    base = GER if new in (FULL, UNDISTILLED) and GER in texts else BEST
    found = cases(lists, texts, base, new) or [hardest(lists, texts, base, new)]
    title = "One utterance through every system"
    return Findings(
        results={
            "compared": [base, new],
            "normalizer": NORMALIZER,
            "utterances": len(lists),
            "cases": [
                {
                    "id": case.nbest.id,
                    "reference": case.nbest.reference,
                    "hypotheses": list(case.nbest.texts),
                    "texts": {name: given[case.nbest.id] for name, given in texts.items()},
                    "errors": {name: case.errors(name) for name in case.systems},
                    "words": case.words,
                    "why": case.why,
                }
                for case in found
            ],
        },
        tables=tuple(map(as_table, found)),
        pages={
            "table5.html": as_page(found, title),
            "table5.txt": "\n\n".join(map(as_text, found)),
        },
        notes=tuple(notes),
    )


TABLE5 = Experiment(
    "table5",
    "case study: one utterance through every system, with differences marked (the paper's Table 5)",
    _case_studies,
    needs=lambda scale: Needs(arms=TRAINED_ARMS),
)

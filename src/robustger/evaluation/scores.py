"""Word errors of the 1-best, the oracles and the corrections, by utterance and normaliser."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from robustger.errors import InputError
from robustger.evaluation.alignment import Alignment, align
from robustger.evaluation.fields import MISSING, Group, Grouping, known_fields
from robustger.evaluation.matched_pairs import segment_differences
from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.units import Unit
from robustger.evaluation.wer import IntArray, UtteranceErrors
from robustger.hypotheses import NBest
from robustger.text import get_normalizer


@dataclass(frozen=True, slots=True)
class Pairing:
    """The corrections beside a base, by utterance; every array of shape (utterances,).

    Attributes:
        changed: whether the normalised correction differs from the base's normalised text.
        segments: segments of the matched-pairs test (see `robustger.evaluation.matched_pairs`).
        squares: sum over these of the squared difference in errors.
    """

    changed: NDArray[np.bool_]
    segments: IntArray
    squares: IntArray

    def take(self, rows: IntArray) -> Pairing:
        """The same of some of the utterances, by their numbers."""
        return Pairing(self.changed[rows], self.segments[rows], self.squares[rows])


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts under one normaliser, every array of shape (utterances,), in input order.

    Attributes:
        texts: errors of the systems that wrote one text per utterance: `best`, and with corrections `corrected`
            and perhaps `against`.
        oracles: errors of `o_nb` (the best hypothesis of each list) and `o_cp` (the compositional oracle).
        pairings: the corrections beside `best` and beside `against`.
    """

    texts: Mapping[str, UtteranceErrors]
    oracles: Mapping[str, IntArray]
    pairings: Mapping[str, Pairing]

    @property
    def words(self) -> IntArray:
        """Reference words of each utterance."""
        return self.texts["best"].words

    def errors(self) -> dict[str, IntArray]:
        """Errors by system: best, o_nb, o_cp, and with corrections corrected and against."""
        systems = {name: errors.errors for name, errors in self.texts.items()}
        return {"best": systems.pop("best"), **self.oracles, **systems}

    def take(self, rows: IntArray) -> Scores:
        """The counts of some of the utterances, by their numbers."""
        return Scores(
            {name: errors.take(rows) for name, errors in self.texts.items()},
            {name: errors[rows] for name, errors in self.oracles.items()},
            {name: pairing.take(rows) for name, pairing in self.pairings.items()},
        )


@dataclass(frozen=True, slots=True)
class ScoredLists:
    """All that is kept of the lists that were scored.

    Attributes:
        ids: of the lists, in input order.
        scores: the counts by normaliser.
        without_reference: lists left out because they have no reference.
        clusters: what is resampled whole, one number per utterance; None where that is the utterance.
        groups: the group of each utterance, by field.
        known_fields: names of fields that the lists have.
    """

    ids: Sequence[str]
    scores: Mapping[str, Scores]
    without_reference: int
    clusters: IntArray | None
    groups: Mapping[str, Sequence[Group]]
    known_fields: frozenset[str]


def score_lists(
    lists: Iterable[NBest],
    corrections: Mapping[str, str] | None,
    normalizers: Sequence[str],
    *,
    against: Mapping[str, str] | None = None,
    unit: Unit,
    groupings: Sequence[Grouping] = (),
    cluster: Grouping | None = None,
    where: str = "",
) -> ScoredLists:
    """Score every list that has a reference; the lists are read once and may stream.

    Args:
        lists: N-best lists; those without a reference are left out and counted.
        corrections: corrected text by list id, or None.
        normalizers: names of the normalisers.
        against: another system's corrections of the same lists; only with `corrections`.
        unit: what is counted.
        groupings: what the utterances are grouped by.
        cluster: the field whose values are resampled whole.
        where: what the lists are, put before error messages ("chime4: ").

    Raises:
        InputError: no list has a reference; a field to group by that names no group, or a cluster's field that a
            list lacks; or, with corrections: an id occurs twice, a scored list has no correction, a correction
            belongs to no list, a correction is not a string, or the two systems cover different utterances.
    """
    functions = {name: get_normalizer(name) for name in normalizers}
    systems = {"corrections": corrections, "against": against}
    given = {name: texts for name, texts in systems.items() if texts is not None}
    counts = {name: array("q") for name in functions}
    groups: dict[str, list[Group]] = {grouping.field: [] for grouping in groupings}
    clusters, numbers = array("q"), dict[Group, int]()
    unclustered: list[str] = []
    known: set[str] = set()
    ids: dict[str, bool] = {}  # with corrections: whether the list has a reference
    scored: list[str] = []
    without_reference = 0
    for nbest in lists:
        if given:
            if nbest.id in ids:
                raise InputError(
                    f"{where}id {nbest.id!r} occurs twice, so corrections cannot be matched; make ids unique"
                )
            ids[nbest.id] = nbest.reference is not None
        if nbest.reference is None:
            without_reference += 1
            continue
        if any(nbest.id not in texts for texts in given.values()):
            continue  # refused below, with all the others
        texts = [nbest.best, *(_text(texts[nbest.id], nbest.id, where) for texts in given.values())]
        for name, normalize in functions.items():
            tokens = cache(lambda text, to=normalize: tuple(unit.split(to(text))))
            counts[name].extend(_score_list(nbest.reference, nbest.texts, texts, tokens))
        scored.append(nbest.id)
        known.update(known_fields(nbest))
        for grouping in groupings:
            groups[grouping.field].append(grouping.group(nbest, unit))
        if cluster is not None:
            value = cluster.group(nbest, unit)
            if value == MISSING:
                unclustered.append(nbest.id)
            clusters.append(numbers.setdefault(value, len(numbers)))
    _check_ids(ids, given, where)
    if not scored:
        read = (
            f"none of the {without_reference} lists has a reference"
            if without_reference
            else "there are no lists"
        )
        raise InputError(f"{where}{read}, so there is nothing to score; give lists with a 'reference'")
    if cluster is not None and unclustered:
        raise InputError(
            f"{where}{len(unclustered)} lists lack the field {cluster.field!r} to resample by ({_first(unclustered)}); "
            "give it to all of them, or choose another field"
        )
    return ScoredLists(
        ids=scored,
        scores={name: _as_scores(values, list(given)) for name, values in counts.items()},
        without_reference=without_reference,
        clusters=None if cluster is None else np.array(clusters, dtype=np.int64),
        groups=groups,
        known_fields=frozenset(known),
    )


def _text(text: object, id_: str, where: str) -> str:
    if not isinstance(text, str):
        raise InputError(f"{where}the correction of {id_!r} is not a string; give the corrected text")
    return text


def _score_list(
    reference: str,
    hypotheses: Sequence[str],
    texts: Sequence[str],
    tokens: Callable[[str], tuple[str, ...]],
) -> Iterator[int]:
    """The counts of one list, in the order `_as_scores` reads."""
    truth = tokens(reference)

    @cache
    def aligned(text: tuple[str, ...]) -> Alignment:
        return align(truth, text)

    distinct = dict.fromkeys(map(tokens, hypotheses))  # normalising makes many hypotheses equal
    yield len(truth)
    yield n_best_errors(truth, distinct)
    yield compositional_errors(truth, distinct)
    written = [tokens(text) for text in texts]
    for text in written:
        yield from aligned(text).edits
    if len(written) > 1:
        corrected = written.pop(1)
        for base in written:
            differences = segment_differences(aligned(base), aligned(corrected))
            yield base != corrected
            yield len(differences)
            yield sum(difference**2 for difference in differences)


def _as_scores(values: array[int], given: Sequence[str]) -> Scores:
    texts = ["best", *("corrected" if name == "corrections" else name for name in given)]
    bases = [name for name in texts if name != "corrected"] if given else []
    columns = iter(np.array(values, dtype=np.int64).reshape(-1, 3 + 3 * len(texts) + 3 * len(bases)).T)
    words, o_nb, o_cp = (next(columns) for _ in range(3))
    errors = {name: UtteranceErrors(*(next(columns) for _ in range(3)), words=words) for name in texts}
    pairings = {name: Pairing(next(columns).astype(bool), next(columns), next(columns)) for name in bases}
    return Scores(errors, {"o_nb": o_nb, "o_cp": o_cp}, pairings)


def _check_ids(ids: Mapping[str, bool], given: Mapping[str, Mapping[str, str]], where: str) -> None:
    # no silent fall-back to the 1-best: half a corrections file would look like a cautious corrector
    if len(given) == 2:
        corrections, against = ({id_ for id_ in texts if ids.get(id_, True)} for texts in given.values())
        if corrections != against:
            only = [
                f"{len(one)} only in {name} ({_first(sorted(one), shown=10)})"
                for name, one in zip(given, (corrections - against, against - corrections), strict=True)
                if one
            ]
            raise InputError(
                f"{where}the two systems cover different utterances: {', '.join(only)}; "
                "correct the same lists with both"
            )
    for texts in given.values():
        missing = [id_ for id_, referenced in ids.items() if referenced and id_ not in texts]
        if missing:
            raise InputError(
                f"{where}no correction for {len(missing)} of the lists ({_first(missing)}); correct "
                "the whole file, or leave those lists out"
            )
        unknown = [id_ for id_ in texts if id_ not in ids]
        if unknown:
            raise InputError(
                f"{where}corrections for {len(unknown)} ids that no list has ({_first(unknown)}); evaluate "
                "them against the file they were made from"
            )


def _first(identifiers: list[str], shown: int = 3) -> str:
    return ", ".join(map(repr, identifiers[:shown])) + (", ..." if len(identifiers) > shown else "")

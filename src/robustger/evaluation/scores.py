"""Counts the word errors of 1-best, oracles and corrections, by utterance and normalizer."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robustger.errors import InputError
from robustger.evaluation.alignment import Alignment, align
from robustger.evaluation.fields import MISSING, Group, Grouping, known_fields
from robustger.evaluation.forms import signs
from robustger.evaluation.matched_pairs import segment_differences
from robustger.evaluation.oracles import (
    compositional_errors,
    n_best_errors,
    windowed_compositional_errors,
    windowed_n_best_errors,
)
from robustger.evaluation.recordings import Incomplete, Recording, join_windows
from robustger.evaluation.units import Unit
from robustger.evaluation.wer import IntArray, UtteranceErrors
from robustger.hypotheses import NBest
from robustger.text import get_normalizer, normalizer_for


@dataclass(frozen=True, slots=True)
class ListSizes:
    """The sizes of the lists, each a sum over lists or an array of shape (utterances,).

    Attributes:
        lists: number of lists; a recording in windows has several.
        hypotheses: number of hypotheses in the lists.
        distinct: number of hypotheses that differ after normalization.
    """

    lists: Any
    hypotheses: Any
    distinct: Any

    def __add__(self, other: ListSizes) -> ListSizes:
        """The sizes of both corpora together."""
        return ListSizes(
            self.lists + other.lists, self.hypotheses + other.hypotheses, self.distinct + other.distinct
        )


@dataclass(frozen=True, slots=True)
class Pairing:
    """The corrections compared with a base, by utterance; every array has shape (utterances,).

    Attributes:
        changed: whether the normalized correction differs from the base's normalized text.
        segments: number of segments of the matched-pairs test (see `robustger.evaluation.matched_pairs`).
        squares: sum over the segments of the squared difference in errors.
    """

    changed: NDArray[np.bool_]
    segments: IntArray
    squares: IntArray

    def take(self, rows: IntArray) -> Pairing:
        """The pairing of some of the utterances, by their numbers."""
        return Pairing(self.changed[rows], self.segments[rows], self.squares[rows])


@dataclass(frozen=True, slots=True)
class Scores:
    """The counts under one normalizer; every array has shape (utterances,), in input order.

    Attributes:
        texts: errors of the systems that wrote one text per utterance: `best`, and with corrections `corrected`
            and perhaps `against`.
        oracles: errors of `o_nb` (the best hypothesis of each list) and `o_cp` (the compositional oracle).
        pairings: the corrections compared with `best` and with `against`.
        sizes: lists and hypotheses of each utterance.
    """

    texts: Mapping[str, UtteranceErrors]
    oracles: Mapping[str, IntArray]
    pairings: Mapping[str, Pairing]
    sizes: ListSizes

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
            ListSizes(self.sizes.lists[rows], self.sizes.hypotheses[rows], self.sizes.distinct[rows]),
        )


@dataclass(frozen=True, slots=True)
class ScoredLists:
    """The scores of all lists, and everything else that the report needs of them.

    Attributes:
        ids: the ids of the utterances, in input order: of a list, or of a recording whose windows were joined.
        scores: the counts by normalizer.
        without_reference: lists left out because they have no reference.
        joined: number of recordings that were joined from several windows.
        incomplete: recordings left out because a window is missing.
        forms: signs of the forms that the texts are written in (see `robustger.evaluation.forms`).
        clusters: number of the cluster of each utterance, which is resampled whole; None to resample utterances.
        groups: the group of each utterance, by field.
        known_fields: names of fields that the lists have.
    """

    ids: Sequence[str]
    scores: Mapping[str, Scores]
    without_reference: int
    joined: int
    incomplete: tuple[Incomplete, ...]
    forms: Counter[str]
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
    needed: str = "reference",
) -> ScoredLists:
    """Scores every list that has a reference. The lists are read once and may stream.

    Windows of one recording are scored as one utterance (see `robustger.evaluation.recordings`).

    Args:
        lists: N-best lists; those without a reference are left out and counted, recordings that lack a window, too.
        corrections: corrected text by list id, or None.
        normalizers: names of the normalizers.
        against: another system's corrections of the same lists; only with `corrections`.
        unit: what is counted.
        groupings: the fields to group by.
        cluster: the field whose values are resampled whole.
        where: name of the set of lists, put before error messages ("chime4: ").
        needed: the error message's name for a missing reference.

    Raises:
        InputError: no list has a reference; a field to group by that names no group, or a cluster's field that a
            list lacks; or, with corrections: an id occurs twice, a scored list has no correction, a correction
            belongs to no list, a correction is not a string, or the two systems cover different utterances.
    """
    for name in normalizers:
        get_normalizer(name)
    systems = {"corrections": corrections, "against": against}
    given = {name: texts for name, texts in systems.items() if texts is not None}
    counts = {name: array("q") for name in normalizers}
    groups: dict[str, list[Group]] = {grouping.field: [] for grouping in groupings}
    clusters, numbers = array("q"), dict[Group, int]()
    unclustered: list[str] = []
    known: set[str] = set()
    ids: dict[str, bool] = {}  # with corrections: whether the list has a reference
    scored: list[str] = []
    forms: Counter[str] = Counter()
    incomplete: list[Incomplete] = []
    without_reference = joined = 0
    for recording in join_windows(lists):
        reference = None if isinstance(recording, Incomplete) else recording.whole.reference
        for nbest in recording.lists if given else ():
            if nbest.id in ids:
                raise InputError(
                    f"{where}id {nbest.id!r} occurs twice, so corrections cannot be matched; make ids unique"
                )
            ids[nbest.id] = reference is not None
        if isinstance(recording, Incomplete):
            incomplete.append(recording)
            continue
        if reference is None:
            without_reference += 1
            continue
        if any(nbest.id not in texts for texts in given.values() for nbest in recording.lists):
            continue  # refused below, with all the others
        nbest = recording.whole
        texts = [nbest.best, *(_corrected(recording, texts, where) for texts in given.values())]
        for name in normalizers:
            normalize = normalizer_for(name, nbest.language)
            tokens = cache(lambda text, to=normalize: tuple(unit.split(to(text))))
            counts[name].extend(_score_list(reference, recording.lists, texts, tokens))
        forms.update(signs(reference, nbest.best))
        joined += len(recording.lists) > 1
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
        read = "there are no lists"
        if incomplete:
            read = f"every recording lacks a window ({incomplete[0]})"
        if without_reference:
            read = f"none of the {without_reference} lists has a {needed}"
        raise InputError(f"{where}{read}, so there is nothing to score; give lists with a {needed}")
    if cluster is not None and unclustered:
        raise InputError(
            f"{where}{len(unclustered)} lists lack the field {cluster.field!r} to resample by ({_first(unclustered)}); "
            "give it to all of them, or choose another field"
        )
    return ScoredLists(
        ids=scored,
        scores={name: _as_scores(values, list(given)) for name, values in counts.items()},
        without_reference=without_reference,
        joined=joined,
        incomplete=tuple(incomplete),
        forms=forms,
        clusters=None if cluster is None else np.array(clusters, dtype=np.int64),
        groups=groups,
        known_fields=frozenset(known),
    )


def _corrected(recording: Recording, texts: Mapping[str, str], where: str) -> str:
    for nbest in recording.lists:
        if not isinstance(texts[nbest.id], str):
            raise InputError(
                f"{where}the correction of {nbest.id!r} is not a string; give the corrected text"
            )
    return recording.corrected(texts)


def _score_list(
    reference: str,
    lists: Sequence[NBest],
    texts: Sequence[str],
    tokens: Callable[[str], tuple[str, ...]],
) -> Iterator[int]:
    """Yields the counts of one utterance in the order that `_as_scores` reads; `lists` are its windows, or one list."""
    truth = tokens(reference)

    @cache
    def aligned(text: tuple[str, ...]) -> Alignment:
        return align(truth, text)

    distinct = [
        list(dict.fromkeys(map(tokens, nbest.texts))) for nbest in lists
    ]  # normalizing makes many equal
    written = [tokens(text) for text in texts]
    yield len(truth)
    if len(lists) == 1:
        yield n_best_errors(truth, distinct[0])
        yield compositional_errors(truth, distinct[0])
    else:
        # a cut may part a number, which is whole in the joined text only; that text may have fewer errors
        o_nb = min(windowed_n_best_errors(truth, distinct), sum(aligned(written[0]).edits))
        yield o_nb
        yield min(windowed_compositional_errors(truth, distinct), o_nb)
    yield len(lists)
    yield sum(len(nbest.hypotheses) for nbest in lists)
    yield sum(map(len, distinct))
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
    columns = iter(np.array(values, dtype=np.int64).reshape(-1, 6 + 3 * len(texts) + 3 * len(bases)).T)
    words, o_nb, o_cp = (next(columns) for _ in range(3))
    sizes = ListSizes(*(next(columns) for _ in range(3)))
    errors = {name: UtteranceErrors(*(next(columns) for _ in range(3)), words=words) for name in texts}
    pairings = {name: Pairing(next(columns).astype(bool), next(columns), next(columns)) for name in bases}
    return Scores(errors, {"o_nb": o_nb, "o_cp": o_cp}, pairings, sizes)


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

"""Compares systems on the same test lists: rates, differences and edits by condition, with paired intervals.

Intervals are at 95 %, from a bootstrap over sentences. All lists of a sentence, at every SNR, in every system and with
every seed, are drawn together, so that differences are paired. Intervals hold for the seeds that were run; the figures
of single seeds show how much seeds differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from robustger.errors import InputError
from robustger.evaluation.bootstrap import resampled_sums
from robustger.evaluation.figures import EditOutcome
from robustger.evaluation.intervals import percentile_interval
from robustger.evaluation.json_values import json_value
from robustger.evaluation.measured import RESAMPLES, Measured
from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.wer import count_errors, error_rates
from robustger.experiments.conditions import CLEAN, noise_kind, sentence, snr_db
from robustger.hypotheses import NBest
from robustger.text import get_normalizer

ALL = "all"
BEST, FORMAT_ONLY, O_NB, O_CP = "1-best", "format-only", "o_nb", "o_cp"


@dataclass(frozen=True, slots=True)
class System:
    """A system with its text for every list: one text, or one for each seed that it was trained with.

    Attributes:
        name: in tables.
        texts: by list id, one mapping for each seed.
        seeds: of the trainings; empty where nothing was trained.
        parameters: number of the trained ones.
        losses: nats and tokens of the references by list id, one mapping for each seed; empty where nothing was scored.
        log: the last line of the training's log, one for each seed.
        first_layer: the lowest layer that it adapts, counted from 0; None where nothing is adapted.
        slots: prompt vectors in each layer from there up.
    """

    name: str
    texts: tuple[Mapping[str, str], ...]
    seeds: tuple[int, ...] = ()
    parameters: int = 0
    losses: tuple[Mapping[str, tuple[float, int]], ...] = ()
    log: tuple[Mapping[str, Any], ...] = ()
    first_layer: int | None = None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class PairedSums:
    """Sums of several columns over the same sentences, and over resamples of the sentences.

    Attributes:
        totals: the sum of each column, by name.
        samples: the sums of each column over the resamples, shape (RESAMPLES,), by name.
    """

    totals: Mapping[str, float]
    samples: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, sentences: Sequence[str], columns: Mapping[str, Sequence[float] | np.ndarray]) -> PairedSums:
        """From the sentence of each list and, for every column, a value for each list."""
        rows = {name: row for row, name in enumerate(dict.fromkeys(sentences))}
        table = np.zeros((len(rows), len(columns)))
        np.add.at(table, [rows[name] for name in sentences], np.array(list(columns.values())).T)
        sums = resampled_sums(table, resamples=RESAMPLES, seed=0)
        return cls(
            dict(zip(columns, table.sum(0).tolist(), strict=True)), dict(zip(columns, sums.T, strict=True))
        )

    def rate(self, over: str, *names: str) -> Measured:
        """The mean rate of the named columns over the column `over`."""
        return self._measured(
            lambda sums: error_rates(sum(sums[name] for name in names) / len(names), sums[over])
        )

    def difference(self, over: str, pairs: Sequence[tuple[str, str]]) -> Measured:
        """The mean of (first - second) / over, over the pairs of columns."""
        return self._measured(
            lambda sums: error_rates(sum(sums[a] - sums[b] for a, b in pairs) / len(pairs), sums[over])
        )

    def _measured(self, statistic: Callable[[Mapping[str, Any]], Any]) -> Measured:
        return Measured(float(statistic(self.totals)), percentile_interval(statistic(self.samples)))


class Scoreboard:
    """Counts the errors of systems, of the 1-best and of the oracles; rates are fractions.

    Args:
        sets: test lists by test set, all with a reference.
        systems: each with a text for every list.
        normalizer: name of the normalizer of texts and references.
        scored: all lists whose references were scored.
        crossed: whether each kind of noise at each SNR is also a condition.

    Raises:
        InputError: a system has no text for a list.

    Attributes:
        systems: the given systems and `1-best`, by name.
        sets: names of the test sets; empty where there is only one.
        kinds: kinds of noise, in order.
        snrs: SNRs in dB, ascending.
        clean: name of the condition of clean speech; None where there is none beside noise.
        without_snr: number of lists with noise that name no SNR.
        groups: row numbers of the lists of every condition: `all`, each of `sets`, each SNR, each kind of noise, and
            clean speech where there is also noise.
        words: number of reference words of each list.
        errors: errors of each system and oracle, shape (seeds, lists), by name.
    """

    def __init__(
        self,
        sets: Mapping[str, Sequence[NBest]],
        systems: Sequence[System],
        normalizer: str,
        scored: Sequence[NBest] = (),
        *,
        crossed: bool = False,
    ) -> None:
        named = [(name, nbest) for name, lists in sets.items() for nbest in lists]
        self.lists = [nbest for _, nbest in named]
        self.normalizer = normalizer
        best = System(BEST, ({nbest.id: nbest.best for nbest in self.lists},))
        self.systems = {system.name: system for system in (best, *systems)}
        for system in systems:
            for texts in system.texts:
                if missing := [nbest.id for nbest in self.lists if nbest.id not in texts]:
                    raise InputError(
                        f"{system.name}: has no text for {len(missing)} of {len(self.lists)} lists, first "
                        f"{', '.join(map(repr, missing[:3]))}; systems can only be compared on the same lists"
                    )
        self.groups = groups_of(named, crossed=crossed)
        self.sets = list(sets) if len(sets) > 1 else []
        heard = [(noise_kind(nbest), snr_db(nbest)) for nbest in self.lists]
        self.kinds = sorted({kind for kind, _ in heard} - {CLEAN})
        self.snrs = sorted({snr for _, snr in heard if snr is not None})
        self.without_snr = sum(kind != CLEAN and snr is None for kind, snr in heard)
        self.clean = CLEAN if CLEAN in self.groups else None
        self._sentences = [sentence(nbest) for nbest in self.lists]
        self._scored = {nbest.id: sentence(nbest) for nbest in scored}
        self._count()
        self._paired = {name: self._pair(rows) for name, rows in self.groups.items()}

    def _count(self) -> None:
        normalize = get_normalizer(self.normalizer)
        references = [normalize(nbest.reference or "").split() for nbest in self.lists]
        hypotheses = [[normalize(text).split() for text in nbest.texts] for nbest in self.lists]
        self.words = np.array([len(reference) for reference in references])
        self.errors: dict[str, np.ndarray] = {}
        self._changed: dict[str, np.ndarray] = {}
        for name, system in self.systems.items():
            errors = np.zeros((len(system.texts), len(self.lists)), dtype=np.int64)
            changed = np.zeros_like(errors, dtype=bool)
            for number, texts in enumerate(system.texts):
                for row, (nbest, reference, lists) in enumerate(
                    zip(self.lists, references, hypotheses, strict=True)
                ):
                    written = normalize(texts[nbest.id]).split()
                    errors[number, row] = count_errors(reference, written)
                    changed[number, row] = written != lists[0]
            self.errors[name], self._changed[name] = errors, changed
        pairs = list(zip(references, hypotheses, strict=True))
        self.errors[O_NB] = np.array([[n_best_errors(*pair) for pair in pairs]])
        self.errors[O_CP] = np.array([[compositional_errors(*pair) for pair in pairs]])

    def _pair(self, rows: np.ndarray) -> PairedSums:
        columns = {"words": self.words[rows]}
        for name, errors in self.errors.items():
            columns |= {_column(name, number): one[rows] for number, one in enumerate(errors)}
        return PairedSums.of([self._sentences[row] for row in rows], columns)

    def rate(self, name: str, group: str = ALL) -> Measured:
        """The word error rate, averaged over seeds."""
        return self._paired[group].rate("words", *self._columns(name))

    def single(self, name: str, group: str = ALL) -> list[float]:
        """The word error rate of each seed."""
        return [self._paired[group].rate("words", column).value for column in self._columns(name)]

    def difference(self, name: str, other: str, group: str = ALL) -> Measured | None:
        """The rate of one system minus that of another, over the seeds of both; None where they share no seed."""
        pairs = _common(self.systems.get(name), self.systems.get(other))
        columns = [(_column(name, one), _column(other, two)) for one, two in pairs]
        return self._paired[group].difference("words", columns) if columns else None

    def relative(self, name: str, group: str = ALL, base: str = BEST) -> float:
        """The share of the base's errors that the system avoids; negative where the system has more errors."""
        rows = self.groups[group]
        first, then = (self.errors[system][:, rows].sum(1).mean() for system in (base, name))
        return float(1 - then / first) if first else float("nan")

    def edits(self, name: str) -> EditOutcome:
        """How the system changed the 1-bests, summed over seeds."""
        gain = self.errors[BEST] - self.errors[name]  # (seeds, lists)
        return EditOutcome(
            better=int((gain > 0).sum()),
            worse=int((gain < 0).sum()),
            equal=int((gain == 0).sum()),
            changed=int(self._changed[name].sum()),
            errors_removed=int(gain[gain > 0].sum()),
            errors_added=int(-gain[gain < 0].sum()),
        )

    def loss(self, name: str) -> Measured | None:
        """The loss of the references in nats per token, averaged over seeds; None where nothing was scored."""
        return (
            None
            if (paired := self._losses(name)) is None
            else paired.rate("tokens", *_numbers(self.systems[name]))
        )

    def loss_difference(self, name: str, other: str) -> Measured | None:
        """The loss of one system minus that of another, over the seeds of both; None where there is none."""
        pairs = _common(self.systems.get(name), self.systems.get(other))
        if not pairs or (paired := self._losses(name, other)) is None:
            return None
        columns = [(_column(name, one), _column(other, two)) for one, two in pairs]
        return paired.difference("tokens", columns)

    def _losses(self, *names: str) -> PairedSums | None:
        systems = [self.systems[name] for name in names]
        if not all(system.losses for system in systems):
            return None
        tokens = {id_: count for id_, (_, count) in systems[0].losses[0].items()}
        columns: dict[str, Any] = {"tokens": list(tokens.values())}
        for system in systems:
            for number, losses in enumerate(system.losses):
                columns[_column(system.name, number)] = [losses[id_][0] for id_ in tokens]
        return PairedSums.of([self._scored[id_] for id_ in tokens], columns)

    def _columns(self, name: str) -> list[str]:
        return [_column(name, number) for number in range(len(self.errors[name]))]

    def to_json_dict(self) -> dict[str, Any]:
        """Every rate by system and condition, and the edits of each system."""
        found: dict[str, Any] = {}
        for name in self.errors:
            one: dict[str, Any] = {
                "wer": {group: self.rate(name, group).to_json_dict() for group in self.groups}
            }
            system = self.systems.get(name)
            if system is not None and name != BEST:
                edits = self.edits(name)
                one |= {
                    "seeds": list(system.seeds),
                    "wer_by_seed": self.single(name),
                    "parameters": system.parameters,
                    "edits": {key: getattr(edits, key) for key in EditOutcome.__slots__}
                    | {"harmful_edit_rate": edits.harmful_edit_rate},
                }
                if (loss := self.loss(name)) is not None:
                    one["loss"] = loss.to_json_dict()
            found[name] = one
        return json_value(found)


def groups_of(named: Sequence[tuple[str, NBest]], *, crossed: bool = False) -> dict[str, np.ndarray]:
    """Row numbers of the lists of every condition, from pairs of test set and list; see `Scoreboard`."""
    members: dict[str, list[int]] = {ALL: list(range(len(named)))}
    sets = dict.fromkeys(name for name, _ in named)
    snrs = sorted({snr for _, nbest in named if (snr := snr_db(nbest)) is not None})
    heard = {noise_kind(nbest) for _, nbest in named}
    kinds = sorted(heard - {CLEAN})
    for name in sets if len(sets) > 1 else ():
        members[name] = [row for row, (other, _) in enumerate(named) if other == name]
    for snr in snrs:
        members[at_snr(snr)] = [row for row, (_, nbest) in enumerate(named) if snr_db(nbest) == snr]
    for kind in [*kinds, CLEAN] if len(heard) > 1 else ():
        if kind not in members:  # a test set may be named after its noise
            members[kind] = [row for row, (_, nbest) in enumerate(named) if noise_kind(nbest) == kind]
    for kind, snr in product(kinds, snrs) if crossed else ():
        members[cross(kind, snr)] = [
            row for row, (_, nbest) in enumerate(named) if (noise_kind(nbest), snr_db(nbest)) == (kind, snr)
        ]
    return {name: np.array(rows, dtype=np.int64) for name, rows in members.items() if rows}


def at_snr(snr: float) -> str:
    """The name of the condition of all lists at an SNR in dB."""
    return f"{snr} dB"


def cross(kind: str, snr: float) -> str:
    """The name of the condition of a kind of noise at an SNR in dB."""
    return f"{kind}, {snr} dB"


def _column(name: str, number: int) -> str:
    return f"{name} {number}"


def _numbers(system: System) -> list[str]:
    return [_column(system.name, number) for number in range(len(system.losses))]


def _common(one: System | None, other: System | None) -> list[tuple[int, int]]:
    """Positions of the seeds that both systems have; a system without seeds is paired with every seed of the other."""
    if one is None or other is None:
        return []
    if not one.seeds or not other.seeds:
        most = max(len(one.texts), len(other.texts))
        return [(min(k, len(one.texts) - 1), min(k, len(other.texts) - 1)) for k in range(most)]
    return [(one.seeds.index(seed), other.seeds.index(seed)) for seed in one.seeds if seed in other.seeds]

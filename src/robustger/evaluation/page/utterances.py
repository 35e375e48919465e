"""The table of utterances, which the reader can sort and search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustger.errors import InputError
from robustger.evaluation.alignment import Alignment, align
from robustger.evaluation.fields import Grouping
from robustger.evaluation.page.differences import marked_lines
from robustger.evaluation.page.markup import Markup, element, join_markup
from robustger.evaluation.page.players import Player
from robustger.evaluation.units import Unit
from robustger.hypotheses import NBest


@dataclass(frozen=True, slots=True)
class PageUtterance:
    """One utterance of a page.

    Attributes:
        nbest: its list, with a reference.
        corrected: its correction, if corrections are evaluated.
        against: the other system's correction, if there is one.
        domain: the set of lists it belongs to; empty if there is only one set.
    """

    nbest: NBest
    corrected: str | None = None
    against: str | None = None
    domain: str = ""

    def texts(self) -> dict[str, str]:
        """The text of every system by name, the 1-best first."""
        texts = {"1-best": self.nbest.best, "against": self.against, "corrected": self.corrected}
        return {name: text for name, text in texts.items() if text is not None}


@dataclass(frozen=True, slots=True)
class AlignedUtterance:
    """An utterance and its systems' texts, normalized and aligned with the reference.

    Attributes:
        utterance: the utterance, as it was given.
        systems: the aligned texts by name of the system, the 1-best first.
    """

    utterance: PageUtterance
    systems: Mapping[str, Alignment]

    @property
    def errors(self) -> dict[str, int]:
        """Word errors by system."""
        return {name: sum(text.edits) for name, text in self.systems.items()}

    @property
    def change(self) -> int:
        """Errors of the correction less those of the 1-best; 0 without corrections."""
        errors = self.errors
        return errors.get("corrected", errors["1-best"]) - errors["1-best"]


def aligned(utterance: PageUtterance, normalize: Callable[[str], str], unit: Unit) -> AlignedUtterance:
    """Aligns all texts of the utterance with its reference."""
    truth = unit.split(normalize(utterance.nbest.reference or ""))
    systems = {name: align(truth, unit.split(normalize(text))) for name, text in utterance.texts().items()}
    return AlignedUtterance(utterance, systems)


@dataclass(frozen=True, slots=True)
class UtteranceTable:
    """The settings of the table.

    Attributes:
        unit: the unit of errors.
        groupings: the fields that get a column of their own.
        players: the players of the recordings, by domain; domains without one get no players.
        domains: whether the domain gets a column.
    """

    unit: Unit
    groupings: Sequence[Grouping]
    players: Mapping[str, Player]
    domains: bool

    def markup(self, utterances: Sequence[AlignedUtterance]) -> tuple[Markup, list[str]]:
        """The table, and the problems of recordings that get no player."""
        problems: list[str] = []
        groups = [
            [grouping.group(one.utterance.nbest, self.unit) for one in utterances]
            for grouping in self.groupings
        ]
        ranks = [{group: str(rank) for rank, group in enumerate(sorted(set(column)))} for column in groups]
        rows = []
        for number, one in enumerate(utterances):
            player, problem = self._player(one.utterance)
            problems += [problem] if problem else []
            fields = [
                (column[number].text, rank[column[number]])
                for column, rank in zip(groups, ranks, strict=True)
            ]
            rows.append(self._row(one, player, fields))
        systems = utterances[0].systems if utterances else ()
        head = [_header("utterance"), *([_header("domain")] if self.domains else [])]
        head += [_header(name, "number") for name in self._numbers(systems)]
        head.append(element("th", "texts", scope="col"))
        table = element(
            "table",
            element("thead", element("tr", *head)),
            element("tbody", *rows),
            id="utterances",
        )
        return element("div", table, class_="utterances"), problems

    def _numbers(self, systems: Iterable[str]) -> list[str]:
        """The names of the columns between the utterance, or its domain, and its texts."""
        names = [grouping.field for grouping in self.groupings]
        names += [self.unit.plural, *(f"{name} errors" for name in systems)]
        return names + (["change"] if "corrected" in systems else [])

    def _row(self, one: AlignedUtterance, player: Markup, fields: Sequence[tuple[str, str]]) -> Markup:
        utterance, errors = one.utterance, one.errors
        words = len(next(iter(one.systems.values())).reference)
        cells = [
            element(
                "td", element("div", utterance.nbest.id, class_="id"), player, data_value=utterance.nbest.id
            )
        ]
        if self.domains:
            cells.append(element("td", utterance.domain, data_value=utterance.domain, data_label="domain"))
        numbers = [*fields, *((str(count), str(count)) for count in (words, *errors.values()))]
        kinds = []
        if "corrected" in errors:
            change = one.change
            numbers.append((format(change, "+d") if change else "0", str(change)))
            kinds.append("better" if one.change < 0 else "worse" if one.change > 0 else "equal")
            if one.systems["corrected"] != one.systems["1-best"]:
                kinds.append("changed")
        cells += [
            element("td", shown, class_="number", data_value=value, data_label=name)
            for name, (shown, value) in zip(self._numbers(one.systems), numbers, strict=True)
        ]
        texts = join_markup([marked_lines(one.systems, self.unit.joint), _as_given(utterance)])
        cells.append(element("td", texts, class_="texts"))
        return element("tr", *cells, data_kinds=" ".join(kinds))

    def _player(self, utterance: PageUtterance) -> tuple[Markup, str | None]:
        """The player, empty where there is none, and the problem of the recording, if there is one."""
        player = self.players.get(utterance.domain)
        try:
            address = None if player is None else player(utterance.nbest)
        except InputError as error:
            return Markup(), str(error)
        if address is None:
            return Markup(), None
        label = f"recording of {utterance.nbest.id}"
        return element("audio", controls="", preload="none", src=address, aria_label=label), None


def _as_given(utterance: PageUtterance) -> Markup:
    """The texts before normalization, folded away."""
    texts = {**utterance.texts(), "reference": utterance.nbest.reference or ""}
    pairs = [
        part
        for name, text in list(texts.items())[1:]
        for part in (element("dt", name), element("dd", text, dir="auto"))
    ]
    return element(
        "details",
        element("summary", f"as written, and {len(utterance.nbest.hypotheses)} hypotheses"),
        element("ol", *(element("li", text, dir="auto") for text in utterance.nbest.texts)),
        element("dl", *pairs),
    )


def _header(name: str, kind: str | None = None) -> Markup:
    return element(
        "th", element("button", name.replace("-", "\u2011"), type="button"), scope="col", class_=kind
    )

"""Groups utterances by a field of their manifest or N-best file, or by their length."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from robustger.errors import InputError
from robustger.evaluation.units import Unit
from robustger.hypotheses import NBest
from robustger.hypotheses.values import finite_number

_OWN = ("id", "audio", "reference")
_LENGTH = "length"


class Group(NamedTuple):
    """A value of a field. Groups sort numbers by size, then texts by alphabet, then utterances without the field.

    Attributes:
        kind: 0 a number or a class of numbers, 1 a text, 2 the field is missing.
        number: the number, or the upper edge of the class; 0 for others.
        text: the group's name in tables.
    """

    kind: int
    number: float
    text: str


MISSING = Group(2, 0.0, "(none)")


@dataclass(frozen=True, slots=True)
class Grouping:
    """A field to group by, and for numbers perhaps the edges of classes.

    Attributes:
        field: `length` (tokens of the reference as it is written, in the unit that errors are counted in), `id`,
            `audio` or `reference`; any other name is a key of the list's `meta`, where dots lead into objects
            ("mix.kind"). "meta.length" is the key `length` of `meta`.
        edges: ascending; a value falls into the class whose upper edge is the first not below it. Without edges each
            value is a group of its own; lengths always have edges. "(5, 10]" is the class of values above 5 and up to
            10.
    """

    field: str
    edges: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Grouping:
        """The grouping that "snr_db" or "seconds:2,5,10" asks for.

        Raises:
            InputError: no field name, or edges that are not ascending numbers.
        """
        field, colon, rest = text.partition(":")
        try:
            edges = tuple(float(edge) for edge in rest.split(",")) if colon else ()
        except ValueError:
            edges = (math.nan,)
        finite = all(map(math.isfinite, edges))
        if not field or not finite or not all(low < high for low, high in pairwise(edges)):
            raise InputError(
                f"cannot group by {text!r}; write a field, or a field and ascending edges as in 'seconds:2,5,10'"
            )
        return cls(field, edges)

    def group(self, nbest: NBest, unit: Unit) -> Group:
        """The group an utterance belongs to.

        Raises:
            InputError: the value is an object or a list, or is no number where there are edges.
        """
        edges = self.edges
        if self.field == _LENGTH:
            value: Any = len(unit.split(nbest.reference or ""))
            edges = edges or unit.length_edges
        else:
            value = _value(nbest, self.field)
        if value is None:
            return MISSING
        if isinstance(value, Mapping | list):
            kind = "an object" if isinstance(value, Mapping) else "a list"
            raise InputError(
                f"list {nbest.id!r}: {self.field!r} is {kind}, which cannot name a group; "
                "name a key in it, as in 'mix.kind'"
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not edges and not number:
            return Group(1, 0.0, _shown(value))
        value = finite_number(value, f"list {nbest.id!r}: {self.field!r}")
        if not edges:
            return Group(0, value, f"{value:g}")
        place = bisect_left(edges, value)
        if place == len(edges):
            return Group(0, math.inf, f"> {edges[-1]:g}")
        text = f"({edges[place - 1]:g}, {edges[place]:g}]" if place else f"≤ {edges[0]:g}"
        return Group(0, edges[place], text)


def known_fields(nbest: NBest) -> Iterable[str]:
    """The keys of `meta` that an utterance can be grouped by; objects in `meta` give their own keys."""
    for key, value in nbest.meta.items():
        if isinstance(value, Mapping):
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key


def check_found(
    groupings: Sequence[Grouping], groups: Mapping[str, Iterable[Group]], known: Iterable[str]
) -> None:
    """Refuses a field that no utterance has.

    Raises:
        InputError: a field is unknown; the message names the known fields.
    """
    for grouping in groupings:
        if set(groups[grouping.field]) <= {MISSING}:
            names = ", ".join(sorted({*known, _LENGTH, *_OWN}))
            raise InputError(f"no list has the field {grouping.field!r}; known fields: {names}")


def _value(nbest: NBest, field: str) -> Any:
    if field in _OWN:
        return getattr(nbest, field)
    value: Any = nbest.meta
    name = field.removeprefix("meta.")
    if name in nbest.meta:  # a key may hold a dot itself
        return nbest.meta[name]
    for key in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _shown(value: Any) -> str:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text or json.dumps(value, ensure_ascii=False)

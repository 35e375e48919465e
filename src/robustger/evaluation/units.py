"""The units that errors are counted in: words, or characters for languages written without spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robustger.registry import Registry


@dataclass(frozen=True, slots=True)
class Unit:
    """One way to cut a normalized text into the tokens that errors are counted in.

    Attributes:
        name: the name of the unit in settings.
        rate: the name of the error rate: WER or CER.
        plural: the name of the tokens in tables.
        joint: the text between two tokens where they are shown.
        split: cuts a text into tokens.
        length_edges: the edges of the classes of length that utterances are grouped into by default; see
            `robustger.evaluation.fields.Grouping`.
    """

    name: str
    rate: str
    plural: str
    joint: str
    split: Callable[[str], list[str]]
    length_edges: tuple[float, ...]


ERROR_UNITS: Registry[Unit] = Registry("unit")


def _characters(text: str) -> list[str]:
    return list("".join(text.split()))


ERROR_UNITS.register("word")(
    Unit("word", rate="WER", plural="words", joint=" ", split=str.split, length_edges=(5, 10, 15, 20, 30))
)
# White space is left out: in a language without spaces, a space is a matter of the recognizer's typography and no
# error. So for languages with spaces the CER differs from that of programs that count the space (as jiwer does).
# Characters are code points, as in those programs.
ERROR_UNITS.register("char")(
    Unit(
        "char",
        rate="CER",
        plural="characters",
        joint="",
        split=_characters,
        length_edges=(10, 20, 30, 50, 80),
    )
)

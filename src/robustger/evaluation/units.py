"""What is counted: words, or characters for languages that write no spaces between words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robustger.registry import Registry


@dataclass(frozen=True, slots=True)
class Unit:
    """One way to cut a normalized text into the tokens that errors are counted in.

    Attributes:
        name: the name it is picked by.
        rate: what the error rate is called: WER or CER.
        plural: what the tokens are called.
        joint: what stands between two tokens where they are shown as text.
        split: from text to tokens.
        length_edges: the classes of length that utterances are grouped into by default; see
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
# White space is left out: where a language writes none, a space is the recognizer's typography and no error. So the
# CER of a language with spaces is not that of programs which count the space as a character (jiwer's does).
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

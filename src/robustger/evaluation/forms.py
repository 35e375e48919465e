"""Warns when references and hypotheses are written in different forms.

Differences in form count like errors of the recognizer: contractions that one side expands, case, punctuation or digits
that only one side has, and whole sentences that count as one word because the language is written without spaces. The
signs of each are counted utterance by utterance; a sign that prevails in the whole set of lists gives a warning.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from robustger.text import get_normalizer

_SIDES = ("references", "hypotheses")
_PUNCTUATION = re.compile("[.,?!;:。、？！，；：।…]")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc`\u00b4]")
_CONTRACTION = re.compile(r"\b([a-z]+)'(t|s|re|ve|ll|d|m)\b")
_FULL = {
    "s": ("is", "has", "us"),
    "re": ("are",),
    "ve": ("have",),
    "ll": ("will",),
    "d": ("would", "had"),
    "m": ("am",),
}
_IRREGULAR = {"won't": "will not", "can't": "can not", "shan't": "shall not"}
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
_CURES = ("number", "whisper")  # normalizers to recommend, the one that changes less first

_FEW = 0.02  # the largest share of texts with punctuation on a side that counts as having none
_MOST = 0.5  # the smallest share on a side that counts as having it


class _Difference(NamedTuple):
    """A difference in form: its description, and a sentence in both forms."""

    words: str
    one: str
    other: str


def signs(reference: str, hypothesis: str) -> Counter[str]:
    """Counts the signs of the form of both sides in one utterance. The counts of several utterances add up."""
    counts: Counter[str] = Counter(["utterances"])
    for side, text in zip(_SIDES, (reference, hypothesis), strict=True):
        counts[f"{side} in {_case(text)}"] += 1
        counts[f"{side} with punctuation"] += bool(_PUNCTUATION.search(text))
    digits = [bool(re.search("[0-9]", text)) for text in (reference, hypothesis)]
    counts["both with digits"] += all(digits)
    if any(digits) and not all(digits):
        side, other = (_SIDES[0], hypothesis) if digits[0] else (_SIDES[1], reference)
        # the other side says a number, too
        counts[f"{side} with digits"] += bool(re.search("[0-9]", get_normalizer("number")(other)))
    counts.update(_contractions(reference, hypothesis, _SIDES[1]))
    counts.update(_contractions(hypothesis, reference, _SIDES[0]))
    unspaced = sum(map(_unspaced, reference))
    if 2 * unspaced > sum(map(str.isalpha, reference)):
        counts.update(
            {"unspaced texts": 1, "unspaced words": len(reference.split()), "unspaced letters": unspaced}
        )
    return counts


def warnings(counts: Mapping[str, int], normalizers: Sequence[str], unit: str) -> tuple[str, ...]:
    """Warnings about the form of the texts that put the figures in doubt, one line each.

    Args:
        counts: the sum of `signs` over all utterances.
        normalizers: names of the normalizers of the figures; differences that all of them remove are left out.
        unit: the unit that errors are counted in, "word" or "char".
    """
    lines = []
    seen: dict[str, None] = {}
    found = []
    for difference in _differences(counts):
        blind = [name for name in normalizers if not _sees(name, difference)]
        if len(blind) < len(normalizers):
            found.append(difference)
            seen |= dict.fromkeys(name for name in normalizers if name not in blind)
    texts = counts.get("unspaced texts", 0)
    if unit == "word" and texts * 2 > counts["utterances"]:
        words, letters = counts["unspaced words"], counts["unspaced letters"]
        if words <= texts or letters >= 5 * words:
            lines.append(
                "the references are in a script written without spaces, so that a whole sentence counts as one word; "
                "count characters with --unit char"
            )
    if found:
        cures = [name for name in _CURES if not any(_sees(name, difference) for difference in found)]
        advice = "write both in one form, as `robustger nbest` does"
        if cures:
            advice += f", or believe the figures of the normalizer {cures[0]}"
            advice += "" if cures[0] in normalizers else f" (--normalizer {cures[0]})"
        lines.append(
            f"references and hypotheses are written in different forms ({'; '.join(one.words for one in found)}), "
            f"which counts as errors under {' and '.join(seen)}; {advice}"
        )
    return tuple(lines)


def _differences(counts: Mapping[str, int]) -> list[_Difference]:
    found = []
    cases = [_usual_case(counts, side) for side in _SIDES]
    if None not in cases and cases[0] != cases[1]:
        words = f"references in {cases[0]}, hypotheses in {cases[1]}"
        found.append(_Difference(words, "yes we can", "Yes we CAN"))
    utterances = counts["utterances"]
    for side, other in (_SIDES, _SIDES[::-1]):
        own, others = (counts.get(f"{name} with punctuation", 0) for name in (side, other))
        if own > _MOST * utterances and others <= _FEW * utterances:
            found.append(_Difference(f"punctuation in the {side} only", "yes, we can.", "yes we can"))
        own, others = (counts.get(f"{name} with digits", 0) for name in (side, other))
        if own >= 2 and 10 * (others + counts.get("both with digits", 0)) <= own:
            found.append(_Difference(f"digits in the {side} only", "it is 21", "it is twenty one"))
        expanded, kept = counts.get(f"contractions expanded in {side}", 0), counts.get("contractions kept", 0)
        if expanded >= 2 and expanded > 4 * kept:
            words = f"contractions expanded in the {side} only"
            found.append(_Difference(words, "it's true they don't", "it is true they do not"))
    return found


def _usual_case(counts: Mapping[str, int], side: str) -> str | None:
    """The case of nearly all texts of a side, among those whose script has upper and lower case; None if it varies."""
    cases = {name: counts.get(f"{side} in {name}", 0) for name in ("capitals", "lower case", "mixed case")}
    usual, count = max(cases.items(), key=lambda item: item[1])
    return usual if count and count >= 0.8 * sum(cases.values()) else None


def _case(text: str) -> str:
    letters = [letter for letter in text if letter.isupper() or letter.islower()]
    if len(letters) < 4:  # "I" says nothing
        return "no case"
    upper = sum(map(str.isupper, letters))
    return "capitals" if upper == len(letters) else "mixed case" if upper else "lower case"


def _contractions(text: str, other: str, name: str) -> Counter[str]:
    """How often `other`, called `name`, keeps the contractions of `text`, and how often it expands them."""
    counts: Counter[str] = Counter()
    contractions = list(_CONTRACTION.finditer(_APOSTROPHES.sub("'", text.lower())))
    if not contractions:
        return counts
    plain = re.sub(r"[^\w ]", "", _APOSTROPHES.sub("'", other.lower()))
    padded = f" {' '.join(plain.split())} "
    for stem, ending in (match.groups() for match in contractions):
        full = [f"{stem} {word}" for word in _FULL.get(ending, ())]
        if ending == "t":
            full = [
                _IRREGULAR.get(f"{stem}'t", f"{stem.removesuffix('n')} not"),
                "cannot" if stem == "can" else "",
            ]
        if f" {stem}{ending} " in padded:
            counts["contractions kept"] += 1
        elif any(f" {words} " in padded for words in filter(None, full)):
            counts[f"contractions expanded in {name}"] += 1
    return counts


@lru_cache(4096)
def _unspaced(character: str) -> bool:
    return not character.isascii() and unicodedata.name(character, "").startswith(_UNSPACED)


def _sees(normalizer: str, difference: _Difference) -> bool:
    normalize = get_normalizer(normalizer)
    return normalize(difference.one) != normalize(difference.other)

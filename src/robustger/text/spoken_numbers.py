"""English numbers, amounts of money and ordinals in one spelling: digits.

The grammar behind the normalizer `number` of `robustger.text`. It rewrites a list of lower-case words, so that a
transcript is equal to itself however its numbers are written:

==============================================================  ==============
nineteen eighty five; one thousand nine hundred and eighty five  1985
four sixty eight; four hundred and sixty eight; 4 68             468
six point nine million dollars; $ 6.9 million                    6900000 dollars
three dollars and fifty cents; three dollars fifty; $ 3.50       3.5 dollars
twenty fifth; 25th                                               25th
zero point five; .5                                              point 5
nineteen eighties; 1980s                                         1980s
==============================================================  ==============

A *piece* is a group of words that arithmetic holds together ("one thousand nine hundred", "eighty five", "6.9
million"). Neighboring pieces are written one after the other, which is how years, flight numbers and telephone numbers
are read ("nineteen" "eighty five", "seven" "forty seven", "five" "five" "five"). So after rewriting no two numbers
stand side by side, and rewriting a second time changes nothing. The price is that digits read one by one equal the
number they spell: "one two" and "twelve" are both 12, as they are in a transcript that writes digits.

All arithmetic is on digit strings (multiplying is shifting the decimal point), so length has no limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from robustger.text.number_words import ordinal_word

_UNIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEEN_WORDS = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS_WORDS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNITS = {word: str(value) for value, word in enumerate(_UNIT_WORDS)}
_TEENS = {word: str(value) for value, word in enumerate(_TEEN_WORDS, 10)}
_TENS = {word: str(10 * value) for value, word in enumerate(_TENS_WORDS, 2)}
_SMALL = _UNITS | _TEENS | _TENS
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}  # powers of ten
_SHIFTS = {"hundred": 2} | _SCALES


def _plural_word(word: str) -> str:
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("x") else f"{word}s"


_ORDINALS = {ordinal_word(w): digits for w, digits in _SMALL.items()}
_PLURALS = {_plural_word(w): digits for w, digits in _SMALL.items()} | {"zeroes": "0"}
_SHIFT_ORDINALS = {f"{w}th": shift for w, shift in _SHIFTS.items()}
_CARDINAL = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_OH = ("oh", "o")
_TWO_DIGITS = re.compile(r"[0-9]{1,2}")
_DIGIT_ORDINAL = re.compile(r"([0-9]+)(st|nd|rd|th)")
_DIGIT_PLURAL = re.compile(r"([0-9]+)s")

CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "₹": "rupees"}
"""Currency signs, each a word of its own in the input of `rewrite_numbers`, and the unit each is read as."""
_HUNDREDTHS = {"dollars": "cents", "euros": "cents", "pounds": "pence"}
_WHOLES = {"cents": "dollars", "pence": "pounds"}  # of hundredths that stand by themselves
_MONEY_WORDS = {unit: unit for unit in [*CURRENCIES.values(), *_WHOLES]}
_MONEY_WORDS |= {"dollar": "dollars", "pound": "pounds", "euro": "euros", "rupee": "rupees", "cent": "cents"}
_COUNTED = ("percent", "times")  # words that show that an amount is no money: "five dollars twenty times"
_ENGLISH_WORDS = frozenset(
    [
        *_SMALL,
        *_SHIFTS,
        *_ORDINALS,
        *_SHIFT_ORDINALS,
        *_PLURALS,
        *_OH,
        "a",
        "an",
        "and",
        "point",
        "cent",
        "cents",
    ]
)
# Marks a word that must not be read as a number; a private character, which no text contains.
_NO_NUMBER = "\ue000"

_Ending = Literal["", "th", "s"]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Digits, the position behind the last word read, and how many trailing zeros a smaller piece may still fill."""

    digits: str
    end: int
    room: int = 0
    ending: _Ending = ""


def rewrite_numbers(words: list[str]) -> list[str]:
    """Writes every number among the words with digits.

    Args:
        words: lower-case words without punctuation, except for decimal points inside digits ("6.9") and currency signs
            as words of their own.

    Returns:
        the words, each number one word ("1985", "25th", "1980s"), each amount of money a number and its unit in the
        plural ("6900000 dollars"; cents become dollars: "0.05 dollars").
    """
    if not CURRENCIES.keys().isdisjoint(words):
        words = _signs_read_out(words)
    out: list[str] = []
    i = 0
    while i < len(words):
        number = _run(words, i)
        if number is None:
            out.append(words[i])
            i += 1
            continue
        unit = None if number.ending else _MONEY_WORDS.get(_word(words, number.end))
        if unit is not None:
            i = _append_money(out, number.digits, unit, words, number.end + 1)
        else:
            spelled = _spell(number)
            if spelled.startswith("0.") and spelled.count(".") == 1:
                # "0.5" and ".5" as "point five" is read; the other way round, "at this point five" would be 0.5
                out += ["point", spelled[2:]]
            else:
                out.append(spelled)
            i = number.end
    return out


def rewrite_digits(words: list[str]) -> list[str]:
    """As `rewrite_numbers`, in any language: only numbers that are written with digits are rewritten.

    Args:
        words: as for `rewrite_numbers`.

    Returns:
        the words; neighboring digits one number, and a currency sign the unit behind its amount.
    """
    marked = [f"{_NO_NUMBER}{word}" if word in _ENGLISH_WORDS else word for word in words]
    return [word.removeprefix(_NO_NUMBER) for word in rewrite_numbers(marked)]


def _signs_read_out(words: list[str]) -> list[str]:
    """The words with each currency sign as the unit behind its amount: "$ 5 million" becomes "5 million dollars"."""
    out: list[str] = []
    i = 0
    while i < len(words):
        unit = CURRENCIES.get(words[i])
        i += 1
        if unit is None:
            out.append(words[i - 1])
            continue
        # a written amount is one number: "$5 3 times" is not "$53 times"
        amount = _run(words, i, joined=False)
        if amount is not None and not amount.ending:
            out += words[i : amount.end]
            i = amount.end
        out.append(unit)
        if _MONEY_WORDS.get(_word(words, i)) == unit:  # "$five dollars"
            i += 1
    return out


def _spell(number: _Piece) -> str:
    if number.ending != "th":
        return number.digits + number.ending
    if number.digits[-2:] in ("11", "12", "13"):
        return f"{number.digits}th"
    return number.digits + {"1": "st", "2": "nd", "3": "rd"}.get(number.digits[-1], "th")


def _word(words: list[str], i: int) -> str:
    return words[i] if i < len(words) else ""


def _append_money(out: list[str], digits: str, unit: str, words: list[str], end: int) -> int:
    """Appends an amount, together with the hundredths that follow it; returns the position behind it."""
    if digits.count(".") > 1:  # a version number, not an amount
        out += [digits, unit]
        return end
    if unit in _WHOLES:
        digits, unit = _shift(digits, -2), _WHOLES[unit]
    digits = _without_zeros(digits)
    while "." not in digits:  # again after "zero cents", which leave whole dollars
        hundredths = _hundredths(words, end, unit)
        if hundredths is None:
            break
        digits, end = _without_zeros(f"{digits}.{hundredths.digits:0>2}"), hundredths.end
    out += [digits, unit]
    return end


def _without_zeros(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _hundredths(words: list[str], i: int, unit: str) -> _Piece | None:
    """The cents or pence behind an amount in `unit`, with the position behind them.

    They are named ("and fifty cents"), or two digits by themselves ("three euros fifty"), unless these count something
    else.
    """
    joint = _word(words, i) == "and"
    number = _run(words, i + joint)
    if number is None or unit not in _HUNDREDTHS or not _TWO_DIGITS.fullmatch(number.digits + number.ending):
        return None
    following = _word(words, number.end)
    if _MONEY_WORDS.get(following) == _HUNDREDTHS[unit]:
        return _Piece(number.digits, number.end + 1)
    bare = not joint and len(number.digits) == 2 and number.digits[0] != "0"
    return number if bare and following not in _MONEY_WORDS and following not in _COUNTED else None


def _shift(digits: str, power: int) -> str:
    """`digits` times 10**power, power >= -2."""
    whole, _, fraction = digits.partition(".")
    if power < 0:
        whole = whole.rjust(1 - power, "0")
        return f"{whole[:power]}.{whole[power:]}{fraction}"
    fraction = fraction.ljust(power, "0")
    whole = (whole + fraction[:power]).lstrip("0") or "0"
    return f"{whole}.{fraction[power:]}" if fraction[power:] else whole


def _run(words: list[str], i: int, joined: bool = True) -> _Piece | None:
    """The longest number that starts at `i`: pieces one after the other, "oh" between them, decimals.

    With `joined` False it ends where arithmetic does not go on: "nineteen eighty" is 19.
    """
    if i and words[i - 1] == "point" and words[i] in _OH and _base(words, i + 1) is not None:
        number = _Piece("0", i + 1)  # "point oh five"
    else:
        number = _piece(words, i)
    if number is None:
        return None
    while not number.ending:
        word = _word(words, number.end)
        following: _Piece | None
        if word == "point":
            following = _decimals(words, number.end, number.digits)
            if following is None:
                break
            number = following
            continue
        # between digits "o" is "or" in Spanish and Italian
        spelled = word == "oh" or _base_is_spelled(words, number.end + 1)
        if joined and word in _OH and spelled and _base(words, number.end + 1) is not None:
            number = _Piece(f"{number.digits}0", number.end + 1)
            continue
        if word == "and" and number.room >= 2 and _base_is_spelled(words, number.end + 1):
            following = _piece(words, number.end + 1)
            if following is None or not _fits(following, 2):
                break
        else:
            following = _piece(words, number.end, inside=True)
            if following is None:
                break
        if _fits(following, number.room):
            digits = number.digits[: -len(following.digits)] + following.digits
        elif following.ending == "th" or not joined:  # "one second" is two words, "twenty second" one piece
            break
        else:
            digits = number.digits + following.digits
        number = _Piece(digits, following.end, following.room, following.ending)
    return number


def _fits(piece: _Piece, room: int) -> bool:
    return len(piece.digits) <= room and "." not in piece.digits and piece.digits.strip("0") != ""


def _piece(words: list[str], i: int, inside: bool = False) -> _Piece | None:
    """Words that form one number up to the next larger scale: "two hundred and five thousand", "eighty five"."""
    piece = _base(words, i, inside)
    while piece is not None and not piece.ending:
        word = _word(words, piece.end)
        if word in _SHIFT_ORDINALS:
            return _Piece(_shift(piece.digits, _SHIFT_ORDINALS[word]), piece.end + 1, 0, "th")
        shift = _SHIFTS.get(word)
        if shift is None or piece.digits.count(".") > 1:
            break
        room = 0 if "." in piece.digits else shift
        piece = _Piece(_shift(piece.digits, shift), piece.end + 1, room)
        if word == "hundred" and room:
            start = piece.end + (_word(words, piece.end) == "and")
            rest = _base(words, start, inside=True) if _base_is_spelled(words, start) else None
            # "one hundred and two hundred" are two numbers
            if rest is not None and _fits(rest, 2) and _word(words, rest.end) not in ("hundred", "hundredth"):
                piece = _Piece(piece.digits[: -len(rest.digits)] + rest.digits, rest.end, 0, rest.ending)
    return piece


def _base_is_spelled(words: list[str], i: int) -> bool:
    word = _word(words, i)
    return word in _SMALL or word in _ORDINALS or word in _PLURALS


def _base(words: list[str], i: int, inside: bool = False) -> _Piece | None:
    """One number below a hundred, or one written with digits.

    `inside` says that a number stands before, so that "ones" is a plural ("forty ones") and not a pronoun.
    """
    word = _word(words, i)
    if word in _SMALL:
        following = _word(words, i + 1)
        if word in _TENS and following not in ("zero", "zeros", "zeroes", "zeroth"):
            tens = _TENS[word][0]
            if following in _UNITS:
                return _Piece(tens + _UNITS[following], i + 2)
            if len(_ORDINALS.get(following, "")) == 1:
                return _Piece(tens + _ORDINALS[following], i + 2, 0, "th")
            if len(_PLURALS.get(following, "")) == 1:
                return _Piece(tens + _PLURALS[following], i + 2, 0, "s")
        return _Piece(_SMALL[word], i + 1)
    if word in ("a", "an") and _word(words, i + 1) in _SHIFTS:
        return _Piece("1", i + 1)
    if word in _ORDINALS:
        return _Piece(_ORDINALS[word], i + 1, 0, "th")
    if word in _SHIFT_ORDINALS:
        return _Piece(_shift("1", _SHIFT_ORDINALS[word]), i + 1, 0, "th")
    if word in _PLURALS and (inside or word != "ones"):
        return _Piece(_PLURALS[word], i + 1, 0, "s")
    if not word[:1].isdigit():
        return None
    if _CARDINAL.fullmatch(word):
        return _Piece(word, i + 1)
    if (match := _DIGIT_PLURAL.fullmatch(word)) is not None:
        return _Piece(match[1], i + 1, 0, "s")
    if (match := _DIGIT_ORDINAL.fullmatch(word)) is not None:
        ordinal = _Piece(match[1], i + 1, 0, "th")
        return ordinal if _spell(ordinal) == word else None  # "22th" stays a word of its own
    return None


def _decimals(words: list[str], i: int, digits: str) -> _Piece | None:
    """`digits` with the decimals read behind the word "point" at `i`, and the scale behind them ("million")."""
    decimals, end = "", i + 1
    while True:
        word = _word(words, end)
        base = _base(words, end)
        if word in _OH:
            decimals, end = f"{decimals}0", end + 1
            continue
        if base is not None and ("." in base.digits or word in ("a", "an")):
            base = _piece(words, end)
        if base is None or base.ending or "." in base.digits:
            break
        decimals, end = decimals + base.digits, base.end
    if not decimals:
        return None
    digits = f"{digits}.{decimals}"
    while digits.count(".") <= 1 and _word(words, end) in _SHIFTS:
        digits, end = _shift(digits, _SHIFTS[_word(words, end)]), end + 1
    return _Piece(digits, end)

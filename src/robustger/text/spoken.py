"""The normalizer `spoken`: writes English as it is spoken, for the corrector to read, and loses no word.

It writes lower case without punctuation, and spells numbers as the lists of HyPoradise do ("one thousand, nine
hundred"), because the correctors were trained on these lists. Unlike `hyporadise` it does not change the spoken words:
"woman's" and "don't" stay, hesitations and [laughter] are words, "-5" is "minus five", letters keep their accents, and
"rep" does not become "representative". Text in the plain form of HyPoradise's lists does not change.
"""

from __future__ import annotations

import re
from functools import lru_cache

from robustger.text.normalizers import NORMALIZERS
from robustger.text.number_words import (
    SCALE_WORDS,
    TEENS,
    TENS,
    UNIT_WORDS,
    cardinal,
    digit_by_digit,
    ordinal,
    plural,
)
from robustger.text.segments import (
    FRACTION,
    JOINER,
    LETTERS,
    MARK,
    WrittenToken,
    lowered,
    plain_words,
    shadow,
    tokens_of,
)

_UNIT = "|".join((*UNIT_WORDS[1:], "first", "second", "third", "fifth", "ninth"))
_TEN = "|".join(TENS)
_SCALE = "|".join(name for _, name in SCALE_WORDS)
_NUMBER_WORD = "|".join((*UNIT_WORDS, *TEENS, *TENS))
_MEASURES = (
    *("mm", "cm", "dm", "m", "km", "mg", "g", "kg", "ml", "cl", "l", "lb", "lbs", "oz", "ft", "mi"),
    *("hz", "khz", "mhz", "ghz", "kb", "mb", "gb", "tb", "kbit", "w", "kw", "kwh", "v", "db"),
    *("mph", "kmh", "ms", "sec", "min", "h", "am", "pm", "dpi", "px"),
)
_CURRENCIES = {"$": "dollar", "\u00a3": "pound", "\u20ac": "euro", "\u00a5": "yen"}
_SIGNS = {
    "&": "and",
    "@": "at",
    "%": "percent",
    "+": "plus",
    "=": "equals",
    "\u00b0": "degrees",
    "\u00d7": "times",
    "\u00f7": "divided by",
    "\u00b1": "plus or minus",
    "\u2030": "per mille",
    "\u00a7": "section",
    "\u2116": "number",
    "$": "dollars",
    "\u00a3": "pounds",
    "\u20ac": "euros",
    "\u00a5": "yen",
    "\u00a2": "cents",
}
_FRACTIONS = {"\u00bd": ("one", "half"), "\u00bc": ("one", "quarter"), "\u00be": ("three", "quarters")}
_TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor"}
_CLITICS = "em|cause|tis|twas|til|till|bout|round|n|s|ll|re|ve|d|m|t"  # words that begin with an apostrophe
_MONEY = "[$\u00a3\u20ac\u00a5]"
_VALUE = r"(?:[0-9]+(?:[.,][0-9]+)*|\.[0-9]+)"

_CORE = re.compile(
    rf"""
      (?P<symbol>  <[^<>\s]+> | \[{LETTERS}\] )
    | (?P<address> (?:https?://|www\.)\S*[^\W_]
                 | [^\W_][\w.+~-]*@[^\W_][\w-]*(?:\.[\w-]+)*\.[^\W\d_]{{2,}}
                 | (?<![\w.])(?:[^\W_][\w-]*\.)+(?:com|org|net|edu|gov|info|io|ai|co\.uk|de)(?!\w) )
    | (?P<time>    (?<![\w:])(?P<hour>[0-9]{{1,2}}):(?P<minute>[0-9]{{2}})(?::(?P<second>[0-9]{{2}}))?(?![\w:]) )
    | (?P<number>  (?:(?<![^\s(\["'\u201c\u2018])(?P<sign>[-+])(?={_MONEY}?\.?[0-9]))?
                   (?:(?P<money>{_MONEY})|(?<![^\W\u00bd\u00bc\u00be]))(?P<value>{_VALUE})
                   (?: (?P<suffix>st|nd|rd|th|'?s)(?!\w)
                     | (?=(?:{"|".join(_MEASURES)})(?!\w)|[ap]\.m\.) | (?(money)|(?!\w)) )
                   (?P<percent>\ ?%)?
                   (?P<scale>\ (?:hundred|{_SCALE})(?![\w-]))?
                   (?:\ ?(?P<unit>[\u20ac\u00a3\u00a5]|\$(?!\S)|\u00a2))? )
    | (?P<slip>    {_MONEY}[a-z]+(?:-[a-z]+)*(?![\w{MARK}{JOINER}]) )
    | (?P<initials> (?<!\w)(?:[^\W\d_]\.){{2,}}(?:[^\W\d_](?!\w))?(?:'s(?!\w))? )
    | (?P<compound> (?<![\w'])[a-z]*(?:{_TEN})-(?:{_UNIT})[a-z]*(?!\w) )
    | (?P<scaled>  (?<![\w'])(?:{_SCALE}),(?=\ (?:{_NUMBER_WORD})(?![a-z])) )
    | (?P<clitic>  (?<![^\W_])'(?:{_CLITICS})(?!\w)'? )
    | (?P<fraction> {FRACTION} )
    | (?P<word>    {LETTERS}(?:'{LETTERS})*'? )
    | (?P<hash>    \#(?=[^\W_]) )
    | (?P<degree>  \u00b0\ ?(?P<degrees>[CF])(?!\w) )
    | (?P<glyph>   [{re.escape("".join(_SIGNS))}] )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_IN_LISTS = re.compile(  # texts as the lists of HyPoradise hold them, their lone dots included
    rf"(?=.*[a-z])(?:(?:[a-z]+(?:'[a-z]+)*'?|'(?:{_CLITICS})|[a-z]*(?:{_TEN})-(?:{_UNIT})[a-z]*|\.\.?|<UNK>"
    rf"|{_MONEY}[a-z]+(?:-[a-z]+)*|(?:{_SCALE}),(?= (?:{_NUMBER_WORD})(?![a-z])))(?: |$))+"
)
_ADDRESS_PARTS = re.compile(rf"{LETTERS}|[.@/_]")
_ADDRESS_WORDS = {".": "dot", "@": "at", "/": "slash", "_": "underscore"}
_ENGLISH_GROUPS = re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.(?P<decimals>[0-9]+))?")
_CONTINENTAL_GROUPS = re.compile(r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})*|[0-9]+),(?P<decimals>[0-9]+)")


@NORMALIZERS.register("spoken")
@lru_cache(32_768)
def write_as_spoken(text: str) -> str:
    """Writes English as it is spoken: lower case, no punctuation, numbers in words; no word is lost or replaced.

    Example:
        >>> write_as_spoken("The woman's 50 mm lens cost $1,207.50, didn\u2019t it?")
        "the woman's fifty mm lens cost one thousand, two hundred and seven point five zero dollars didn't it"
    """
    return plain_words(segment_spoken(text))


def segment_spoken(text: str) -> list[WrittenToken]:
    """The tokens of an English text, whose words are those of the normalizer `spoken`.

    Args:
        text: as a recognizer wrote it; white space is collapsed.
    """
    text = " ".join(text.split())
    if _IN_LISTS.fullmatch(text):
        words = text.split(" ")
        return [WrittenToken("", word, "", " ", (word,)) for word in words[:-1]] + [
            WrittenToken("", words[-1], "", "", (words[-1],))
        ]
    seen = shadow(text)
    cores: list[tuple[int, int, tuple[str, ...]]] = []
    quoted = False  # within single quotes, whose closing one is no apostrophe
    last = 0
    for match in _CORE.finditer(seen):
        start, end = match.span()
        if "'" in (between := seen[last:start]):
            quoted = between.endswith("'")
        if (
            match.lastgroup in ("word", "clitic") and seen[end - 1] == "'"
        ):  # "boys'", or the end of a quotation
            apostrophe = not quoted and (match["clitic"] or seen[end - 2] in "sSnN")
            quoted = False
            end -= not apostrophe
        if words := _READERS[_kind(match)](match, text[start:end], seen[end:]):
            cores.append((start, end, words))
        last = end
    return tokens_of(text, cores)


def _kind(match: re.Match[str]) -> str:
    return next(kind for kind in _READERS if match[kind] is not None)


def _number(match: re.Match[str], core: str, rest: str) -> tuple[str, ...]:
    words = _value(match["value"])
    if suffix := (match["suffix"] or "").lower():
        words = plural(words) if suffix in ("s", "'s") else ordinal(words)
    if match["sign"]:
        words = f"{'minus' if match['sign'] == '-' else 'plus'} {words}"
    if match["percent"]:
        words += " percent"
    if match["scale"]:
        words += match["scale"].lower()
    if match["unit"] == "\u00a2":
        words += " cent" if words == "one" else " cents"
    elif unit := _CURRENCIES.get(match["money"] or match["unit"] or ""):
        words += f" {unit}" if words == "one" or unit == "yen" else f" {unit}s"
    return tuple(words.split())


def _value(value: str) -> str:
    """Digits with separators in words; a comma before other than three digits is a decimal one."""
    groups = _ENGLISH_GROUPS.fullmatch(value) or _CONTINENTAL_GROUPS.fullmatch(value)
    if groups is None:
        parts = re.split("([.,])", value)
        return " ".join("point" if part == "." else cardinal(part) for part in parts if part != ",")
    words = cardinal(groups["whole"].replace(",", "").replace(".", "") or "0")
    return f"{words} point {digit_by_digit(groups['decimals'])}" if groups["decimals"] else words


def _time(match: re.Match[str], core: str, rest: str) -> tuple[str, ...]:
    hour, minute, second = match["hour"], match["minute"], match["second"]
    words = [cardinal(hour)]
    if second or minute != "00":
        words.append(cardinal(minute))
    elif not re.match(r" ?[ap]\.?m(?!\w)", rest, re.IGNORECASE):
        words.append("o'clock")
    if second:
        words.append(cardinal(second))
    return tuple(" ".join(words).split())


def _address(match: re.Match[str], core: str, rest: str) -> tuple[str, ...]:
    parts = _ADDRESS_PARTS.findall(re.sub("^https?://", "", lowered(core)))
    return tuple(" ".join(_ADDRESS_WORDS.get(part) or write_as_spoken(part) for part in parts).split())


def _word(match: re.Match[str], core: str, rest: str) -> tuple[str, ...]:
    word = lowered(core)
    if word == "st" and re.match(r"\.? [A-Z]", rest) and core[0] == "S":
        return ("saint",)
    return (_TITLES.get(word, word),)


_READERS = {
    "symbol": lambda match, core, rest: (core if core[0] == "<" else lowered(core),),
    "address": _address,
    "time": _time,
    "number": _number,
    "slip": lambda match, core, rest: (lowered(core),),
    "initials": lambda match, core, rest: tuple(re.findall(r"[^\W_](?:'s)?", lowered(core).replace(".", ""))),
    "compound": lambda match, core, rest: (lowered(core),),
    "scaled": lambda match, core, rest: (lowered(core),),
    "clitic": lambda match, core, rest: (lowered(core),),
    "fraction": lambda match, core, rest: _FRACTIONS[core],
    "word": _word,
    "hash": lambda match, core, rest: ("number" if rest[:1].isdigit() else "hashtag",),
    "degree": lambda match, core, rest: ("degrees", "celsius" if match["degrees"] in "cC" else "fahrenheit"),
    "glyph": lambda match, core, rest: tuple(_SIGNS[core].split()),
}

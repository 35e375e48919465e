"""Each normalizer makes the right texts equal, and keeps the others apart."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.text import DEFAULT_NORMALIZERS, NORMALIZERS, get_normalizer, normalize

UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
UNITS += [
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
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def below_hundred(n: int) -> str:
    if n < 20:
        return UNITS[n]
    return TENS[n // 10] + (f"-{UNITS[n % 10]}" if n % 10 else "")


def below_thousand(n: int, joint: str) -> str:
    if n < 100:
        return below_hundred(n)
    return f"{UNITS[n // 100]} hundred" + (f"{joint}{below_hundred(n % 100)}" if n % 100 else "")


def spell(n: int, joint: str = " and ", comma: str = ",") -> str:
    """British by default: "one thousand, nine hundred and eighty-five", "two thousand and five"."""
    if n < 1000:
        return below_thousand(n, joint)
    parts = []
    for name, size in (("billion", 10**9), ("million", 10**6), ("thousand", 1000)):
        if n >= size:
            parts.append(f"{below_thousand(n // size, joint)} {name}")
            n %= size
    text = f"{comma} ".join(parts)
    if n:
        text += (joint if n < 100 else f"{comma} ") + below_thousand(n, joint)
    return text


def spell_year(year: int) -> str:
    century, rest = divmod(year, 100)
    if rest == 0:
        return f"{below_hundred(century)} hundred"
    return f"{below_hundred(century)} " + (f"oh {UNITS[rest]}" if rest < 10 else below_hundred(rest))


def as_ordinal(spelled: str) -> str:
    head, last = spelled[: -len(spelled.replace("-", " ").split()[-1])], spelled.replace("-", " ").split()[-1]
    return head + (ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th"))


def digit_ordinal(n: int) -> str:
    suffix = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def number(text: str) -> str:
    return normalize(text, "number")


def assert_one_text(*spellings: str) -> None:
    assert {spelling: number(spelling) for spelling in spellings} == dict.fromkeys(
        spellings, number(spellings[0])
    )


@pytest.mark.parametrize(
    "spellings",
    [
        "one thousand, nine hundred and eighty-five | nineteen eighty five | Nineteen eighty-five. | 1985 | 1,985",
        "in one thousand, nine hundred and eighty-five | in nineteen eighty five",
        "nineteen oh five | nineteen hundred and five | one thousand, nine hundred and five | 1905",
        "two thousand five | two thousand and five | 2005",
        "four hundred and sixty-eight | four sixty eight | four hundred sixty eight | 4 68 | 468",
        "one oh one | one o one | one hundred and one | 101",
        "five five five one two one two | 555-1212 | 5,551,212",
        "twenty five hundred | two thousand, five hundred | 2,500",
        "a hundred and fifty thousand | one hundred and fifty thousand | 150,000 | 150 thousand",
        "one thousand million | a billion | 1 billion | 1,000,000,000",
        "$six point nine million | six point nine million dollars | $6.9 million | $6,900,000 | $6.9 million dollars",
        "$fifty thousand | fifty thousand dollars | $50,000 | 50,000 dollars",
        "$one | one dollar | $1 | $1.00 | 1$",
        "three dollars and fifty cents | three dollars fifty cents | $3.50 | $three point five",
        "fifty cents | $0.50 | $.50 | $zero point five | 50¢ | 50 cents",
        "$one thousand, four hundred and thirty-eight | fourteen hundred and thirty-eight dollars | $1,438",
        "a $five bill | a five dollar bill | a $5 bill",
        "£five | five pounds | £5",
        "twenty euros | €20",
        "fifteen percent | 15% | 15 per cent | fifteen per cent",
        "zero point five percent | point five percent | 0.5% | .5%",
        "three point one four | 3.14 | three point fourteen",
        "point oh five | .05 | zero point zero five",
        "one point two point three | 1.2.3",
        "twenty-fifth | twenty fifth | 25th",
        "one hundred and twenty-first | 121st",
        "the third of may | the 3rd of May",
        "nineteen eighties | nineteen-eighties | 1980s | 1980's",
        "the eighties | the 80s | the '80s",
        "seventy-threes | seventy threes | 73s",
        "seven forty sevens | 747s",
        "a quarter to five thirty | a quarter to 5:30",
        "well-known | well known | Well-Known,",
        "it's | its | it’s | It`s",
        "salt & pepper | salt and pepper",
        "it is . | it is | it is...",
        "１９８５ | 1985",
    ],
)
def test_number_is_blind_to_how_a_number_is_written(spellings: str):
    assert_one_text(*spellings.split(" | "))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fifteen", "fifty"),
        ("two thousand", "two hundred"),
        ("nineteen eighty five", "nineteen eighty six"),
        ("nineteen eighty five", "nineteen ninety five"),
        ("twenty two", "two twenty"),
        ("six point nine million", "six point nine billion"),
        ("$six million", "six million"),
        ("six dollars", "six pounds"),
        ("six dollars", "six cents"),
        ("five percent", "five"),
        ("fifth", "five"),
        ("fifth", "fiveth"),  # the recogniser's own mistake, not a spelling
        ("first", "onest"),
        ("twenty-second", "twenty-twond"),
        ("nineteen eighties", "nineteen eighty"),
        ("point five", "five"),
        ("one point five", "one five"),
        ("seventy three", "seventy threes"),
        ("one hundred and two hundred", "one hundred and two"),
        ("1/3", "13"),
        ("n e c", "nec"),
        ("good bye", "goodbye"),
        ("uh well", "well"),
        ("a few hundred", "a few"),
        ("an hour", "one hour"),
        ("wait a second", "wait a minute"),
        ("no one knows", "no two knows"),
        ("oh five of them", "five of them"),
        ("two to five", "two two five"),
        ("forty", "for tea"),
        ("colour", "color"),
    ],
)
def test_number_keeps_different_content_apart(one: str, other: str):
    assert number(one) != number(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" . ", ""),
        ("between one hundred and two hundred people", "between 100 and 200 people"),
        ("uh, um... the U.S. market", "uh um the u s market"),
        ("the ones who know", "the ones who know"),
        ("five dollars three times", "5 dollars 3 times"),
        ("$5 3 times", "5 dollars 3 times"),
        ("hundreds of millions", "hundreds of millions"),
        ("several hundred thousand", "several hundred thousand"),
        ("at this point five thousand people", "at this point 5000 people"),
        ("half a dozen, two thirds", "half a dozen 2 thirds"),
        ("naïve café – Straße 😀 日本語 ٣", "naïve café strasse 😀 日本語 ٣"),
        ("👩\u200d🚀 up", "👩\u200d🚀 up"),
        ("soft\u00adhyphen", "softhyphen"),
        ("<unk> [noise] a_b", "unk noise a b"),
        ("$", "dollars"),
    ],
)
def test_number_writes(text: str, expected: str):
    assert number(text) == expected


@given(st.integers(0, 10**10 - 1))
@example(0)
@example(100)
@example(1_000_005)
@example(10**9)
def test_every_integer_is_itself_however_written(n: int):
    assert_one_text(
        str(n), f"{n:,}", spell(n), spell(n, " ", ""), spell(n).replace("-", " "), spell(n, " and ", "")
    )
    assert number(str(n)) == str(n)


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_different_integers_stay_different(n: int, other: int):
    assume(n != other)
    assert number(spell(n)) != number(spell(other))


@given(st.integers(1001, 2099))
def test_every_year_is_itself_however_written(year: int):
    assume(year // 100 % 10 or year < 1100)  # 2000 to 2009 are "two thousand and five"
    assume(not 2000 <= year <= 2009)
    assert_one_text(spell_year(year), spell(year), str(year))


@given(st.integers(1, 10**7))
def test_every_ordinal_is_itself_however_written(n: int):
    assert_one_text(as_ordinal(spell(n)), as_ordinal(spell(n, " ", "")), digit_ordinal(n))


@given(st.integers(0, 10**7), st.integers(1, 99))
def test_every_amount_is_itself_however_written(dollars: int, cents: int):
    digits = f"{dollars}.{cents:02}"
    decimals = " ".join(UNITS[int(digit)] for digit in f"{cents:02}".rstrip("0"))
    assert_one_text(
        f"{spell(dollars)} dollars and {spell(cents)} cents",
        f"${dollars:,}.{cents:02}",
        f"{digits} dollars",
        f"${spell(dollars)} point {decimals}",
        f"{spell(dollars)} point {decimals} dollars",
    )


@given(
    st.integers(1, 999), st.integers(1, 9), st.sampled_from(["thousand", "million", "billion", "trillion"])
)
def test_every_round_amount_is_itself_however_written(whole: int, tenth: int, scale: str):
    power = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}[scale]
    assert_one_text(
        f"${whole}.{tenth} {scale}",
        f"{spell(whole)} point {UNITS[tenth]} {scale} dollars",
        f"${spell(whole)} point {UNITS[tenth]} {scale}",
        f"${(10 * whole + tenth) * 10 ** (power - 1):,}",
    )


NUMBER_WORDS = [*UNITS, *filter(None, TENS), "hundred", "thousand", "million", "hundredth", "millionth"]
NUMBER_WORDS += [
    "first",
    "second",
    "twenty-fifth",
    "threes",
    "ones",
    "sixes",
    "point",
    "and",
    "a",
    "an",
    "oh",
    "o",
]
NUMBER_WORDS += [
    "dollar",
    "dollars",
    "cents",
    "pound",
    "yen",
    "per",
    "cent",
    "the",
    "cat",
    "1980s",
    "25th",
    "22th",
]
NUMBER_WORDS += [
    "5",
    "30",
    "2000",
    "3.5",
    "1.2.3",
    "0",
    "007",
    ".5",
    "1/2",
    ",",
    ".",
    "-",
    "$",
    "£",
    "€",
    "¢",
    "%",
]
NUMBER_WORDS += ["$5", "1,000"]


@given(st.lists(st.sampled_from(NUMBER_WORDS), max_size=9).map(" ".join) | st.text())
@example("3 $5")
@example("e\u00ad\u0301")  # dropping the soft hyphen lets the accent compose
@example("eleventh point .5 hundred , fourteen")
@example("İ Σ ﬁ ½")
def test_every_normaliser_leaves_its_own_output_alone(text: str):
    for name in ("raw", "released", "number"):
        once = normalize(text, name)
        assert normalize(once, name) == once, name
        assert once == " ".join(once.split()), name


@given(st.text(st.characters(), max_size=40))
def test_no_text_breaks_a_normaliser(text: str):
    for name in NORMALIZERS.names():
        assert isinstance(normalize(text, name), str)


@pytest.mark.parametrize(
    "text", ["9" * 10_000, f"${'9' * 10_000}.5 million", "five " * 10_000, "\ud800 half", "\x00"]
)
def test_extreme_texts_are_texts_like_any_other(text: str):
    assert number(number(text)) == number(text)


def test_released_is_the_released_rule():
    assert normalize("  It's a well-known, 6.9 Rule? . Yes!", "released") == "its a wellknown 69 rule yes!"


def test_raw_changes_white_space_only():
    assert normalize("\t A  b-C,\u00a0d\n", "raw") == "A b-C, d"


def test_whisper_is_whispers_english_normaliser():
    assert normalize("Um, the COLOUR won't fit: twenty million dollars [laughs]", "whisper") == (
        "the color will not fit $20000000"
    )


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(
        InputError, match="unknown normalizer 'numbers'; choose one of: raw, released, whisper, number"
    ):
        get_normalizer("numbers")
    assert set(DEFAULT_NORMALIZERS) <= set(NORMALIZERS.names())


@pytest.fixture(scope="module")
def chime4() -> list[dict]:
    folder = os.environ.get("ROBUSTGER_DATA")
    if not folder:
        pytest.skip("ROBUSTGER_DATA is not set: no real N-best lists")
    files = sorted((Path(folder) / "hyporadise").glob("chime4.*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_real_lists_lose_their_formatting_errors_and_no_others(chime4: list[dict]):
    from rapidfuzz.distance import Levenshtein

    def rate(name: str) -> float:
        pairs = [(normalize(d["reference"], name), normalize(d["hypotheses"][0], name)) for d in chime4]
        errors = sum(Levenshtein.distance(a.split(), b.split()) for a, b in pairs)
        return errors / sum(len(a.split()) for a, _ in pairs)

    assert 0.11 < rate("raw") < 0.14
    assert 0.06 < rate("number") < 0.09
    # A reference keeps its words: only numbers and their units become fewer
    for d in chime4:
        words = [word for word in d["reference"].split() if word.isalpha()]
        kept = number(d["reference"]).split()
        assert len(kept) <= len(words)

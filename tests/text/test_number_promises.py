"""The normalizer `number` keeps every promise of its docstring, and no language loses a letter by it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.text import NORMALIZERS, normalize, normalizer_for

UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def number(text: str) -> str:
    return normalize(text, "number")


@pytest.mark.parametrize(
    "spellings",
    [
        # typographic apostrophes, and contractions that a tokenizer parted
        "don't | don’t | don‘t | don‛t | donʼt | don`t | don´t | don＇t | don\x92t | do n't | do n’t | dont",
        "it's | it’s | it 's | its",
        "they're we'll I've I'm he'd | they 're we 'll I 've I 'm he 'd",
        # decimal commas
        "3,50 € | 3.50 € | €3.50 | €3,50 | three euros fifty | three euros and fifty cents | 3.50 euros",
        "1,5 | 1.5 | one point five",
        "1.234,56 | 1,234.56 | 1 234,56",
        "3,5 million | 3.5 million | three point five million | 3,500,000",
        "1,23,456 | 123456 | 123,456",
        # amounts of money
        "$6.9 million | $6.9m | $6.9 mn | six point nine million dollars | $6,900,000",
        "$1.5bn | $1.5 bn | $1.5 billion | one point five billion dollars",
        "£20k | £20,000 | twenty thousand pounds",
        "£3.50 | three pounds fifty | three pounds and fifty pence | three pounds fifty pence | 3.50 pounds",
        "fifty pence | £0.50 | 50 pence",
        "₹500 | 500 rupees | five hundred rupees",
        "-$5 | $-5 | −$5 | minus five dollars",
        # signs
        "-5 | −5 | minus five | minus 5",
        "(-0.5) | minus .5 | minus zero point five",
        "+5 | plus five",
        # units
        "50mm | 50 mm | fifty mm",
        "at 5pm | at 5 pm | at five pm",
        "2.5kg | 2.5 kg | two point five kg",
    ],
)
def test_what_is_one_number_is_one_text(spellings: str) -> None:
    texts = spellings.split(" | ")
    assert {text: number(text) for text in texts} == dict.fromkeys(texts, number(texts[0]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("do not", "don't"),
        ("it is", "it's"),
        ("we will", "we'll"),
        ("woman is", "woman's"),
        ("-5", "5"),
        ("+5", "-5"),
        ("3,50", "350"),
        ("1,985", "1.985"),
        ("$6.9m", "$6.9bn"),
        ("6.9m", "6.9 million"),  # meters, perhaps
        ("five dollars three", "five dollars thirty"),
        ("fifty pence", "fifty cents"),
        ("mm", "millimeters"),
        ("negative five", "minus five"),
        ("mp3", "3"),
        ("4x4", "44"),
    ],
)
def test_what_is_another_word_stays_another(one: str, other: str) -> None:
    assert number(one) != number(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("five dollars twenty times", "5 dollars 20 times"),
        ("five dollars fifteen percent", "5 dollars 15 percent"),
        ("five dollars 1985", "5 dollars 1985"),
        ("ranges 5-6, well-known", "ranges 56 well known"),
        ("a word - 5 of them", "a word 5 of them"),
        ("mp3 b2b 3rd 1980s 22th 4x4", "mp3 b2b 3rd 1980s 22th 4x4"),
        ("he said 'sure' and 's'", "he said sure and s"),
        ("3 dollars 0 cents 20", "3.2 dollars"),
    ],
)
def test_number_writes(text: str, expected: str) -> None:
    assert number(text) == expected
    assert number(expected) == expected


@given(
    st.integers(1, 999),
    st.integers(10, 99),
    st.sampled_from(["$ dollars cents", "€ euros cents", "£ pounds pence"]),
)
def test_every_amount_is_itself_with_its_hundredths_named_or_not(whole: int, rest: int, money: str) -> None:
    sign, unit, hundredth = money.split()
    said = TENS[rest // 10 - 2] + (f"-{UNITS[rest % 10]}" if rest % 10 else "") if rest >= 20 else str(rest)
    texts = [
        f"{sign}{whole}.{rest}",
        f"{sign}{whole},{rest}",
        f"{whole},{rest} {sign}",
        f"{whole} {unit} {said}",
        f"{whole} {unit} and {said} {hundredth}",
        f"{whole}.{rest} {unit}",
    ]
    assert {text: number(text) for text in texts} == dict.fromkeys(texts, number(texts[0]))


@given(st.integers(0, 10**9), st.sampled_from(["mm", "km", "kg", "pm", "mph", "x"]))
def test_a_unit_may_touch_its_number(value: int, unit: str) -> None:
    assert number(f"{value}{unit}") == number(f"{value} {unit}") == number(f"{value:,}{unit}")


_MIXED = [
    "-5",
    "+",
    "$",
    "€",
    "£",
    "-",
    ",",
    "3,50",
    "$6.9m",
    "£20k",
    "50mm",
    "5pm",
    "'s",
    "n't",
    "do",
    "it",
    "’",
    "and",
]
_MIXED += [
    "euros",
    "dollars",
    "pounds",
    "cents",
    "pence",
    "rupees",
    "₹",
    "fifty",
    "twenty",
    "0",
    "5",
    "20",
    "1.234,56",
    "o",
]
_MIXED += [
    "oh",
    "percent",
    "times",
    "minus",
    "1st",
    "per",
    "cent",
    "million",
    "−5",
    "\u2009",
    "\u200f",
    "b",
    "m",
    "k",
]


@given(st.lists(st.sampled_from(_MIXED), max_size=9), st.sampled_from(["", " "]))
@example(["3", "dollars", "0", "cents", "20"], " ")
def test_normalized_texts_stay_as_they_are(parts: list[str], joint: str) -> None:
    text = joint.join(parts)
    for normalizer in (normalizer_for("number", "en"), normalizer_for("number", "de")):
        assert normalizer(normalizer(text)) == normalizer(text)


# Real sentences of languages whose letters carry marks, or that are written without spaces.
SENTENCES = {
    "de": "Grüße aus Köln: 3,50 € für elf Äpfel, acht Öle und eine Million Straßen",
    "fr": "L'été dernier, six cents élèves étaient à l'école; le second a cent ans",
    "es": "El niño tiene 5 o 6 años y come un ñandú",
    "hi": "नमस्ते, मेरी पाँच किताबें हिन्दी में हैं।",
    "th": "ที่นี่ภาษาไทยมีสระและวรรณยุกต์ห้าตัว",
    "ar": "السَّلَامُ عَلَيْكُمْ",
    "he": "שָׁלוֹם עֲלֵיכֶם",
    "vi": "Tiếng Việt có sáu thanh điệu",
    "ta": "தமிழ் மொழி",
    "zh": "宋朝末年年间定居粉岭围。",
}


def letters(text: str) -> list[str]:
    """Letters, marks and digits of a text, composed and without case, in order."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return [character for character in text if unicodedata.category(character)[0] in "LMN"]


@pytest.mark.parametrize("language", SENTENCES)
def test_every_letter_and_vowel_sign_of_a_language_stays(language: str) -> None:
    text = SENTENCES[language]
    found = normalizer_for("number", language)(text)
    kept = letters(found.replace("euros", ""))  # read for its sign
    assert [one for one in kept if not one.isdigit()] == [one for one in letters(text) if not one.isdigit()]
    assert normalizer_for("number", language)(found) == found


def test_number_words_of_english_are_words_elsewhere() -> None:
    assert normalizer_for("number", "fr")("six cents et le second point") == "six cents et le second point"
    assert normalizer_for("number", "de-AT")("drei Million and one 1 000") == "drei million and one 1000"
    for language in ("en", "en-US", None):
        assert normalizer_for("number", language)("six cents") == "0.06 dollars"
    assert number("entre 5 o 6 personas") == "entre 5 o 6 personas"
    assert normalizer_for("raw", "de")("Ja.") == "Ja."
    with pytest.raises(InputError, match="unknown"):
        normalizer_for("nosuch", "de")


@given(st.text(st.characters(categories=["L", "M"]), max_size=30))
def test_marks_of_any_script_survive(text: str) -> None:
    assume(not any(character.isascii() for character in letters(text)))
    once = number(text)
    assume(not set(text) & set("ʹʻʼꞌ＇"))  # apostrophes, by their category letters
    assert letters(once) == letters(text)


@given(
    st.lists(st.sampled_from([*_MIXED, "One's", "Été", "हिन्दी", "21"]), min_size=1, max_size=8).map(" ".join)
)
def test_a_text_is_never_in_error_against_itself(text: str) -> None:
    """The same text is the same words, under every normalizer and in the same form on both sides."""
    for name in NORMALIZERS.names():
        assert normalize(text, name) == normalize(f" {text}\n", name)

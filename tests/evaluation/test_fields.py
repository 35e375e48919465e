from __future__ import annotations

import pytest

from robustger.errors import InputError
from robustger.evaluation.fields import MISSING, Grouping
from robustger.evaluation.units import ERROR_UNITS
from robustger.hypotheses import NBest

WORD = ERROR_UNITS.get("word")


def nbest(reference: str = "a b c", /, **meta: object) -> NBest:
    return NBest.from_texts("u", ["x"], reference=reference, audio="u.wav", meta=meta)


def shown(field: str, one: NBest) -> str:
    return Grouping.parse(field).group(one, WORD).text


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("noise", "babble"),
        ("snr_db", "-5"),
        ("gain", "0.5"),
        ("clean", "true"),
        ("empty", '" "'),
        ("lines", "two lines"),
        ("mix.kind", "rain"),
        ("mix.depth.most", "3"),
        ("dotted.key", "kept"),
        ("length", "≤ 5"),
        ("meta.length", "9.25"),
        ("id", "u"),
        ("audio", "u.wav"),
        ("reference", "a b c"),
        ("nothing", "(none)"),
        ("mix.nothing", "(none)"),
        ("noise.kind", "(none)"),
        ("null", "(none)"),
    ],
)
def test_values(field: str, expected: str):
    meta = {
        "noise": "babble",
        "snr_db": -5.0,
        "gain": 0.5,
        "clean": True,
        "empty": " ",
        "lines": "two\nlines",
        "mix": {"kind": "rain", "depth": {"most": 3}},
        "dotted.key": "kept",
        "length": 9.25,
        "null": None,
    }
    assert shown(field, nbest(**meta)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-1, "≤ 2"), (2, "≤ 2"), (2.01, "(2, 5]"), (5, "(2, 5]"), (10, "(5, 10]"), (11, "> 10")],
)
def test_classes(seconds: float, expected: str):
    assert shown("seconds:2,5,10", nbest(seconds=seconds)) == expected


def test_lengths_are_in_the_unit_that_is_counted():
    one = nbest("ab cd ef gh ij kl")
    assert Grouping.parse("length").group(one, WORD).text == "(5, 10]"
    assert Grouping.parse("length:3,6").group(one, WORD).text == "(3, 6]"
    assert Grouping.parse("length").group(one, ERROR_UNITS.get("char")).text == "(10, 20]"


def test_numbers_sort_by_size_then_texts_then_what_is_missing():
    values = ["clean", 10, -5, 0, "babble", None, 2.5]
    groups = sorted(Grouping("snr_db").group(nbest(snr_db=value), WORD) for value in values)
    assert [group.text for group in groups] == ["-5", "0", "2.5", "10", "babble", "clean", "(none)"]
    assert groups[-1] == MISSING
    classes = sorted(Grouping.parse("s:2,10").group(nbest(s=value), WORD) for value in (11, 3, 1))
    assert [group.text for group in classes] == ["≤ 2", "(2, 10]", "> 10"]


@pytest.mark.parametrize("text", ["", ":1,2", "s:", "s:a", "s:2,1", "s:1,1", "s:nan", "s:1,inf", "s:1:2"])
def test_groupings_that_mean_nothing_are_refused(text: str):
    with pytest.raises(InputError, match="cannot group by"):
        Grouping.parse(text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mix", {"kind": "rain"}, "list 'u': 'mix' is an object, which cannot name a group"),
        ("tags", ["a"], "list 'u': 'tags' is a list"),
        ("seconds:2", "short", "list 'u': 'seconds' must be a number, not the string 'short'"),
        ("huge", 10**400, "list 'u': 'huge' must be finite"),
    ],
)
def test_values_that_name_no_group_are_refused(field: str, value: object, message: str):
    with pytest.raises(InputError) as caught:
        shown(field, nbest(**{field.partition(":")[0]: value}))
    assert str(caught.value).startswith(message)

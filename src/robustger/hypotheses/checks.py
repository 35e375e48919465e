"""Checks values from files and callers, and names them in messages."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from robustger.errors import InputError

JSON_ARRAY = "a JSON array; write one object a line (jq -c '.[]' FILE does)"


def strings_of(values: Any, key: str, item: str) -> Sequence[str]:
    """The value, which must be a list of strings.

    Args:
        values: the value.
        key: where it stands.
        item: the name of one of its strings in messages.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(values, list | tuple):
        raise InputError(f"{key!r} must be a list of strings, not {kind_of(values)}")
    for position, value in enumerate(values, start=1):
        if not isinstance(value, str):
            raise InputError(f"{item} {position} must be a string, not {kind_of(value)}")
    return values


def scores_of(fields: Mapping[str, Any], key: str, count: int) -> Sequence[float | None]:
    """The numbers under `key`, one for each of `count` hypotheses; None for each where the key is absent.

    Raises:
        InputError: no list, another number of scores, or one that is no finite number.
    """
    scores = fields.get(key)
    if scores is None:
        return [None] * count
    if not isinstance(scores, list | tuple):
        raise InputError(f"{key!r} must be a list of numbers, not {kind_of(scores)}")
    if len(scores) != count:
        raise InputError(f"{len(scores)} {key!r} for {count} 'hypotheses'; give one score for each")
    name = key.removesuffix("s").replace("_", " ")
    return [finite_number(score, f"{name} {position}") for position, score in enumerate(scores, start=1)]


def number_of(fields: Mapping[str, Any], key: str) -> float | None:
    """The number under `key`, or None where it is absent.

    Raises:
        InputError: it is no finite number.
    """
    return None if fields.get(key) is None else finite_number(fields[key], repr(key))


def finite_number(value: Any, name: str) -> float:
    """The value as a float.

    Raises:
        InputError: `name`, and that it is no number, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} must be a number, not {kind_of(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, not {shown(value)}")
    return number


def typed_of(fields: Mapping[str, Any], key: str, kind: type, name: str) -> Any:
    """The value under `key`, or None where it is absent.

    Raises:
        InputError: it is not of the type `kind`, which the message calls `name`.
    """
    value = fields.get(key)
    if value is not None and not isinstance(value, kind):
        raise InputError(f"{key!r} must be {name}, not {kind_of(value)}")
    return value


def kind_of(value: Any) -> str:
    """JSON's name of the value's type, with the value itself if it is short."""
    if value is None:
        return "null"
    names = {bool: "the boolean", int: "the number", float: "the number", str: "the string"}
    for kind, name in names.items():
        if isinstance(value, kind):
            return f"{name} {shown(value)}"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def shown(value: Any) -> str:
    """`repr` of the value on one line, shortened; never fails on integers of thousands of digits."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return "an integer of thousands of digits"


def printable(text: str) -> str:
    """The text in valid UTF-8: bytes of a file's name that are not UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

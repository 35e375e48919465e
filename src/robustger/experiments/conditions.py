"""Reads from a list which sentence was spoken, in which noise, and at which SNR."""

from __future__ import annotations

import re
from collections.abc import Mapping

from robustger.errors import InputError
from robustger.hypotheses import NBest

CLEAN = "clean"


def sentence(nbest: NBest) -> str:
    """The name of the sentence that a speaker said, which is the unit of resampling.

    This is the list's `meta.sentence`, which corpora write where several recordings share a sentence. Otherwise it is
    the recording that a mixture was made from: the mixture names it, or its id begins with it (`ID_NOISE_5dB`). Any
    other list is a sentence of its own.
    """
    named = nbest.meta.get("sentence")
    if isinstance(named, str):
        return named
    mix = nbest.meta.get("mix")
    source = mix.get("source_id") if isinstance(mix, Mapping) else None
    if isinstance(source, str):
        return source
    found = re.fullmatch(r"(.+)_[^_]+_-?[\d.]+dB", nbest.id)
    return found[1] if found and nbest.meta.get("snr_db") is not None else nbest.id


def snr_db(nbest: NBest) -> float | None:
    """The SNR in dB, rounded by `level`; None where the list names none.

    Raises:
        InputError: `meta.snr_db` is not a number.
    """
    value = nbest.meta.get("snr_db")
    if value is None:
        return None
    try:
        return level(float(value))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"list {nbest.id!r}: meta.snr_db: {value!r} is not a number of dB") from None


def level(snr: float) -> float:
    """An SNR in dB, rounded to half a dB so that measured SNRs fall into groups; an int where it is whole.

    Raises:
        ValueError: the SNR is NaN.
        OverflowError: the SNR is infinite.
    """
    rounded = round(2 * snr) / 2
    return int(rounded) if rounded.is_integer() else rounded


def noise_kind(nbest: NBest) -> str:
    """The kind of noise: `brown` for the recording `brown-1`; "clean" where the list names neither noise nor SNR."""
    noise = nbest.meta.get("noise")
    if noise is None:
        return CLEAN if nbest.meta.get("snr_db") is None else "noise"
    return re.sub(r"-\d+$", "", str(noise)) or "noise"

"""What a list says of how it came to be: which sentence, in which noise, at which SNR."""

from __future__ import annotations

import re
from collections.abc import Mapping

from robustger.errors import InputError
from robustger.hypotheses import NBest

CLEAN = "clean"


def sentence(nbest: NBest) -> str:
    """What was said, by whom: the unit that is resampled.

    Its `sentence`, which corpora write where several recordings are of one. Otherwise a mixture names the recording
    that it was made of, or has its id as the beginning of its own (`ID_NOISE_5dB`); any other list is a sentence of its
    own.
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
    """The SNR by `level`; None where the list names none.

    Raises:
        InputError: it is no number.
    """
    value = nbest.meta.get("snr_db")
    if value is None:
        return None
    try:
        return level(float(value))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"list {nbest.id!r}: meta.snr_db: {value!r} is no number of dB") from None


def level(snr: float) -> float:
    """An SNR rounded to half a dB, so that measured ones come together; an int where it is whole.

    Raises:
        ValueError: it is not a number.
        OverflowError: it is infinite.
    """
    rounded = round(2 * snr) / 2
    return int(rounded) if rounded.is_integer() else rounded


def noise_kind(nbest: NBest) -> str:
    """The kind of noise, `brown` of the recording `brown-1`; "clean" where the list names neither noise nor SNR."""
    noise = nbest.meta.get("noise")
    if noise is None:
        return CLEAN if nbest.meta.get("snr_db") is None else "noise"
    return re.sub(r"-\d+$", "", str(noise)) or "noise"

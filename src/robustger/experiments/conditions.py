"""What a list says of how it came to be: which sentence, in which noise, at which SNR."""

from __future__ import annotations

import re
from collections.abc import Mapping

from robustger.hypotheses import NBest

CLEAN = "clean"


def sentence(nbest: NBest) -> str:
    """What was said, by whom: the unit that is resampled.

    A mixture names the recording that it was made of, or has its id as the beginning of its own (`ID_NOISE_5dB`); any
    other list is a sentence of its own.
    """
    mix = nbest.meta.get("mix")
    source = mix.get("source_id") if isinstance(mix, Mapping) else None
    if isinstance(source, str):
        return source
    found = re.fullmatch(r"(.+)_[^_]+_-?[\d.]+dB", nbest.id)
    return found[1] if found and nbest.meta.get("snr_db") is not None else nbest.id


def snr_db(nbest: NBest) -> int | None:
    """The SNR, rounded to whole dB; None where the list names none."""
    value = nbest.meta.get("snr_db")
    return None if value is None else round(float(value))


def noise_kind(nbest: NBest) -> str:
    """The kind of noise, `brown` of the recording `brown-1`; "clean" where the list names neither noise nor SNR."""
    noise = nbest.meta.get("noise")
    if noise is None:
        return CLEAN if nbest.meta.get("snr_db") is None else "noise"
    return re.sub(r"-\d+$", "", str(noise)) or "noise"

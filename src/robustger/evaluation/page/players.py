"""The audio players of a page. They play the recordings from their files, or from copies inside the page."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from robustger.errors import InputError
from robustger.hypotheses import NBest

if TYPE_CHECKING:
    import numpy as np

# The address that the player of a list's recording opens; None where the list names no recording.
Player = Callable[[NBest], str | None]

_SAMPLE_RATE = 16_000


def linked(page: str | Path, folder: str | Path) -> Player:
    """Players that open the recordings where they lie, by addresses relative to the page.

    Args:
        page: the page that is written.
        folder: what the paths in the lists are relative to.

    Returns:
        a function that raises InputError for a recording that does not exist.
    """

    def address(nbest: NBest) -> str | None:
        if nbest.audio is None:
            return None
        target = os.path.relpath(_existing(nbest, folder), Path(os.path.realpath(page)).parent)
        stretch = ""
        if nbest.start is not None or nbest.end is not None:
            end = "" if nbest.end is None else f",{nbest.end:g}"
            stretch = f"#t={nbest.start or 0:g}{end}"
        return quote(Path(target).as_posix()) + stretch

    return address


def embedded(folder: str | Path, read: Callable[..., np.ndarray]) -> Player:
    """Players whose recordings are copied into the page, as 16 kHz FLAC: about 1 MB a minute.

    Args:
        folder: what the paths in the lists are relative to.
        read: returns 16 kHz mono samples of a path and the keywords `start` and `end` in seconds, as
            `robustger.audio.read_audio` does.

    Returns:
        a function that raises InputError for a recording that cannot be read.
    """

    def address(nbest: NBest) -> str | None:
        if nbest.audio is None:
            return None
        import soundfile

        samples: Any = read(_existing(nbest, folder), start=nbest.start, end=nbest.end)
        flac = io.BytesIO()
        soundfile.write(flac, samples, _SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        return f"data:audio/flac;base64,{base64.b64encode(flac.getbuffer()).decode()}"

    return address


def _existing(nbest: NBest, folder: str | Path) -> Path:
    assert nbest.audio is not None
    path = Path(os.path.realpath(folder)) / nbest.audio
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null character
        found = False
    if not found:
        raise InputError(f"{nbest.id}: the recording {nbest.audio} does not exist")
    return path

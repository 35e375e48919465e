"""Rewrites the 1-best with a normalizer; all gains of this baseline are due to typography."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from robustger.correction.baselines.baseline import baseline_transcript
from robustger.hypotheses import NBest, Transcript
from robustger.text import get_normalizer


class FormatOnly:
    """The 1-best as a normalizer writes it.

    With `number` its error rate under `number` is the row *format-only* of `robustger evaluate`, which rewrites the
    reference too. With `hyporadise` it is the 1-best in the writing that the preset `whisper` was trained to write, and
    its error rate under `raw` shows the effect of the writing alone.

    Args:
        normalizer: name of the normalizer that writes.

    Raises:
        InputError: no normalizer of that name.
    """

    def __init__(self, normalizer: str = "number") -> None:
        self._write = get_normalizer(normalizer)

    def transcribe(self, lists: Iterable[NBest]) -> Iterator[Transcript]:
        for nbest in lists:
            yield baseline_transcript(nbest, self._write(nbest.best), 1.0)

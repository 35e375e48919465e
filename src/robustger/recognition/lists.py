"""Builds an N-best list from the hypotheses of a recognizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from robustger.hypotheses import Hypothesis, NBest
from robustger.text import get_normalizer
from robustger.text.loops import is_loop

if TYPE_CHECKING:
    from robustger.recognition.recognizer import Recognition

# Normalizers that do not read the text as English.
ANY_LANGUAGE = ("raw", "released", "words")


def normalizer_name_in(name: str, language: str | None) -> str:
    """The name of the normalizer for a list in a language: `words` replaces a normalizer that reads English only.

    Args:
        name: the normalizer that the user wants.
        language: the code of the language ("en", "de"); None if it is not known, which counts as English.
    """
    if language is None or name in ANY_LANGUAGE or language.lower().split("-")[0] in ("en", "english"):
        return name
    return "words"


def list_of(
    id: str,
    recognition: Recognition | None,
    normalizer: str,
    *,
    text: str | None = None,
    window: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
    **place: Any,
) -> NBest:
    """The N-best list of a recording or a window, with the hypotheses rewritten as the corrector reads them.

    Hypotheses that become equal are merged; the first one, which is the best, stays. `meta` says how many are left
    (`distinct`), whether the recognizer looped even in the first one (`loops`, only if it did), and, if they were
    rewritten, how the recognizer wrote the first one (`recognized`).

    Args:
        id: the id of the list.
        recognition: what the recognizer found. None means that nobody speaks: the list gets one empty hypothesis, and
            `"speech": false` in `meta`.
        normalizer: the name of the normalizer that the corrector reads through. `normalizer_name_in` decides in which
            languages it is used.
        text: the spoken text as somebody wrote it. The rewritten text becomes the `reference`, the text itself the
            `written_reference`.
        window: which window of a longer recording this is. The references are those of the whole recording then, so
            they are put here and not into the list.
        meta: further facts to keep.
        place: fields of `NBest`: `audio`, `start`, `end`.
    """
    language = None if recognition is None else recognition.language
    name = normalizer_name_in(normalizer, language)
    normalize = get_normalizer(name)
    is_rewritten = name != "raw"
    found = (Hypothesis(""),) if recognition is None else recognition.hypotheses
    kept: dict[str, Hypothesis] = {}
    for hypothesis in found:
        plain = normalize(hypothesis.text)
        written = hypothesis.text if is_rewritten else None
        kept.setdefault(plain, replace(hypothesis, text=plain, written=written))
    said: dict[str, str] = {}
    if text is not None:
        said = (
            {"reference": normalize(text), "written_reference": text} if is_rewritten else {"reference": text}
        )
    known: dict[str, Any] = dict(meta or {})
    if window is not None:
        known["window"] = dict(window) | said
        said = {}
    known["distinct"] = len(kept)
    if recognition is None:
        known["speech"] = False
    elif is_rewritten:
        known["recognized"] = found[0].text
    if is_loop(found[0].text):
        known["loops"] = True
    return NBest(id, tuple(kept.values()), language=language, meta=known, **said, **place)

"""From what a recognizer found to an N-best list: the one way there is, for single recordings and in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robustger.hypotheses import Hypothesis, NBest
from robustger.text import get_normalizer

if TYPE_CHECKING:
    from robustger.recognition.recognizer import Recognition

# Normalizers that do not read the text as English.
ANY_LANGUAGE = ("raw", "released", "words")


def normalizer_name_in(name: str, language: str | None) -> str:
    """The normalizer for a list in some language: the one asked for, but `words` in place of an English one elsewhere.

    Args:
        name: the normalizer asked for.
        language: code of the language ("en", "de"), None where it is not known.
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
    """What a recognizer found, as the corrector reads it and as the recognizer wrote it.

    Hypotheses that the normalizer makes equal are merged: the first one stays, which is the best. `meta` tells how many
    there are (`distinct`) and, where they were rewritten, how the recognizer wrote the first (`recognized`).

    Args:
        id: of the list.
        recognition: what was found; None where nobody speaks, which is one hypothesis without words, and
            `"speech": false` in `meta`.
        normalizer: name of the normalizer that the corrector reads through; `normalizer_name_in` decides in which
            languages it is used.
        text: what is said, as somebody wrote it: rewritten it is the `reference`, as it is the `written_reference`.
        window: which part of a longer recording this is; the references, which are those of the whole, then stand there
            in place of the list's own.
        meta: what else there is to keep.
        place: fields of `NBest`: `audio`, `start`, `end`, `audio_embedding`.
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
        kept.setdefault(plain, Hypothesis(plain, hypothesis.score, written))
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
    return NBest(id, tuple(kept.values()), language=language, meta=known, **said, **place)

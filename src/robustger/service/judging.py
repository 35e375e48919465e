"""Tells for each edit of a list what spoke for it, and why it was kept or held back."""

from __future__ import annotations

import math
from typing import Any

from robustger.hypotheses import JudgedEdit, NBest, Transcript
from robustger.noise.alignment import align_all

MOST_TIMES = 1e6  # more says nothing that a reader could use
_PASSED = {
    "agreement": "all hypotheses of the list agree",
    "too_long": "the list or its answer was too long for the language model",
    "language": "the corrector does not know the language of the list",
    "loop": "the text repeats itself in a loop",
    "recognizer": "no correction was asked for",
    "no_answer": "the server of the language model gave no answer",
}


def judged_changes(nbest: NBest, transcript: Transcript) -> list[dict[str, Any]]:
    """The edits that a correction made or wanted to make, ready for JSON, in the order of the text.

    Returns:
        the fields of `JudgedEdit.to_dict` and `reason`, one sentence. Where the guard weighs no evidence edit by edit,
        the edits are those between the 1-best and the texts of guard and language model, and their gains are None.
    """
    if transcript.judged is not None:
        return [edit.to_dict() | {"reason": _weighed(edit)} for edit in transcript.judged]
    kept = _differences(transcript.best, transcript.text)
    found = [
        _fields(*edit, True, "Kept: the language model wrote it and the guard allowed it.") for edit in kept
    ]
    if transcript.source in ("guard", "too_long", "loop"):
        why = _PASSED.get(transcript.source, f"the guard {transcript.guard} refused it")
        held_back = [edit for edit in _differences(transcript.best, transcript.generated) if edit not in kept]
        found += [_fields(*edit, False, f"Held back: {why}.") for edit in held_back]
    return sorted(found, key=lambda edit: edit["word"])


def _weighed(edit: JudgedEdit) -> str:
    times = math.exp(min(abs(edit.gain), math.log(MOST_TIMES)))
    number = f"{times:.1f}" if times < 10 else f"about {float(f'{times:.1g}'):,.0f}"
    more = "more" if edit.gain >= 0 else "less"
    said = f"all evidence together makes it {number} times {more} probable than the recognizer's words"
    return f"Kept: {said}." if edit.kept else f"Held back: {said}, which is not enough."


def _fields(before: str, after: str, word: int, kept: bool, reason: str) -> dict[str, Any]:
    kinds = ("gain", "recognizer_gain", "second_gain", "language_model_gain", "prior_gain")
    unknown = dict.fromkeys(kinds)
    return {"from": before, "to": after, "word": word, **unknown, "kept": kept, "reason": reason}


def _differences(before: str, after: str) -> list[tuple[str, str, int]]:
    """The places where two texts differ: the words of each, and the number of words of the first before them."""
    if before == after:
        return []
    first, second = align_all([before.split(), after.split()])
    found: list[tuple[str, str, int]] = []
    position = 0
    left: list[str] = []
    right: list[str] = []
    for old, new in [*zip(first, second, strict=True), ("", "")]:
        if old == new:
            if left or right:
                found.append((" ".join(left), " ".join(right), position - len(left)))
                left, right = [], []
            position += 1
            continue
        if old is not None:
            left.append(old)
            position += 1
        if new is not None:
            right.append(new)
    return found

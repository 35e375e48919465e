"""An edit of a recognizer's text that a corrector considered, with the evidence for and against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JudgedEdit:
    """A place at which a correction may differ from the recognizer's 1-best.

    A gain is the logarithm of how many times more probable the texts with the edit are than those with the words of the
    1-best, in nats; above 0 the evidence speaks for the edit.

    Attributes:
        before: the words of the 1-best; empty if words are inserted.
        after: the words in their place; empty if words are deleted.
        word: the number of words of the 1-best before this place.
        gain: by all evidence together.
        recognizer_gain: by the recognizer's log-probabilities alone; None if the list has none.
        second_gain: by those of a second recognizer alone; None if the list has none.
        language_model_gain: by log p(text | list) of the language model alone; None if it was not asked for.
        prior_gain: by log p(text) of the language model without the list alone; None if it was not asked for.
        kept: whether the transcript has the edit.
    """

    before: str
    after: str
    word: int
    gain: float
    recognizer_gain: float | None
    language_model_gain: float | None
    prior_gain: float | None
    kept: bool
    second_gain: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields in order, ready for JSON, with `from` and `to` for `before` and `after`."""
        fields = asdict(self)
        return {"from": fields.pop("before"), "to": fields.pop("after"), **fields}

    @classmethod
    def of(cls, fields: JudgedEdit | Mapping[str, Any]) -> JudgedEdit:
        """The edit itself, or the one with these attributes or with the fields of `to_dict`."""
        if isinstance(fields, JudgedEdit):
            return fields
        names = {"from": "before", "to": "after"}
        return cls(**{names.get(key, key): value for key, value in fields.items()})

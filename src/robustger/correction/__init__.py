"""Writes the text of a recording from its N-best list and noise embedding, with a conditioned language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robustger.correction.config import CorrectorConfig, GuardConfig, LoraConfig

if TYPE_CHECKING:
    from robustger.correction.model import Corrector

__all__ = ["Corrector", "CorrectorConfig", "GuardConfig", "LoraConfig"]


def __getattr__(name: str) -> Any:
    """Imports the corrector, and torch with it, when it is asked for: a configuration is checked without torch."""
    if name == "Corrector":
        from robustger.correction.model import Corrector

        return Corrector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

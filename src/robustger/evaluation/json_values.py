"""Figures as values that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from robustger.evaluation.intervals import Interval


def json_value(value: Any) -> Any:
    """Turns intervals into [low, high] and numbers that are not finite into None, also inside lists and mappings."""
    if isinstance(value, Interval):
        return [json_value(value.low), json_value(value.high)]
    if isinstance(value, Mapping):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

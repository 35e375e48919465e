"""The guards against harm, by name: a language model may write fluent text that nobody said.

- `none`    keeps whatever the language model writes
- `words`   constrains decoding to words that occur in the hypotheses of the list
- `edits`   keeps the 1-best where the correction changes more than `max_edit_rate` of its words, or makes it much
            shorter (`max_deletion_rate`)
- `margin`  puts back every edited stretch of words that does not raise the log-probability under the language model by
            `min_gain`, and then decides as `edits` does
- `heard`   weighs all hypotheses and the correction by what the recognizer heard and what the language model expects,
            keeps every edit that gains `min_gain`, and then decides as `edits` does

Every guard but `none` refuses to empty a text, and to write one where the recognizer heard nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from robustger.correction.config import GuardConfig, validate_config
from robustger.correction.guards.edits_guard import EditsGuard
from robustger.correction.guards.guard import Guard
from robustger.correction.guards.heard_guard import HeardGuard
from robustger.correction.guards.margin_guard import MarginGuard
from robustger.correction.guards.words_guard import WordsGuard
from robustger.errors import InputError
from robustger.registry import Registry

GUARDS: Registry[type[Guard]] = Registry("guard", "robustger.guards")
GUARDS.register("none")(Guard)
GUARDS.register("words")(WordsGuard)
GUARDS.register("edits")(EditsGuard)
GUARDS.register("margin")(MarginGuard)
GUARDS.register("heard")(HeardGuard)


def chosen_guard(
    guard: str | GuardConfig | Guard | None, changes: Mapping[str, float], default: GuardConfig
) -> Guard:
    """The guard that is asked for, with its thresholds.

    Args:
        guard: its name, its settings, or the guard itself; None takes the settings of the checkpoint.
        changes: thresholds that replace those of the settings, by name.
        default: the settings of the checkpoint.

    Raises:
        InputError: there is no guard of that name, or no such threshold, or its value is out of range.
    """
    if isinstance(guard, Guard):
        if changes:
            raise InputError(
                f"thresholds ({', '.join(changes)}) change a guard that is named, not one of your own"
            )
        return guard
    if isinstance(guard, GuardConfig):
        settings = guard
    elif guard is None or guard == default.name:
        settings = default
    else:
        # The thresholds of another guard are its own; the weights of the evidence are the checkpoint's.
        settings = GuardConfig(
            name=guard,
            scored=default.scored,
            twice_scored=default.twice_scored,
            unscored=default.unscored,
        )
    if changes:
        settings = validate_config(GuardConfig, settings.model_dump() | dict(changes), "guard")
    return GUARDS.get(settings.name)(settings)

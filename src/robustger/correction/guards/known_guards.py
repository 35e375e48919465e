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

from robustger.correction.guards.edits_guard import EditsGuard
from robustger.correction.guards.guard import Guard
from robustger.correction.guards.heard_guard import HeardGuard
from robustger.correction.guards.margin_guard import MarginGuard
from robustger.correction.guards.words_guard import WordsGuard
from robustger.registry import Registry

GUARDS: Registry[type[Guard]] = Registry("guard", "robustger.guards")
GUARDS.register("none")(Guard)
GUARDS.register("words")(WordsGuard)
GUARDS.register("edits")(EditsGuard)
GUARDS.register("margin")(MarginGuard)
GUARDS.register("heard")(HeardGuard)

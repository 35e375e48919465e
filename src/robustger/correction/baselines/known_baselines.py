"""Picks baselines by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from robustger.correction.baselines.baseline import Baseline
from robustger.correction.baselines.format_only import FormatOnly
from robustger.correction.baselines.lm_rank import causal_lm_rank, ngram_rank
from robustger.correction.baselines.prompting import few_shot, zero_shot
from robustger.correction.baselines.voting import MinimumBayesRisk, Vote
from robustger.errors import InputError
from robustger.registry import Registry

BASELINES: Registry[Callable[..., Baseline]] = Registry("baseline", "robustger.baselines")
BASELINES.register("format-only")(FormatOnly)
BASELINES.register("lm-rank")(causal_lm_rank)
BASELINES.register("ngram-rank")(ngram_rank)
BASELINES.register("mbr")(MinimumBayesRisk)
BASELINES.register("rover")(Vote)
BASELINES.register("zero-shot")(zero_shot)
BASELINES.register("few-shot")(few_shot)


def load_baseline(name: str, /, **options: Any) -> Baseline:
    """The baseline of that name.

    Args:
        name: one of `BASELINES.names()`.
        options: the keyword arguments of that baseline.

    Raises:
        InputError: no such baseline, an option it does not have or one that it lacks, or a value that it refuses.
        MissingModelError: its language model is not to be had.

    Example:
        >>> lists = [NBest.from_texts("u1", ["turn it of", "turn it off", "turn it off"])]
        >>> [transcript.text for transcript in load_baseline("mbr").transcribe(lists)]
        ['turn it off']
    """
    make = BASELINES.get(name)
    known = inspect.signature(make).parameters
    for option in options:
        if option not in known:
            among = f"choose among: {', '.join(known)}" if known else "it has none"
            raise InputError(f"baseline {name!r} has no option {option!r}; {among}")
    for option, parameter in known.items():
        if parameter.default is parameter.empty and option not in options:
            raise InputError(f"baseline {name!r} needs {option!r}: lists with references")
    return make(**options)

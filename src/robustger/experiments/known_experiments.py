"""Finds experiments by name, and imports the module of an experiment only when it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module

from robustger.errors import InputError
from robustger.experiments.experiment import Experiment

# The module of each experiment, and its name there. Experiments that differ only in their trainings share a module.
PLACES: dict[str, str] = {
    "table1": "table1:TABLE1",
    "table2": "table1:TABLE2",
    "table3": "variants:TABLE3",
    "table4": "variants:TABLE4",
    "table5": "table5:TABLE5",
    "llms": "variants:LLMS",
    "extractors": "variants:EXTRACTORS_TABLE",
    "distillation": "variants:DISTILLATION",
    "diversity": "diversity:DIVERSITY",
    "embedding": "embedding:EMBEDDING",
    "controls": "variants:CONTROLS",
    "nbest-size": "nbest_size:NBEST_SIZE",
}


def get_experiment(name: str) -> Experiment:
    """The experiment with that name.

    Raises:
        InputError: there is no such experiment; the message suggests a name or lists all names.
    """
    if name not in PLACES:
        near = difflib.get_close_matches(name, PLACES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose among: {', '.join(PLACES)}"
        raise InputError(f"no experiment {name!r}; {hint}")
    module, _, attribute = PLACES[name].partition(":")
    return getattr(import_module(f"robustger.experiments.tables.{module}"), attribute)

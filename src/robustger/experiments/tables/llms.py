"""Other language models in the place of the first (the paper's Tables 8 to 10)."""

from __future__ import annotations

from collections.abc import Sequence

from robustger.experiments.experiment import Context, Experiment, Needs, Outcome, on_llm
from robustger.experiments.runs.arms import AUDIO, NAMES
from robustger.experiments.runs.scales import get_scale
from robustger.experiments.tables.variants import compared

TRAINED = ("ger", AUDIO, "mine-paper")
OWN = "the recipe's"


def _changes(scale: str, quick: bool, llms: Sequence[str] = ()) -> dict[str, str]:
    """Name of each language model, and the change that trains on it."""
    return {OWN: ""} | {name: on_llm(name) for name in (*get_scale(scale, quick).llms, *llms)}


def run(context: Context) -> Outcome:
    """GER, audio denoising and RobustGER on every language model."""
    columns = {
        f"{llm}: {NAMES[arm]}": (arm, change)
        for llm, change in _changes(context.scale, context.quick, context.llms).items()
        for arm in TRAINED
    }
    notes = [
        f"`{OWN}`: the language model that all other experiments of this scale stand on; at the scale `lab` it is "
        "small, and has learned the task from simulated lists before. Other models: `--llm NAME`."
    ]
    if context.scale == "paper":
        notes.append(
            "Falcon3-7B-Base is another model than the paper's Falcon-7b, whose attention has one key for 71 heads: "
            "the prompts of this package are not made for that."
        )
    return compared(context, "llms", columns, (f"{OWN}: {NAMES['ger']}",), tuple(notes))


LLMS = Experiment(
    "llms",
    "GER, audio denoising and RobustGER on several language models (the paper's Tables 8-10)",
    run,
    needs=lambda scale, quick: Needs(TRAINED, tuple(_changes(scale, quick).values())),
    by_llm=True,
)

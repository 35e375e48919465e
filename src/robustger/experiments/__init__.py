"""The paper's tables and figures as commands: with baselines, controls, intervals, and a record of what made them."""

from robustger.experiments.experiment import Context, Experiment, Finished, Needs, Outcome, RunKey

__all__ = ["Context", "Experiment", "Finished", "Needs", "Outcome", "RunKey"]

"""Audio noise distillation: what the recognizer heard as noise, taught to the language-space noise embedding.

Hu et al., ICLR 2024, equations 7-8, Algorithm 1 and appendix B.2. Each training iteration has two steps: step 1 fits
theta, the parameters of a `Distillation`, by `statistics_loss`; step 2 adds `lambda * adapter_loss` to the language
model's loss. E_LN enters with the paper's sign everywhere in this room.
"""

from robustger.distillation.network import OUTPUTS, StatisticsNetwork
from robustger.distillation.objective import Distillation, DistillationShape
from robustger.distillation.objectives import DISTILLATIONS, log_mean_exp

__all__ = [
    "DISTILLATIONS",
    "OUTPUTS",
    "Distillation",
    "DistillationShape",
    "StatisticsNetwork",
    "log_mean_exp",
]

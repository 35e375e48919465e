"""Audio noise distillation: teaches the language-space noise embedding the noise that the recognizer heard.

Hu et al., ICLR 2024, equations 7-8, Algorithm 1 and appendix B.2. Each training iteration has two steps: step 1 fits
theta, the parameters of a `Distillation`, by `statistics_loss`; step 2 adds `lambda * adapter_loss` to the language
model's loss. E_LN enters with the paper's sign everywhere in this room.
"""

from robustger.distillation.distillation import Distillation, DistillationShape
from robustger.distillation.known_objectives import DISTILLATIONS
from robustger.distillation.mutual_information import log_mean_exp
from robustger.distillation.network import OUTPUTS, StatisticsNetwork

__all__ = [
    "DISTILLATIONS",
    "OUTPUTS",
    "Distillation",
    "DistillationShape",
    "StatisticsNetwork",
    "log_mean_exp",
]

"""(N-best list, noise embedding) -> text: the conditioned language model and what surrounds it."""

from robustger.correction.config import CorrectorConfig, GuardConfig, LoraConfig
from robustger.correction.model import Corrector

__all__ = ["Corrector", "CorrectorConfig", "GuardConfig", "LoraConfig"]

"""Baselines for comparison with a corrector: they take the same lists and return transcripts.

============  ======================================================================================================
format-only   the 1-best, written by a normalizer: what typography alone explains
lm-rank       the hypothesis that recognizer and a causal language model together prefer; the weight is tuned on lists
ngram-rank    the same with a small language model of the domain's own text, as the paper's LM_rank
mbr           minimum Bayes risk: the hypothesis that is nearest to all others
rover         a word-by-word vote of the hypotheses
zero-shot     an instruct model is asked for the transcription
few-shot      the same, with examples in the prompt
============  ======================================================================================================

The paper's "+ audio denoising" is not among them: it is a corrector that is trained.
"""

from robustger.correction.baselines.baseline import Baseline
from robustger.correction.baselines.known_baselines import BASELINES, load_baseline

__all__ = ["BASELINES", "Baseline", "load_baseline"]

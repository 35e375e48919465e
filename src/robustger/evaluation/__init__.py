"""Measures transcripts: corpus WER, oracles, confidence intervals, and reports."""

from __future__ import annotations

from robustger.evaluation.bootstrap import Comparison, paired_bootstrap
from robustger.evaluation.figures import EditOutcome, NormalizerReport, Versus
from robustger.evaluation.intervals import Interval
from robustger.evaluation.matched_pairs import MatchedPairs
from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.report import evaluate, evaluate_domains
from robustger.evaluation.results import Bootstrap, DomainReport, EvaluationReport, FormatOnlyResult
from robustger.evaluation.wer import UtteranceErrors, WordErrors, utterance_errors, wer

__all__ = [
    "Bootstrap",
    "Comparison",
    "DomainReport",
    "EditOutcome",
    "EvaluationReport",
    "FormatOnlyResult",
    "Interval",
    "MatchedPairs",
    "NormalizerReport",
    "UtteranceErrors",
    "Versus",
    "WordErrors",
    "compositional_errors",
    "evaluate",
    "evaluate_domains",
    "n_best_errors",
    "paired_bootstrap",
    "utterance_errors",
    "wer",
]

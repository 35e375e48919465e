"""Measuring transcripts: corpus WER, oracles, confidence intervals, and reports."""

from __future__ import annotations

from robustger.evaluation.oracles import compositional_errors, n_best_errors
from robustger.evaluation.report import DomainReport, EvaluationReport, FormatOnly, evaluate, evaluate_domains
from robustger.evaluation.significance import Comparison, Interval, paired_bootstrap
from robustger.evaluation.summary import EditOutcome, NormalizerReport
from robustger.evaluation.wer import UtteranceErrors, WordErrors, utterance_errors, wer

__all__ = [
    "Comparison",
    "DomainReport",
    "EditOutcome",
    "EvaluationReport",
    "FormatOnly",
    "Interval",
    "NormalizerReport",
    "UtteranceErrors",
    "WordErrors",
    "compositional_errors",
    "evaluate",
    "evaluate_domains",
    "n_best_errors",
    "paired_bootstrap",
    "utterance_errors",
    "wer",
]

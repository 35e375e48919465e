"""Measures a corrector on the dev lists while it is trained."""

from __future__ import annotations

import torch

from robustger.evaluation.wer import wer
from robustger.training.parts import TrainingParts

DECODING_BATCH = 16  # lists decoded at a time for their WER


@torch.no_grad()
def dev_loss(parts: TrainingParts) -> float:
    """Mean cross-entropy per target token over the dev lists. All processes compute it together."""
    everything = range(len(parts.dev))
    losses = (
        parts.algorithm.h2t_loss_sum(batch).item() for batch in parts.micro_batches(parts.dev, everything)
    )
    (total,) = parts.processes.total(sum(losses))
    return total / parts.dev.target_tokens(everything)


def dev_wer(parts: TrainingParts) -> float | None:
    """WER of the corrections of the first `evaluation.wer_lists` dev lists; None where it has no value."""
    lists = parts.decoded.lists
    with parts.algorithm.autocast():
        transcripts = parts.corrector.correct(lists, batch_size=DECODING_BATCH, heard=parts.decoded.heard)
    texts = [transcript.text for transcript in transcripts]
    normalizer = parts.config.evaluation.normalizer
    errors = wer([nbest.reference or "" for nbest in lists], texts, normalizer=normalizer)
    return errors.rate if errors.words else None

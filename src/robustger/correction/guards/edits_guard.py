"""The guard `edits`: refuses corrections that change or delete too many words."""

from __future__ import annotations

from robustger.correction.guards.guard import NeverEmptyGuard, Proposal

FREE_DELETIONS = 2  # words by which any text may get shorter: "uh yes yes" may become "yes"


class EditsGuard(NeverEmptyGuard):
    """Keeps the 1-best where the correction exceeds an edit rate, or loses too many words.

    An edit rate alone bounds no deletion: deleting every word is a rate of 1. So a text may get shorter than the 1-best
    by `max_deletion_rate` of its words, and any text by two words.
    """

    def allows(self, proposal: Proposal) -> bool:
        if not super().allows(proposal):
            return False
        words = max(1, len(proposal.best.split()))
        if (
            proposal.words_lost > FREE_DELETIONS
            and proposal.words_lost / words > self.config.max_deletion_rate
        ):
            return False
        # A quotient, because it rounds as the rate itself was rounded: 29 edits in 100 words are a rate of 0.29.
        return proposal.edits / words <= self.config.max_edit_rate

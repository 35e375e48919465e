"""The guard `heard`: decides edit by edit with the evidence of the recognizer and of the language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustger.correction.guards.edits_guard import EditsGuard
from robustger.correction.guards.guard import Revision
from robustger.correction.weighing import CandidateText, estimated_scores, weigh
from robustger.text.loops import is_loop

if TYPE_CHECKING:
    from robustger.correction.answers import BatchAnswers
    from robustger.correction.config import EvidenceWeights
    from robustger.correction.list_prompts import ListPrompt

# Hypotheses that the recognizer alone gives less than exp(-8) of the best one's weight are not scored any more.
HOPELESS_NATS = 8.0


class HeardGuard(EditsGuard):
    """Weighs the hypotheses and the answer as `robustger.correction.weighing` does, and then decides as `edits` does.

    The recognizer's log-probability of a hypothesis is its score in the list. That of an answer that is not in the list
    comes from `ListPrompt.listen`. Where the audio is not at hand, it is estimated from the scores of the list. In
    lists without scores, the place in the list is all that is known of what was heard.
    """

    def revise(self, answers: BatchAnswers) -> list[Revision]:
        prompts = answers.batch.prompts
        return [
            Revision(*weigh(some, self._weights(prompt), self.config.min_gain))
            for prompt, some in zip(prompts, self.candidates(answers), strict=True)
        ]

    def candidates(self, answers: BatchAnswers) -> list[list[CandidateText]]:
        """The texts that each list may be corrected to, the 1-best first, with the evidence for them."""
        prompts = answers.batch.prompts
        texts = [self._texts(prompt, answers, row) for row, prompt in enumerate(prompts)]
        bests = answers.best_log_probabilities()
        known = [{prompt.nbest.best: bests[row]} for row, prompt in enumerate(prompts)]
        for row, answer in enumerate(answers.answers):
            if answer.finished:
                known[row].setdefault(answers.texts[row], answer.log_probability)
        asked = [(row, text) for row, some in enumerate(texts) for text in some if text not in known[row]]
        scores = answers.reading.score(
            [row for row, _ in asked], [answers.tokens.answer(text) for _, text in asked]
        )
        for (row, text), score in zip(asked, scores, strict=True):
            known[row][text] = score
        return [self._candidates(prompt, texts[row], known[row]) for row, prompt in enumerate(prompts)]

    def _texts(self, prompt: ListPrompt, answers: BatchAnswers, row: int) -> list[str]:
        """The candidates, the 1-best first: hypotheses that may still win, and the answer."""
        weights = self._weights(prompt)
        scores = [one.score or 0.0 for one in prompt.listed]
        top = max(scores)
        texts = [prompt.nbest.best] + [
            one.text
            for one, score in zip(prompt.listed, scores, strict=True)
            if weights.recognizer * (top - score) < HOPELESS_NATS and not is_loop(one.text)
        ]
        if answers.answers[row].finished and not is_loop(answers.texts[row]):
            texts.append(answers.texts[row])
        return list(dict.fromkeys(texts))

    def _candidates(
        self, prompt: ListPrompt, texts: list[str], written: dict[str, float]
    ) -> list[CandidateText]:
        heard = {one.text: one.score for one in prompt.listed if one.score is not None}
        weights = self._weights(prompt)
        unheard = [text for text in texts if text not in heard]
        if heard and unheard:
            scores = (
                prompt.listen(unheard)
                if prompt.listen is not None
                else estimated_scores(unheard, list(heard), list(heard.values()), weights.unheard_word)
            )
            heard |= zip(unheard, scores, strict=True)
        places = {one.text: place for place, one in enumerate(prompt.listed, start=1)}
        return [
            CandidateText(text, heard.get(text), written[text], places.get(text, len(places) + 1))
            for text in texts
        ]

    def _weights(self, prompt: ListPrompt) -> EvidenceWeights:
        return self.config.unscored if prompt.listed[0].score is None else self.config.scored

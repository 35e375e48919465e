"""The guard `heard`: decides edit by edit with the evidence of the recognizer and of the language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from robustger.correction.guards.edits_guard import EditsGuard
from robustger.correction.guards.guard import Revision
from robustger.correction.weighing import CandidateText, estimated_scores, weigh
from robustger.hypotheses import Hypothesis
from robustger.text.loops import is_loop, says_twice

if TYPE_CHECKING:
    from robustger.correction.answers import BatchAnswers
    from robustger.correction.config import EvidenceWeights
    from robustger.correction.list_prompts import ListPrompt

# Hypotheses that the recognizer finds so much less probable than its 1-best are not scored any more: none of them wins.
HOPELESS_NATS = 6.0
# Sums of log-probabilities favor short texts, so a hypothesis that breaks off would always win.
MOST_WORDS_APART = 2
# Sums over tokens differ more between the first and the last of several texts. Means, which HyPoradise has, do not.
LEAST_SPREAD_NATS = 0.5
LEAST_LOG_PROBABILITY = (
    -1e4
)  # of a text that is too long for the language model, which would be minus infinity


class HeardGuard(EditsGuard):
    """Weighs the hypotheses and the answer as `robustger.correction.weighing` does, and then decides as `edits` does.

    The recognizer's log-probability of a hypothesis is its score in the list. That of an answer that is not in the list
    comes from `ListPrompt.listen`. Where the audio is not at hand, it is estimated from the scores of the list; that of
    a second recognizer always is. In lists without scores, or with scores that hardly differ, it only counts whether a
    text is the 1-best.
    """

    def revise(self, answers: BatchAnswers) -> list[Revision]:
        prompts = answers.batch.prompts
        return [
            Revision(*weigh(some, self._weights(prompt), self.config.min_gain))
            for prompt, some in zip(prompts, self.candidates(answers), strict=True)
        ]

    def hears(self, prompt: ListPrompt) -> bool:
        return has_sums(prompt.listed)

    def candidates(self, answers: BatchAnswers) -> list[list[CandidateText]]:
        """The texts that each list may be corrected to, the 1-best first, with the evidence for them.

        Evidence that counts nothing is not asked for.
        """
        prompts = answers.batch.prompts
        texts = [self._texts(prompt, answers, row) for row, prompt in enumerate(prompts)]
        pairs = [(row, text) for row, some in enumerate(texts) for text in some if len(some) > 1]
        listed = self._given_lists(
            answers, [pair for pair in pairs if self._weights(prompts[pair[0]]).language_model]
        )
        asked = [pair for pair in pairs if self._weights(prompts[pair[0]]).prior]
        forms = [_written(prompts[row], text) for row, text in asked]
        scores = [max(score, LEAST_LOG_PROBABILITY) for score in answers.prior(forms)] if asked else []
        prior = dict(zip(asked, scores, strict=True))
        return [
            [
                CandidateText(text, heard, listed.get((row, text)), prior.get((row, text)), second)
                for text, heard, second in zip(
                    texts[row],
                    self._heard(prompt, texts[row]),
                    self._heard_again(prompt, texts[row]),
                    strict=True,
                )
            ]
            for row, prompt in enumerate(prompts)
        ]

    def _given_lists(
        self, answers: BatchAnswers, pairs: Sequence[tuple[int, str]]
    ) -> dict[tuple[int, str], float]:
        """Log p(text | list) of texts, by the row of their list and the text."""
        if not pairs:
            return {}
        known = {
            (row, answers.texts[row]): answer.log_probability
            for row, answer in enumerate(answers.answers)
            if answer.finished
        }
        known |= {
            (row, prompt.nbest.best): log_probability
            for row, (prompt, log_probability) in enumerate(
                zip(answers.batch.prompts, answers.best_log_probabilities(), strict=True)
            )
        }
        asked = [pair for pair in pairs if pair not in known]
        scores = answers.reading.score(
            [row for row, _ in asked], [answers.tokens.answer(text) for _, text in asked]
        )
        known |= zip(asked, scores, strict=True)
        return {pair: known[pair] for pair in pairs}

    def _texts(self, prompt: ListPrompt, answers: BatchAnswers, row: int) -> list[str]:
        """The candidates, the 1-best first: hypotheses that may still win, and the answer."""
        best = prompt.nbest.best
        texts = [one.text for one in prompt.listed]
        if has_sums(prompt.listed):
            heard = {one.text: one.score or 0.0 for one in prompt.listed}
            texts = [text for text in texts if heard[text] > heard[best] - HOPELESS_NATS]
        if answers.answers[row].finished:
            texts.append(answers.texts[row])
        if has_sums(prompt.listed):
            size = len(best.split())
            texts = [text for text in texts if abs(len(text.split()) - size) <= MOST_WORDS_APART]
        return [best, *dict.fromkeys(text for text in texts if text != best and not _repeats(text))]

    def _heard(self, prompt: ListPrompt, texts: Sequence[str]) -> list[float | None]:
        """Log p(text | audio) of texts; None for all of them if the list does not say."""
        if not has_sums(prompt.listed):
            return [None] * len(texts)
        heard = {one.text: one.score for one in prompt.listed if one.score is not None}
        unheard = [text for text in texts if text not in heard]
        if unheard:
            scores = (
                prompt.listen([_written(prompt, text) for text in unheard])
                if prompt.listen is not None
                else estimated_scores(
                    unheard, list(heard), list(heard.values()), self._weights(prompt).unheard_word
                )
            )
            heard |= zip(unheard, scores, strict=True)
        return [heard[text] for text in texts]

    def _heard_again(self, prompt: ListPrompt, texts: Sequence[str]) -> list[float | None]:
        """Log p(text | audio) of texts by a second recognizer; None for all of them if the list does not say.

        That of a text which is not in the list is estimated.
        """
        heard = {one.text: one.second_score for one in prompt.listed if one.second_score is not None}
        if not heard or not has_sums(prompt.listed):
            return [None] * len(texts)
        unheard = [text for text in texts if text not in heard]
        estimates = estimated_scores(
            unheard, list(heard), list(heard.values()), self._weights(prompt).unheard_word
        )
        heard |= zip(unheard, estimates, strict=True)
        return [heard[text] for text in texts]

    def _weights(self, prompt: ListPrompt) -> EvidenceWeights:
        if not has_sums(prompt.listed):
            return self.config.unscored
        if prompt.listed[0].second_score is not None and self.config.twice_scored is not None:
            return self.config.twice_scored
        return self.config.scored


def _written(prompt: ListPrompt, text: str) -> str:
    """A text in plain words as the recognizer wrote it, or would write it."""
    for one in prompt.listed:
        if one.text == text and one.written is not None:
            return one.written
    return prompt.as_written(text)


def _repeats(text: str) -> bool:
    return is_loop(text) or says_twice(text)


def has_sums(listed: Sequence[Hypothesis]) -> bool:
    """Whether a list has scores that are log-probabilities of whole texts; means over tokens say too little."""
    scores = [one.score for one in listed if one.score is not None]
    return bool(scores) and (len(scores) == 1 or max(scores) - min(scores) >= LEAST_SPREAD_NATS)

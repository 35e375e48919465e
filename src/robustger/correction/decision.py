"""Decides list by list between the answer of the language model and the recognizer's 1-best."""

from __future__ import annotations

import dataclasses
import math

from robustger.correction.answers import BatchAnswers
from robustger.correction.decoding.stepwise import Answer
from robustger.correction.guards.guard import Guard, Proposal
from robustger.hypotheses import Transcript
from robustger.text.loops import is_loop


def decide(answers: BatchAnswers, guard: Guard) -> list[Transcript]:
    """The transcripts of the lists of a batch, in its order, in plain words.

    The guard first revises the answers, which may undo parts of them, and then allows or refuses each. The 1-best takes
    the place of an answer that is refused, that was cut off at its limit, or that repeats itself as a loop does. A
    guard that judges edits by evidence may correct a list also where the answer was cut off.
    The confidences are those of `confidence_of`; `robustger.correction.confidence` turns them into those of the words.
    """
    revised = guard.revise(answers)
    transcripts = []
    for row, prompt in enumerate(answers.batch.prompts):
        answer, generated = answers.answers[row], answers.texts[row]
        best, text = prompt.nbest.best, revised[row].text
        if not answer.finished and revised[row].judged is None:
            source, text = "too_long", best
        elif is_loop(text):
            source, text = "loop", best
        elif not guard.allows(Proposal(best, text, prompt.words)):
            source, text = "guard", best
        else:
            source = "llm" if answer.finished and text == generated else "guard"
        judged = revised[row].judged
        if judged is not None and text != revised[row].text:  # the 1-best took its place
            judged = tuple(dataclasses.replace(edit, kept=False) for edit in judged)
        transcripts.append(
            Transcript(
                id=prompt.nbest.id,
                text=text,
                best=best,
                generated=generated,
                source=source,
                guard=guard.config.name,
                confidence=confidence_of(_kept_answer(answers, row, text)),
                passes=answers.passes[row],
                tokens=answer.length,
                judged=judged,
            )
        )
    return transcripts


def _kept_answer(answers: BatchAnswers, row: int, text: str) -> Answer:
    """The answer that the confidence in a text is that of: what was written, or a 1-best that others wrote against."""
    prompt = answers.batch.prompts[row]
    if answers.foreign and text == prompt.nbest.best:
        return Answer(prompt.draft[:-1], answers.best_log_probabilities()[row], True)
    return answers.answers[row]


def confidence_of(answer: Answer) -> float:
    """The geometric mean of the probabilities of the answer's tokens and its end; 0 for an answer that was cut off."""
    if not answer.finished:
        return 0.0
    return min(1.0, math.exp(answer.log_probability / (len(answer.tokens) + 1)))

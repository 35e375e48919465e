"""Brings the answers of a server's language model to the lists that a corrector is about to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from robustger.correction.batch import ReadingBatch
from robustger.correction.list_prompts import ListPrompt
from robustger.errors import InputError
from robustger.hypotheses import Transcript

if TYPE_CHECKING:
    from robustger.correction.endpoint.remote_proposer import RemoteAnswer, RemoteProposer

UNGUARDED = ("none", "words")  # guards that keep what is written, or that act while it is written


class Proposals:
    """The answers for the lists of a call; they may still be under way.

    Args:
        answers: by the position of the list among all lists of the call.
        proposer: the name of the language model and its server.
    """

    def __init__(self, answers: Mapping[int, Future[RemoteAnswer]], proposer: str) -> None:
        self._answers = answers
        self._proposer = proposer

    def transcripts(
        self,
        batch: ReadingBatch,
        judge: Callable[[ReadingBatch, Sequence[str | None]], Sequence[Transcript]],
        guard: str,
    ) -> list[Transcript]:
        """The transcripts of the lists of a batch. Lists without an answer keep their 1-best.

        Args:
            batch: the lists.
            judge: decides about the answers, in plain words, of some lists; None is an answer that was cut off.
            guard: name of the guard in force, for the transcripts.
        """
        answers = [self._answers[prompt.index].result() for prompt in batch.prompts]
        answered = [row for row, answer in enumerate(answers) if answer.reason is None]
        decided: dict[int, Transcript] = {}
        if answered:
            part = batch.part(answered)
            texts = [
                None if (text := answers[row].text) is None else batch.prompts[row].as_plain(text)
                for row in answered
            ]
            decided = dict(zip(answered, judge(part, texts), strict=True))
        return [
            replace(
                decided.get(row) or _unanswered(prompt, guard),
                proposer=self._proposer,
                reason=answers[row].reason,
            )
            for row, prompt in enumerate(batch.prompts)
        ]


@contextmanager
def proposals_of(
    proposer: RemoteProposer | None, prompts: Sequence[ListPrompt]
) -> Iterator[Proposals | None]:
    """Asks a proposer about all lists of a call; without a proposer there are no proposals.

    The server gets the same hypotheses as the corrector's own language model, in plain words, and nothing else of the
    lists.
    """
    if proposer is None:
        yield None
        return
    with proposer.asking([prompt.nbest.texts for prompt in prompts]) as futures:
        answers = {prompt.index: future for prompt, future in zip(prompts, futures, strict=True)}
        yield Proposals(answers, proposer.server.name)


def check_judged(guard: str, num_beams: int) -> None:
    """Checks that what another language model writes is going to be judged.

    Raises:
        InputError: the guard would keep anything, or the options only have a meaning for the corrector's own answers.
    """
    if guard in UNGUARDED:
        raise InputError(
            f"guard {guard!r}: does not judge what the language model of a server writes; choose edits, margin or heard"
        )
    if num_beams != 1:
        raise InputError(
            f"beams = {num_beams}: the server's language model writes, and decides how; leave out --beams"
        )


def _unanswered(prompt: ListPrompt, guard: str) -> Transcript:
    best = prompt.nbest.best
    return Transcript(prompt.nbest.id, best, best, best, "no_answer", guard, confidence=0.0)

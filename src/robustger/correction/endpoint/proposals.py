"""Brings the answers of a server's language model to the lists that a corrector is about to judge.

Such a language model may know nothing of speech, may be of any size, and may obey what a list says. So its answers are
judged as those of the corrector's own language model are, and are bound more tightly where the recognizer has no say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from robustger.correction.batch import ReadingBatch
from robustger.correction.guards.guard import Guard
from robustger.correction.list_prompts import ListPrompt
from robustger.errors import InputError
from robustger.hypotheses import Transcript
from robustger.noise.alignment import align_all

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
        guard: Guard,
    ) -> list[Transcript]:
        """The transcripts of the lists of a batch. Lists without an answer keep their 1-best.

        Where the guard does not go by what the recognizer heard, only the parts of an answer that the list supports are
        judged at all, see `supported_part`.

        Args:
            batch: the lists.
            judge: decides about the answers, in plain words, of some lists; None is an answer that was cut off.
            guard: the guard in force.
        """
        answers = [self._answers[prompt.index].result() for prompt in batch.prompts]
        answered = [row for row, answer in enumerate(answers) if answer.reason is None]
        decided: dict[int, Transcript] = {}
        if answered:
            written = [answers[row].text for row in answered]
            part = batch.part(answered)
            plain = [
                None if text is None else prompt.as_plain(text)
                for text, prompt in zip(written, part.prompts, strict=True)
            ]
            bound = [
                text if text is None or guard.hears(prompt) else supported_part(text, prompt)
                for text, prompt in zip(plain, part.prompts, strict=True)
            ]
            judged = map(_with_all_written, judge(part, bound), plain)
            decided = dict(zip(answered, judged, strict=True))
        return [
            replace(
                decided.get(row) or _unanswered(prompt, guard.config.name),
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


def supported_part(text: str, prompt: ListPrompt) -> str:
    """A text with every word put back to that of the 1-best that no hypothesis has in its place.

    What is left combines the hypotheses: it adds no word that the recognizer did not consider there, and drops none
    that all hypotheses have.
    """
    texts = dict.fromkeys([prompt.nbest.best, *(one.text for one in prompt.listed)])
    if text in texts:
        return text
    *listed, own = align_all([one.split() for one in (*texts, text)])
    words = [
        word if any(row[column] == word for row in listed) else listed[0][column]
        for column, word in enumerate(own)
    ]
    return " ".join(word for word in words if word is not None)


def _with_all_written(transcript: Transcript, written: str | None) -> Transcript:
    """The transcript with everything that the server's language model wrote, also what was not even judged."""
    generated = written or ""
    if transcript.source == "llm" and transcript.text != generated:
        return replace(transcript, generated=generated, source="guard")
    return replace(transcript, generated=generated)

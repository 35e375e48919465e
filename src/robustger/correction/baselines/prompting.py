"""Asks an instruct model for the transcription, with or without examples in the prompt; nothing is trained."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Iterator, Sequence

from robustger.correction.baselines.baseline import in_chunks
from robustger.correction.config import CorrectorConfig
from robustger.correction.decoding.reading import Reading
from robustger.correction.decoding.stepwise import Answer
from robustger.correction.endpoint.chat_answer import unquoted
from robustger.correction.model import Corrector
from robustger.correction.prompt import compact_prompt
from robustger.errors import InputError
from robustger.hypotheses import NBest, Transcript
from robustger.text.normalizers import collapse_spaces

INSTRUCTION = (
    "A speech recognizer made these guesses at one sentence, best first. Reply with what was said and nothing else, "
    "written as the guesses are."
)
_LISTS_AT_ONCE = 256  # lists sorted by length among themselves
_PROMPTED_TOKENS = 4096  # prompt tokens of a batch with their padding


class Prompted:
    """Zero-shot, or few-shot where examples are given, prompting of an instruct model through its chat template.

    A user's turn is the instruction with the distinct hypotheses; an example is such a turn with the reference as the
    answer. Decoding is greedy. Only the first line of the answer counts, without quotation marks around it. Lists whose
    hypotheses all agree pass through without the model, as in a corrector.

    The 1-best is kept (`too_long`) where prompt and answer exceed the context, and where the first line is longer than
    twice the longest hypothesis.

    Args:
        model: an instruct model, a folder or a name, see `robustger.models.resolve_model`.
        examples: lists with references.
        shots: how many of the examples a prompt has. One more than these lets a list that is itself an example get
            another in its own place.
        n_best: hypotheses shown of a list.
        batch_size: lists per batch.
        device: None picks the GPU where there is one.

    Raises:
        MissingModelError: the model is not to be had.
        InputError: its files are broken, or its tokenizer has no chat template.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "smollm2-135m",
        examples: Sequence[NBest] = (),
        shots: int = 0,
        *,
        n_best: int = 5,
        batch_size: int = 16,
        device: str | None = None,
    ) -> None:
        self._examples = examples
        self._shots = shots
        self._n_best = n_best
        self._batch_size = batch_size
        # An untrained corrector: the frozen language model with the decoding that correctors have.
        self._corrector = Corrector.create(CorrectorConfig(base=str(model), variant="ger"), device=device)
        if self._corrector.tokenizer.chat_template is None:
            raise InputError(f"{model}: the tokenizer has no chat template; name an instruct model")

    def transcribe(self, lists: Iterable[NBest]) -> Iterator[Transcript]:
        """One transcript a list; the confidence is the geometric mean of the probabilities of the answer's tokens."""
        for chunk in in_chunks(lists, _LISTS_AT_ONCE):
            yield from self._transcribe(chunk)

    def prompt(self, nbest: NBest) -> str:
        """The prompt for a list, in the model's own chat format."""
        examples = [example for example in self._examples if example.id != nbest.id][: self._shots]
        turns = []
        for example in examples:
            turns += [self._question(example), ("assistant", collapse_spaces(example.reference or ""))]
        messages = [{"role": role, "content": text} for role, text in (*turns, self._question(nbest))]
        return self._corrector.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )

    def _question(self, nbest: NBest) -> tuple[str, str]:
        texts = list(nbest.texts[: self._n_best])
        for special in self._corrector.tokenizer.all_special_tokens:  # a hypothesis must not end its turn
            texts = [collapse_spaces(text.replace(special, " ")) for text in texts]
        return "user", f"{INSTRUCTION}\n\n{compact_prompt(texts)}".strip()

    def _transcribe(self, lists: Sequence[NBest]) -> list[Transcript]:
        done: dict[int, Transcript] = {}
        waiting: list[tuple[int, list[int], int]] = []  # position, prompt, most tokens of the answer
        context = self._corrector.llm.llm.config.get_text_config().max_position_embeddings
        for index, nbest in enumerate(lists):
            hypotheses = {collapse_spaces(text) for text in nbest.texts[: self._n_best]}
            best = collapse_spaces(nbest.best)
            if len(hypotheses) == 1:
                done[index] = Transcript(nbest.id, best, best, best, "agreement", "none", 1.0)
                continue
            prompt = self._corrector.tokenizer(self.prompt(nbest), add_special_tokens=False)["input_ids"]
            limit = 2 * max(len(self._corrector.answer_tokens(text)) for text in hypotheses) + 8
            if len(prompt) + limit > context:
                done[index] = Transcript(nbest.id, best, best, best, "too_long", "none", 0.0)
            else:
                waiting.append((index, prompt, limit))
        waiting.sort(key=lambda item: len(item[1]))
        while waiting:
            size = max(1, min(self._batch_size, _PROMPTED_TOKENS // len(waiting[-1][1])))
            waiting, batch = waiting[:-size], waiting[-size:]
            for (index, _, _), transcript in zip(batch, self._ask(lists, batch), strict=True):
                done[index] = transcript
        return [done[index] for index in range(len(lists))]

    def _ask(
        self, lists: Sequence[NBest], batch: Sequence[tuple[int, list[int], int]]
    ) -> Iterator[Transcript]:
        indices, prompts, limits = zip(*batch, strict=True)
        bests = [collapse_spaces(lists[index].best) for index in indices]
        noise = self._corrector.noise_embedding([lists[index].texts for index in indices])
        reading = Reading(self._corrector.llm, prompts, noise, self._corrector.tokenizer.eos_token_id)
        answers, _ = reading.decode([[self._corrector.answer_tokens(best)] for best in bests], limits)
        for index, best, answer in zip(indices, bests, answers, strict=True):
            yield self._transcript(lists[index].id, best, answer)

    def _transcript(self, id: str, best: str, answer: Answer) -> Transcript:
        written = self._corrector.tokenizer.decode(
            answer.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        text = answer_line(written, answer.finished)
        if text is None:
            return Transcript(id, best, best, collapse_spaces(written), "too_long", "none", 0.0)
        confidence = min(1.0, math.exp(answer.log_probability / (len(answer.tokens) + 1)))
        return Transcript(id, text, best, collapse_spaces(written), "llm", "none", confidence)


def answer_line(written: str, finished: bool) -> str | None:
    """The first line of an answer without quotation marks around it; None if that line is cut off."""
    line, newline, _ = written.strip().partition("\n")
    if not (finished or newline):
        return None
    return unquoted(line)


def zero_shot(*, model: str | os.PathLike[str] = "smollm2-135m", device: str | None = None) -> Prompted:
    """`Prompted` without examples."""
    return Prompted(model, device=device)


def few_shot(
    *,
    train: Sequence[NBest],
    shots: int = 4,
    seed: int = 0,
    model: str | os.PathLike[str] = "smollm2-135m",
    device: str | None = None,
) -> Prompted:
    """`Prompted` with examples drawn from `train`, the same for all lists.

    Args:
        train: lists; only those with a reference and hypotheses that differ can be examples.
        shots: examples of a prompt.
        seed: of the draw.
        model: an instruct model, a folder or a name.
        device: None picks the GPU where there is one.

    Raises:
        InputError: there are fewer such lists than examples are wanted, or `shots` is less than 1.
    """
    if shots < 1:
        raise InputError(f"shots is {shots}: few-shot needs at least 1 example; zero-shot has none")
    usable = [
        nbest
        for nbest in train
        if nbest.reference
        and nbest.reference.strip()
        and len({collapse_spaces(text) for text in nbest.texts}) > 1
    ]
    if len(usable) < shots:
        raise InputError(
            f"few-shot: {shots} examples are wanted, but {len(usable)} of the {len(train)} lists have a reference and "
            "hypotheses that differ; give more lists, or fewer shots"
        )
    examples = random.Random(seed).sample(usable, min(shots + 1, len(usable)))
    return Prompted(model, examples, shots, device=device)

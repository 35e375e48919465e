"""Decoding from drafts against one token per pass: python benchmarks/decoding.py [--quick]

Times the way from prompts and noise embeddings to answers, with the preset `whisper` and no guard. It is compared with
greedy `generate`, one list at a time and in the same batches, and with a loop in the released style (one list, one
token per pass, always the most probable one, no draft). All lists are sorted by length, as in a large corpus, and the
benchmark takes some batches of shorter and some of longer lists. The loop runs on every fourth list, and its time
counts four times. The benchmark also counts the answers that equal those of `generate`.

The way from lists to answers includes E_LN. Ours computes it in the same batches with an empty memo. The released style
calls the sentence encoder once for every sentence and every edited word of a pair, on the lists of the loop.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.gpu import forget, one_token_at_a_time
from benchmarks.lists import distinct_lists, source_lists
from benchmarks.noise_embedding import filled, released_style
from benchmarks.timing import Row, Timings, as_json, seconds

from robustger.correction import Corrector
from robustger.correction.decoding.reading import Reading
from robustger.correction.guards.margin_guard import edited_stretches
from robustger.hypotheses import NBest
from robustger.noise.extractors import SentenceBert

BATCH = 16
BATCHES = 2
ALONE = 16
PASSES = 64  # lists whose passes are counted
ROUNDS, ROUNDS_ALONE = 3, 2
EVERY = 4  # the loop runs on one list in so many


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the language model is given for some lists.

    Attributes:
        tokens: the prompts.
        noise: noise embeddings, shape (B, U, E).
        drafts: the hypotheses as answers.
        agreeing: lists whose hypotheses are all the same.
    """

    tokens: list[list[int]]
    noise: Tensor
    drafts: list[list[list[int]]]
    agreeing: list[bool]

    @classmethod
    def of(cls, corrector: Corrector, lists: Sequence[NBest]) -> Prompts:
        texts = [
            [" ".join(text.split()) for text in nbest.texts[: corrector.config.n_best]] for nbest in lists
        ]
        return cls(
            [corrector.prompt_tokens(nbest.texts) for nbest in lists],
            corrector.noise_embedding([nbest.texts for nbest in lists]),
            [[corrector.answer_tokens(text) for text in of_list] for of_list in texts],
            [len(set(of_list)) == 1 for of_list in texts],
        )

    def rows(self, rows: Sequence[int]) -> Prompts:
        return Prompts(
            [self.tokens[row] for row in rows],
            self.noise[list(rows)],
            [self.drafts[row] for row in rows],
            [self.agreeing[row] for row in rows],
        )

    def disagreeing(self) -> Prompts:
        """Those that are still asked about where agreeing lists are skipped."""
        return self.rows([row for row, agreeing in enumerate(self.agreeing) if not agreeing])


def drafted(corrector: Corrector, batches: Sequence[Prompts]) -> list[list[int]]:
    """Answers from drafts."""
    answers = []
    for batch in batches:
        if batch.tokens:
            reading = Reading(corrector.llm, batch.tokens, batch.noise, corrector.tokenizer.eos_token_id)
            found, _ = reading.decode(batch.drafts, [corrector.config.max_new_tokens] * len(batch.tokens))
            answers += [answer.tokens for answer in found]
    return answers


def generated(corrector: Corrector, batches: Sequence[Prompts]) -> list[list[int]]:
    """Answers as `generate` writes them greedily."""
    end = corrector.tokenizer.eos_token_id
    answers = []
    for batch in batches:
        tokens = [torch.tensor(prompt) for prompt in batch.tokens]
        ids = pad_sequence(tokens, batch_first=True, padding_value=end, padding_side="left")
        masks = [torch.ones_like(prompt) for prompt in tokens]
        mask = pad_sequence(masks, batch_first=True, padding_side="left")
        found = corrector.llm.generate(
            ids.to(corrector.llm.device),
            batch.noise,
            mask.to(corrector.llm.device),
            do_sample=False,
            max_new_tokens=corrector.config.max_new_tokens,
            eos_token_id=end,
            pad_token_id=end,
        )
        answers += [row[: [*row, end].index(end)] for row in found[:, ids.shape[1] :].tolist()]
    return answers


def released(corrector: Corrector, batches: Sequence[Prompts]) -> list[list[int]]:
    """Answers of a loop in the released style."""
    return [
        one_token_at_a_time(corrector, prompt, batch.noise[row : row + 1])
        for batch in batches
        for row, prompt in enumerate(batch.tokens)
    ]


def embed(corrector: Corrector, batches: Sequence[Sequence[NBest]]) -> None:
    """E_LN of every batch; nothing is remembered of earlier calls."""
    forget(corrector)
    for batch in batches:
        corrector.noise_embedding([nbest.texts for nbest in batch])


def embed_one_by_one(extractor: SentenceBert, batches: Sequence[Sequence[NBest]]) -> None:
    """E_LN by the calls of the released feature script, one text each."""
    for batch in batches:
        for nbest in batch:
            released_style(filled(nbest), lambda text: extractor.encode([text])[0])


def in_turns(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, ...]]:
    """Seconds of every run, one value a round; another one is first in every round."""
    names = list(runs)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(seconds(runs[name]))
    return {name: tuple(values) for name, values in taken.items()}


def representative(corrector: Corrector, lists: Sequence[NBest], size: int, count: int) -> list[list[NBest]]:
    """Batches of lists of like length, from short to long, out of all those that the lists would make."""
    ordered = sorted(lists, key=lambda nbest: read_tokens(corrector, nbest))
    starts = range(0, len(ordered) - size + 1, size)
    chosen = [starts[len(starts) * (2 * turn + 1) // (2 * count)] for turn in range(count)]
    return [ordered[start : start + size] for start in chosen]


def read_tokens(corrector: Corrector, nbest: NBest) -> int:
    """Tokens that the first pass reads of a list, by which batches are made: the prompt's and the first draft's."""
    return len(corrector.prompt_tokens(nbest.texts)) + len(corrector.answer_tokens(nbest.best))


def passes(corrector: Corrector, lists: Sequence[NBest]) -> list[Row]:
    """Passes of the language model for each list, and how many they are beyond the edited stretches."""
    transcripts = corrector.correct(lists, guard="none", skip_agreeing=False)
    asked = [transcript for transcript in transcripts if transcript.passes]
    counts = [transcript.passes for transcript in asked]
    edits = statistics.mean(len(edited_stretches(t.best.split(), t.generated.split())) for t in asked)
    histogram = {str(number): count for number, count in sorted(Counter(counts).items())}
    tokens = statistics.mean(transcript.tokens for transcript in asked)
    return [
        Row(
            "a",
            "LLM passes for a list",
            f"one for each of {tokens:.3g} tokens",
            tuple(map(float, counts)),
            "passes",
            aim="median at most 2",
            details={"histogram": histogram, "lists": len(asked)},
        ),
        Row(
            "a",
            f"LLM passes, mean, beyond {edits:.3g} edited stretches",
            "",
            (statistics.mean(counts) - edits,),
            "passes",
            aim="at most 1.3",
        ),
    ]


@torch.no_grad()
def measure(quick: bool) -> list[Row]:
    """Ratios of decoding from drafts to the ways of decoding token by token, and the passes it needs."""
    size, count, alone, counted, rounds, rounds_alone = (
        (2, 1, 1, 4, 1, 1) if quick else (BATCH, BATCHES, ALONE, PASSES, ROUNDS, ROUNDS_ALONE)
    )
    corrector = Corrector.from_pretrained("whisper", device="cpu")
    lists = source_lists()
    if len(lists) < size * count:
        lists = distinct_lists(size * count)
    chosen = representative(corrector, lists, size, count)
    batches = [Prompts.of(corrector, batch) for batch in chosen]
    sampled = [batch.rows(range(0, size, EVERY)) for batch in batches]
    asked = [batch.disagreeing() for batch in batches]
    singles = [Prompts.of(corrector, batch) for batch in representative(corrector, lists, 1, alone)]
    ways = {"drafted": drafted, "generate": generated, "released": released}
    for way in ways.values():
        way(corrector, singles[:1])  # what happens on first use is not what is measured
    answers = {name: way(corrector, batches) for name, way in ways.items() if name != "released"}
    same = sum(own == theirs for own, theirs in zip(answers["drafted"], answers["generate"], strict=True))
    extractor = SentenceBert(memo_bytes=0)
    times = in_turns(
        {
            "drafted": lambda: drafted(corrector, batches),
            "generate": lambda: generated(corrector, batches),
            "released": lambda: released(corrector, sampled),
            "skipping": lambda: drafted(corrector, asked),
            "E_LN": lambda: embed(corrector, chosen),
            "E_LN released": lambda: embed_one_by_one(extractor, [batch[::EVERY] for batch in chosen]),
        },
        rounds,
    )
    scale = size / len(sampled[0].tokens)
    looped = tuple(scale * taken for taken in times["released"])
    embedded = tuple(scale * taken for taken in times["E_LN released"])
    times_alone = in_turns(
        {name: lambda name=name: ways[name](corrector, singles) for name in ("drafted", "generate")},
        rounds_alone,
    )
    in_batches = f"batches of {size}"
    one = Timings(times_alone["drafted"], times_alone["generate"])
    together = Timings(times["drafted"], times["generate"])
    loop = Timings(times["drafted"], looped)
    skipping = Timings(times["skipping"], looped)
    whole = Timings(_sums(times["E_LN"], times["drafted"]), _sums(embedded, looped))
    whole_skipping = Timings(_sums(times["E_LN"], times["skipping"]), whole.baseline)
    found = {"lists": size * count, "same_answers": same}
    sample = {"lists": size * count, "baseline_lists": sum(len(batch.tokens) for batch in sampled)}
    left = sum(len(batch.tokens) for batch in asked)
    style = "released-style loop"
    one_call_each = "one SBERT call per sentence and edited word of a pair, then the loop"
    return [
        Row(
            "a",
            "drafted, one list at a time",
            "`generate`, greedy",
            one.faster,
            aim="4 or more",
            details=one.seconds() | {"lists": len(singles)},
        ),
        Row(
            "a",
            f"drafted, {in_batches}",
            f"`generate`, greedy, {in_batches}",
            together.faster,
            details=together.seconds() | found,
        ),
        Row(
            "b",
            f"drafted, {in_batches}",
            style,
            loop.faster,
            aim="8 or more",
            details=loop.seconds() | sample,
        ),
        Row(
            "b",
            f"drafted, {in_batches}, agreeing lists skipped",
            style,
            skipping.faster,
            aim="8 or more",
            details=skipping.seconds() | sample | {"asked": left},
        ),
        Row(
            "b",
            f"lists to text, E_LN included, {in_batches}",
            one_call_each,
            whole.faster,
            details=whole.seconds() | sample,
        ),
        Row(
            "b",
            f"lists to text, E_LN included, {in_batches}, agreeing lists skipped",
            one_call_each,
            whole_skipping.faster,
            details=whole_skipping.seconds() | sample | {"asked": left},
        ),
        *passes(corrector, lists[:counted]),
    ]


def _sums(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    """Seconds of two steps, one behind the other, round by round."""
    return tuple(one + other for one, other in zip(first, second, strict=True))


if __name__ == "__main__":
    print(as_json(measure("--quick" in sys.argv[1:]), benchmark="decoding"), end="")

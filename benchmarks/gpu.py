"""Corrections by a 7B Llama on a GPU, and what they could be at most: python benchmarks/gpu.py [--json FILE] [--toy]

The model has the shape of Llama 2 7B in bfloat16 and random weights (`benchmarks/chain.py`). Prompts have about 200
tokens, answers 41. The baseline is a loop in the style of the released code: one utterance at a time, one token per
pass, no draft, always the most probable token. The loop is given E_LN, while ours computes it. Answers must be right,
or the benchmark fails.

Two limits are measured on the same GPU: the speed of a large matrix product, and that of reading a large array. Every
token of a prompt and an answer needs at least two operations per weight, and every pass must read all weights at least
once. `--toy` runs a tiny Llama in float32 on the CPU, to show that the benchmark works.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.chain import LLAMA_2_7B, TOY, answer_text, chain_corrector, lists_to_correct
from benchmarks.roofline import layer_weights, matmul_rate, read_rate
from benchmarks.timing import FASTER, Row, interleaved, save_json, seconds, significant, table

from robustger.correction import Corrector
from robustger.correction.decoding.batch_size import BatchSize
from robustger.hypotheses import NBest, Transcript
from robustger.models.cache_argument import CACHE_ARGUMENT
from robustger.noise.extractors import SentenceBert

SHARE = "of the limit"
BATCH_SIZES: tuple[BatchSize, ...] = (16, 32, 64, 128, "auto")
TOY_BATCH_SIZES: tuple[BatchSize, ...] = (8, 16, "auto")


@torch.no_grad()
def one_token_at_a_time(corrector: Corrector, prompt: Sequence[int], noise: torch.Tensor) -> list[int]:
    """The answer to one prompt as the released code writes it: one token per pass, with a cache."""
    arguments = corrector.llm.noise_arguments(noise)
    end = corrector.tokenizer.eos_token_id
    tokens, cache, written = list(prompt), None, []
    while len(written) < corrector.config.max_new_tokens:
        found = corrector.llm.llm(
            input_ids=torch.tensor([tokens], device=corrector.llm.device),
            use_cache=True,
            logits_to_keep=torch.tensor(
                [len(tokens) - 1], device=corrector.llm.device
            ),  # no slice, which is slow
            **{CACHE_ARGUMENT: cache},
            **arguments,
        )
        tokens, cache = [int(found.logits[0, -1].argmax())], getattr(found, CACHE_ARGUMENT)
        if tokens[0] == end:
            break
        written += tokens
    return written


def forget(corrector: Corrector) -> None:
    """Empties the sentence encoder's memo."""
    assert corrector.noise.embedder is not None
    assert isinstance(corrector.noise.embedder.extractor, SentenceBert)
    corrector.noise.embedder.extractor.forget()


def corrected(
    corrector: Corrector,
    lists: Sequence[NBest],
    batch_size: BatchSize,
    right: str,
) -> list[Transcript]:
    """Transcripts, which must be the right ones; nothing is remembered of earlier calls."""
    forget(corrector)
    transcripts = corrector.correct(lists, guard="none", batch_size=batch_size)
    wrong = [transcript for transcript in transcripts if transcript.text != right]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(lists)} answers are not what the model writes greedily")
    return transcripts


def measure(toy: bool) -> list[Row]:
    """Utterances per second against the released style, passes, and shares of the limits."""
    device, dtype = ("cpu", torch.float32) if toy else ("cuda", torch.bfloat16)
    shape, count, sample_size, rounds = (TOY, 24, 2, 1) if toy else (LLAMA_2_7B, 512, 8, 3)
    batch_sizes = TOY_BATCH_SIZES if toy else BATCH_SIZES
    lists, wrong_places = lists_to_correct(shape, count)
    right = answer_text(shape)
    with tempfile.TemporaryDirectory() as folder:
        corrector = chain_corrector(shape, Path(folder), dtype, device)
        sample = lists[:sample_size]
        prompts = [corrector.prompt_tokens(nbest.texts) for nbest in lists]
        given = corrector.noise_embedding([nbest.texts for nbest in sample])
        answer = corrector.answer_tokens(right)

        def released_style() -> None:
            for prompt, noise in zip(prompts[:sample_size], given, strict=True):
                if one_token_at_a_time(corrector, prompt, noise[None]) != answer[:-1]:
                    raise RuntimeError("the loop in the released style writes something else")

        def embed() -> None:
            forget(corrector)
            corrector.noise_embedding([nbest.texts for nbest in lists])

        transcripts = corrected(corrector, lists, batch_sizes[0], right)
        sweep: dict[BatchSize, float] = {
            size: seconds(partial(corrected, corrector, lists, size, right)) for size in batch_sizes
        }
        best: BatchSize = min(sweep, key=lambda size: sweep[size])
        together = interleaved(lambda: corrected(corrector, lists, best, right), released_style, rounds)
        alone = interleaved(lambda: corrected(corrector, sample, 1, right), released_style, rounds)
        embedding = [seconds(embed) for _ in range(rounds)]

    weights = layer_weights(corrector.llm.llm)
    size = 512 if toy else 8192
    peak = matmul_rate(size, size, size, dtype, device)
    bandwidth = read_rate(0.1 if toy else 4.0, device)
    tokens = sum(map(len, prompts)) + count * len(answer)
    least = 2 * tokens * weights / peak
    pass_bytes = weights * torch.finfo(dtype).bits // 8
    passes = sample_size * len(answer)
    loop = statistics.median(together.baseline)
    rates = {
        "utterances_per_second": significant(count / statistics.median(together.ours)),
        "baseline_utterances_per_second": significant(sample_size / loop),
        "batch_size": best,
        "seconds_by_batch_size": {str(key): significant(value) for key, value in sweep.items()},
        "prompt_tokens": significant(statistics.mean(map(len, prompts))),
        "answer_tokens": len(answer),
    }
    used = [transcript.passes for transcript in transcripts]
    baseline = "released-style loop, one utterance, one token a pass"
    scale = count / sample_size  # the loop runs on a sample
    return [
        Row(
            "gpu",
            "corrections, batched",
            baseline,
            tuple(ratio * scale for ratio in together.faster),
            FASTER,
            aim="at least 50",
            details=rates,
        ),
        Row("gpu", "corrections, one by one", baseline, alone.faster, FASTER, details=alone.seconds()),
        Row(
            "gpu",
            f"passes per utterance, {wrong_places:.2f} wrong places",
            f"{len(answer)} in the loop",
            (statistics.mean(used),),
            "passes",
            details={"median": statistics.median(used), "histogram": dict(sorted(Counter(used).items()))},
        ),
        Row(
            "gpu",
            "batched: matrix products",
            f"{peak / 1e12:.3g} TFLOP/s, measured",
            tuple(least / taken for taken in together.ours),
            SHARE,
            details={
                "tokens_per_utterance": significant(tokens / count),
                "tflop_per_utterance": significant(2e-12 * tokens * weights / count),
                "utterances_per_second_at_the_limit": significant(count / least),
            },
        ),
        Row(
            "gpu",
            "released-style loop: reading the weights",
            f"{bandwidth / 1e9:.4g} GB/s, measured",
            tuple(passes * pass_bytes / bandwidth / taken for taken in together.baseline),
            SHARE,
            details={
                "gigabytes_per_pass": significant(pass_bytes / 1e9),
                "milliseconds_per_pass": significant(1e3 * loop / passes),
                "utterances_per_second_at_the_limit": significant(bandwidth / pass_bytes / len(answer)),
            },
        ),
        Row(
            "gpu",
            "E_LN by itself",
            "the batched corrections",
            tuple(own / taken for own, taken in zip(embedding, together.ours, strict=True)),
            "x the time",
            details={"lists_per_second": significant(count / statistics.median(embedding))},
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--toy", action="store_true", help="a tiny Llama on the CPU: shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every value, and the machine")
    options = parser.parse_args()
    if not options.toy and not torch.cuda.is_available():
        sys.exit("gpu: no CUDA device here; --toy runs on the CPU")
    rows = measure(options.toy)
    print(table(rows))
    if options.json:
        save_json(rows, options.json, benchmark="gpu", toy=options.toy)


if __name__ == "__main__":
    main()

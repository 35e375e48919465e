"""The paper's recipe on a 7B Llama on a GPU: python benchmarks/training_gpu.py [--steps N] [--json FILE] [--toy]

Runs N (50) steps of `recipes/paper/recipe.yaml`, with the paper's variant and distillation, on random weights in the
shape of Llama 2 7B, because the time does not depend on the values of the weights. Lists have prompts of about 200
tokens, answers of 41, and random audio embeddings of Whisper large's width. The model is written to the temporary
folder first, 14 GB.

Prints the peak of the GPU's memory, tokens a second, the time of a step, and its share of the limit. The limit is the
speed of a large matrix product on the same GPU. A step needs at least a forward pass over all weights and a backward
pass that hands gradients on through them. These are four operations per weight and token, because the weights
themselves are frozen. `--toy` runs a tiny Llama in float32 on the CPU, to show that the benchmark works.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.chain import (
    LLAMA_2_7B,
    TOY,
    Shape,
    answer_text,
    lists_to_correct,
    random_llm,
    save_encoder,
    word_tokenizer,
)
from benchmarks.roofline import layer_weights, matmul_rate
from benchmarks.timing import Row, save_json, seconds, significant, table
from benchmarks.training_step import write_heard

from robustger.training.config import load_training_config
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training

RECIPE = Path(__file__).parents[1] / "recipes" / "paper" / "recipe.yaml"
STEPS, TOY_STEPS, WARM_UP = 50, 2, 1
BATCH, TOY_BATCH = 32, 4


def prepared(shape: Shape, folder: Path, batch: int, steps: int, dtype: torch.dtype, device: str) -> Trainer:
    """The recipe's trainer on a random model and on lists for all steps, which it reads from the folder."""
    tokenizer = word_tokenizer(shape)
    llm = random_llm(shape, tokenizer, dtype, device)
    llm.save_pretrained(folder / "llm")
    tokenizer.save_pretrained(folder / "llm")
    del llm
    save_encoder(shape, tokenizer, folder / "encoder")
    lists, _ = lists_to_correct(shape, batch * (steps + WARM_UP))
    path = write_heard(folder, (replace(nbest, reference=answer_text(shape)) for nbest in lists))
    changes = [
        f"corrector.base={folder / 'llm'}",
        f"corrector.encoder={folder / 'encoder'}",
        f"corrector.noise_dimension={shape.encoder_width}",
        f"data.train=[{path}]",
        "data.dev=[]",
        f"output={folder / 'run'}",
        f"dtype={str(dtype).removeprefix('torch.')}",
        f"optimization.batch_size={batch}",
        "tracking=none",
    ]
    return Trainer(prepare_training(load_training_config(RECIPE, changes)))


def measure(toy: bool, steps: int) -> list[Row]:
    """What a step takes, after one that is not timed, and what it has to take at least."""
    shape, batch, dtype, device = (
        (TOY, TOY_BATCH, torch.float32, "cpu") if toy else (LLAMA_2_7B, BATCH, torch.bfloat16, "cuda")
    )
    with tempfile.TemporaryDirectory() as name:
        trainer = prepared(shape, Path(name), batch, steps, dtype, device)
        batches = trainer.batches()
        for _ in range(WARM_UP):
            trainer.step(next(batches))
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        taken, tokens = [], []
        for _ in range(steps):
            indices = next(batches)
            # A step's losses are read from the device at its end, so it is over then.
            taken.append(seconds(partial(trainer.step, indices)))
            tokens.append(int(trainer.parts.train.lengths[indices].sum()))
        gigabytes = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else float("nan")
        weights = layer_weights(trainer.parts.corrector.llm.llm)
    size = 512 if toy else 8192
    peak = matmul_rate(size, size, size, dtype, device)
    rates = [count / each for count, each in zip(tokens, taken, strict=True)]
    options = trainer.parts.config.optimization
    about = {
        "steps": steps,
        "lists": batch,
        "micro_batch_size": options.micro_batch_size,
        "gradient_checkpointing": options.gradient_checkpointing,
        "tokens_of_a_list": significant(sum(tokens) / steps / batch),
    }
    shape_name = "toy" if toy else "the shape of Llama 2 7B"
    rows = [
        Row("gpu", f"a training step of {batch} lists, {shape_name}", "", tuple(taken), "s", details=about),
        Row("gpu", "tokens of prompts and answers", "", tuple(rates), "tokens/s"),
        Row(
            "gpu",
            "training: matrix products",
            f"{peak / 1e12:.3g} TFLOP/s, measured",
            (4 * weights * statistics.median(rates) / peak,),
            "of the limit",
            details={"tflop_per_step": significant(4e-12 * weights * sum(tokens) / steps)},
        ),
    ]
    if device == "cuda":
        rows.append(Row("gpu", "peak memory of training", "", (gigabytes,), "GB"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, metavar="N", help="steps that are timed")
    parser.add_argument("--toy", action="store_true", help="a tiny Llama on the CPU: shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every value, and the machine")
    options = parser.parse_args()
    if not options.toy and not torch.cuda.is_available():
        sys.exit("training_gpu: no CUDA device here; --toy runs on the CPU")
    rows = measure(options.toy, options.steps or (TOY_STEPS if options.toy else STEPS))
    print(table(rows))
    if options.json:
        save_json(rows, options.json, benchmark="training_gpu", toy=options.toy)


if __name__ == "__main__":
    main()

"""Trains the laboratory's language model: a small Llama, from nothing, on simulated N-best lists, on the CPU.

Every example is a list in the prompt `compact` with the sentence behind it. The sentences are those of the
recognizer's split, which no corrector is trained or tested on. Resumes from its last checkpoint; the result is an
ordinary folder for `AutoModelForCausalLM.from_pretrained`.

    torchrun --nproc-per-node 2 train_language_model.py OUTPUT
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from optimization import descend, join_processes, keep, learning_rate, new_optimizer, resume
from sentences import grammar, sentences
from simulated import misheard
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.nn import functional as F

from robustger.correction.prompt import compact_prompt

END = "<|end|>"
SENTENCES = 60_000
IGNORED = -100


def make_tokenizer(folder: Path) -> Any:
    """A byte-level tokenizer to which each word of the grammar is one token; others fall into words and letters."""
    from transformers import PreTrainedTokenizerFast

    words = [text for word in grammar().words() for text in (word, f"\u0120{word}")]  # U+0120 is a space
    prompt = ["Hypotheses", "Transcription"]
    # The fewer pieces the better, and letters only where nothing else is left.
    pieces = [(END, 0.0), *((piece, -1.0) for piece in (*prompt, *words) if len(piece) > 1)]
    pieces += [(letter, -10.0) for letter in sorted(pre_tokenizers.ByteLevel.alphabet())]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    unigram.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=unigram, eos_token=END, pad_token=END)
    tokenizer.save_pretrained(folder)
    return tokenizer


def new_model(tokenizer: Any, width: int, layers: int) -> Any:
    """A Llama with query heads of 64 dimensions and one head for keys and values."""
    from transformers import LlamaConfig, LlamaForCausalLM

    end = tokenizer.eos_token_id
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
        attn_implementation="eager",  # on the CPU the fused kernel's backward pass is several times slower
    )
    return LlamaForCausalLM(config)


def examples(tokenizer: Any, texts: list[str], batch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """(tokens, lengths of the prompts) of endless batches: (batch, T) and (batch,); padded with IGNORED."""
    random_ = random.Random(seed)
    while True:
        drawn = random_.choices(texts, k=16 * batch)
        prompts = tokenizer([compact_prompt(misheard(text, random_)) for text in drawn]).input_ids
        answers = tokenizer(drawn).input_ids
        rows = [
            (len(prompt), [*prompt, *answer, tokenizer.eos_token_id])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        rows.sort(key=lambda row: len(row[1]))  # batches of similar length
        batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
        random_.shuffle(batches)
        for rows in batches:
            longest = max(len(row) for _, row in rows)
            tokens = [row + [IGNORED] * (longest - len(row)) for _, row in rows]
            yield torch.tensor(tokens), torch.tensor([prompt for prompt, _ in rows])


def losses(model: Any, tokens: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean -log p, in nats, of the tokens of the prompts and of the answers."""
    logits = model(input_ids=tokens.clamp(min=0)[:, :-1], use_cache=False).logits
    nats = F.cross_entropy(
        logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=IGNORED, reduction="none"
    ).view(len(tokens), -1)
    said = tokens[:, 1:] != IGNORED
    answer = said & (torch.arange(1, tokens.shape[1]) >= prompts[:, None])
    return nats[said & ~answer].mean(), nats[answer].mean()


def train(arguments: argparse.Namespace) -> None:
    rank, processes = join_processes()
    torch.manual_seed(arguments.seed)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(output / f"tokenizer-{rank}")
    model = new_model(tokenizer, arguments.width, arguments.layers)
    optimizer = new_optimizer(list(model.parameters()), arguments.lr)
    state_file = output / "state.pt"
    step = resume(state_file, model, optimizer)
    if rank == 0:
        print(f"{model.num_parameters() / 1e6:.1f} M parameters, from step {step}", flush=True)
    texts = sentences("recognizer", SENTENCES, arguments.seed)
    made = examples(tokenizer, texts, arguments.batch // processes, 1_000_000 * rank + arguments.seed + step)
    model.train()
    started, seen, sums = time.monotonic(), 0, [0.0, 0.0]
    while step < arguments.steps:
        tokens, prompts = next(made)
        prompt_loss, answer_loss = losses(model, tokens, prompts)
        # The prompts teach copying from line to line; but they hold mistakes, so they weigh less.
        loss = answer_loss + arguments.prompt_weight * prompt_loss
        lr = learning_rate(step, arguments.steps, arguments.lr, arguments.warm_up)
        norm = descend(optimizer, loss, lr, processes)
        step += 1
        seen += len(tokens) * processes
        sums = [sums[0] + prompt_loss.item(), sums[1] + answer_loss.item()]
        if rank:
            continue
        if step % arguments.log_every == 0:
            rate = seen / (time.monotonic() - started)
            means = [value / arguments.log_every for value in sums]
            print(
                f"{step} prompt {means[0]:.3f} answer {means[1]:.3f} norm {norm:.2f} {rate:.0f} lists/s",
                flush=True,
            )
            sums = [0.0, 0.0]
        if step % arguments.save_every == 0 or step == arguments.steps:
            keep(state_file, model, optimizer, step)
            model.save_pretrained(output / "language_model")
            tokenizer.save_pretrained(output / "language_model")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--prompt-weight", type=float, default=0.3)
    parser.add_argument("--log-every", type=int, default=25)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    train(parse())

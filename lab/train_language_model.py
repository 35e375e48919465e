"""Trains the laboratory's language model: a small Llama, from nothing, on simulated N-best lists, on the CPU.

Every example is a list in the prompt `compact` with the sentence behind it. The sentences are those of the
recognizer's split, on which no corrector is trained or tested. The training resumes from its last saved state.
It writes an ordinary folder for `AutoModelForCausalLM.from_pretrained`.

    torchrun --nproc-per-node 2 -m lab.train_language_model OUTPUT
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.nn import functional as F

from lab.sentences import grammar, sentences
from lab.simulated_lists import misheard
from lab.training_loop import BatchLoss, Processes, TrainingState, add_options, train
from robustger.correction.prompt import compact_prompt

END = "<|end|>"
SENTENCES = 60_000
IGNORED = -100


def make_tokenizer(folder: Path) -> Any:
    """A byte-level tokenizer with one token for each word of the grammar; other words are cut into such and letters."""
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
    """Draws batches without end.

    Args:
        tokenizer: of the model.
        texts: the sentences.
        batch: sentences of a batch.
        seed: of the sentences, of how they are misheard and of the order of the batches.

    Yields:
        tokens (batch, T), padded with IGNORED, and the lengths of their prompts (batch,).
    """
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
    """The mean -log p, in nats, of the prompts' tokens and of the answers' tokens."""
    logits = model(input_ids=tokens.clamp(min=0)[:, :-1], use_cache=False).logits
    nats = F.cross_entropy(
        logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=IGNORED, reduction="none"
    ).view(len(tokens), -1)
    said = tokens[:, 1:] != IGNORED
    answer = said & (torch.arange(1, tokens.shape[1]) >= prompts[:, None])
    return nats[said & ~answer].mean(), nats[answer].mean()


def main() -> None:
    options = parse()
    processes = Processes.join()
    torch.manual_seed(options.seed)
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(output / f"tokenizer-{processes.rank}")
    model = new_model(tokenizer, options.width, options.layers)
    state = TrainingState(model, options.lr, output / "state.pt")
    if processes.rank == 0:
        print(f"{model.num_parameters() / 1e6:.1f} M parameters, from step {state.step}", flush=True)
    texts = sentences("recognizer", SENTENCES, options.seed)
    seed = processes.seed(options.seed, state.step)
    batches = examples(tokenizer, texts, options.batch // processes.count, seed)

    def batch_loss() -> BatchLoss:
        tokens, prompts = next(batches)
        prompt_loss, answer_loss = losses(model, tokens, prompts)
        # The prompts teach copying from line to line; but they hold mistakes, so they weigh less.
        total = answer_loss + options.prompt_weight * prompt_loss
        return BatchLoss(total, {"prompt": prompt_loss, "answer": answer_loss}, len(tokens))

    def save() -> None:
        model.save_pretrained(output / "language_model")
        tokenizer.save_pretrained(output / "language_model")

    train(state, batch_loss, save, options, processes, "lists")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the laboratory's language model.")
    parser.add_argument("output", help="folder of the training; its folder language_model gets the model")
    defaults = argparse.Namespace(
        steps=900, batch=64, width=192, lr=2e-3, warm_up=100, log_every=25, save_every=100
    )
    add_options(parser, defaults=defaults)
    parser.add_argument("--layers", type=int, default=6, help="layers of the model")
    parser.add_argument("--prompt-weight", type=float, default=0.3, help="weight of the prompts' loss")
    return parser.parse_args()


if __name__ == "__main__":
    main()

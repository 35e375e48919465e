"""Trains the recognizer's tokenizer: a few hundred byte-level pieces of the laboratory's words, in Whisper's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lab.sentences import sentences, word_strings

PIECES = 500
SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>")


def make_tokenizer(folder: Path) -> Any:
    """Trains the tokenizer, saves it and returns it as transformers' WhisperTokenizer.

    Whisper's special tokens stand behind the pieces; an English-only checkpoint starts with the last two of them.
    """
    from transformers import WhisperTokenizer

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    bpe.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    alphabet = sorted(set(" abcdefghijklmnopqrstuvwxyz'"))
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        initial_alphabet=["Ġ" if letter == " " else letter for letter in alphabet],
        show_progress=False,
    )
    texts = sentences("recognizer", 20_000, seed=0) + word_strings(20_000, seed=0)
    bpe.train_from_iterator((f" {text}" for text in texts), trainer)
    fields = json.loads(bpe.to_str())["model"]
    merges = [tuple(pair) for pair in fields["merges"]]
    tokenizer: Any = WhisperTokenizer(vocab=fields["vocab"], merges=merges, unk_token="<|endoftext|>")
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    tokenizer.save_pretrained(folder)
    return tokenizer

"""Trains the laboratory's recognizer: a small model of Whisper's architecture, from nothing, on the CPU.

Cross-entropy of the decoder plus a CTC loss on the encoder, which teaches the two to align. Resumes from its last
checkpoint; the result is an ordinary folder for `WhisperForConditionalGeneration.from_pretrained`. One process on
each core was faster than one process with as many threads:

    torchrun --nproc-per-node 2 train_recognizer.py POOL OUTPUT
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from batches import FULL, HOP, MELS, SUBSAMPLING, WINDOW, WINDOW_SECONDS, batches
from optimization import descend, join_processes, keep, learning_rate, new_optimizer, resume
from sentences import sentences
from tokens import SPECIAL, make_tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from robustger.torch_files import load_torch

POSITIONS = FULL // SUBSAMPLING
MAX_TOKENS = 64


def new_model(tokenizer: Any, width: int, encoder_layers: int, decoder_layers: int, dropout: float) -> Any:
    """A Whisper with a window of 5 s, 20 ms between spectra and 40 ms between encoder frames."""
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    end, start, no_timestamps = tokenizer.convert_tokens_to_ids(list(SPECIAL))
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=MELS,
        d_model=width,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=width // 64,
        decoder_attention_heads=width // 64,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_source_positions=POSITIONS,
        max_target_positions=MAX_TOKENS,
        dropout=dropout,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        attn_implementation="eager",  # on the CPU the fused kernel's backward pass is several times slower
    )
    model: Any = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        no_timestamps_token_id=no_timestamps,
        is_multilingual=False,
        max_length=MAX_TOKENS,
    )
    return model


def encode(model: Any, features: Tensor) -> Tensor:
    """The encoder on fewer frames than the full window: (B, MELS, T) -> (B, T / 2, width)."""
    encoder = model.model.encoder
    hidden = F.gelu(encoder.conv2(F.gelu(encoder.conv1(features)))).transpose(1, 2)
    hidden = F.dropout(
        hidden + encoder.embed_positions.weight[: hidden.shape[1]], model.config.dropout, model.training
    )
    for layer in encoder.layers:
        out = layer(hidden, None)
        hidden = out[0] if isinstance(out, tuple) else out
    return encoder.layer_norm(hidden)


def losses(
    model: Any, ctc_head: nn.Module, batch: dict[str, Tensor], prefix: Tensor, noise: float
) -> tuple[Tensor, Tensor]:
    """(cross-entropy, CTC) of a batch.

    A share `noise` of the decoder's input tokens is drawn at random, so that it listens instead of guessing.
    """
    encoded = encode(model, batch["features"])
    tokens = batch["tokens"]
    end = model.config.eos_token_id
    count = (tokens >= 0).sum(1)
    labels = F.pad(tokens, (0, 1), value=-100).scatter(1, count[:, None], end)
    inputs = tokens.clamp(min=0)
    random_tokens = torch.randint_like(inputs, end)
    inputs = torch.where(torch.rand(inputs.shape) < noise, random_tokens, inputs)
    inputs = torch.cat([prefix.expand(len(tokens), -1), inputs], dim=1)
    decoded = model.model.decoder(
        input_ids=inputs, encoder_hidden_states=encoded, use_cache=False
    ).last_hidden_state
    logits = model.proj_out(decoded[:, len(prefix) - 1 :]).float()
    cross_entropy = F.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=0.05
    )
    log_probabilities = ctc_head(encoded).float().log_softmax(-1).transpose(0, 1)
    blank = log_probabilities.shape[-1] - 1
    frames = batch["frames"].clamp(max=encoded.shape[1])
    ctc = F.ctc_loss(log_probabilities, tokens.clamp(min=0), frames, count, blank=blank, zero_infinity=True)
    return cross_entropy, ctc


def save_recognizer(model: Any, tokenizer: Any, folder: Path) -> None:
    """Model (16-bit), tokenizer, feature extractor and generation settings, as transformers reads them."""
    import copy

    from transformers import WhisperFeatureExtractor

    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(
        feature_size=MELS, sampling_rate=16_000, hop_length=HOP, chunk_length=WINDOW_SECONDS, n_fft=WINDOW
    ).save_pretrained(folder)


def train(arguments: argparse.Namespace) -> None:
    rank, processes = join_processes()
    torch.manual_seed(arguments.seed)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(output / f"tokenizer-{rank}")
    prefix = torch.tensor(tokenizer.convert_tokens_to_ids(list(SPECIAL[1:])))
    pool = Path(arguments.pool)
    utterances = json.loads((pool / "utterances.json").read_text())
    if arguments.word_strings_only:
        known = set(sentences("recognizer", 20_000, seed=0))
        utterances = [utterance for utterance in utterances if utterance["text"] not in known]
    texts = [f" {utterance['text']}" for utterance in utterances]
    token_ids = tokenizer(texts, add_special_tokens=False).input_ids
    model = new_model(
        tokenizer, arguments.width, arguments.encoder_layers, arguments.decoder_layers, arguments.dropout
    )
    ctc_head = nn.Linear(arguments.width, len(tokenizer) + 1)
    both = nn.ModuleDict({"whisper": model, "ctc": ctc_head})
    trained = [parameter for parameter in both.parameters() if parameter.requires_grad]
    optimizer = new_optimizer(trained, arguments.lr)
    state_file = output / "state.pt"
    if arguments.initial is not None:
        both.load_state_dict(load_torch(Path(arguments.initial) / "state.pt")["model"])
    step = resume(state_file, both, optimizer)
    print(
        f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, from step {step}", flush=True
    )
    full_from = int(arguments.steps * 0.85) - step
    seed = 1_000_000 * rank + arguments.seed + step
    made = batches(pool, utterances, token_ids, arguments.batch // processes, seed, full_from)
    torch.manual_seed(seed)
    queue = _ahead(made)
    both.train()
    started, seen, sums = time.monotonic(), 0, [0.0, 0.0]
    while step < arguments.steps:
        batch = queue.get()
        with torch.autocast("cpu", torch.bfloat16):
            cross_entropy, ctc = losses(model, ctc_head, batch, prefix, arguments.input_noise)
        loss = (1 - arguments.ctc_weight) * cross_entropy + arguments.ctc_weight * ctc
        lr = learning_rate(step, arguments.steps, arguments.lr, arguments.warm_up)
        norm = descend(optimizer, loss, lr, processes)
        step += 1
        seen += len(batch["tokens"]) * processes
        sums = [sums[0] + cross_entropy.item(), sums[1] + ctc.item()]
        if rank:
            continue
        if step % arguments.log_every == 0:
            rate = seen / (time.monotonic() - started)
            means = [value / arguments.log_every for value in sums]
            print(
                f"{step} ce {means[0]:.3f} ctc {means[1]:.3f} norm {norm:.2f} {rate:.1f} utterances/s",
                flush=True,
            )
            sums = [0.0, 0.0]
        if step % arguments.save_every == 0 or step == arguments.steps:
            keep(state_file, both, optimizer, step)
            save_recognizer(model, tokenizer, output / "recognizer")


def _ahead(made: Any) -> Any:
    """The batches through a queue, made in a thread: the heavy parts of NumPy and torch run beside each other."""
    import queue
    import threading

    ready: Any = queue.Queue(maxsize=8)

    def fill() -> None:
        for batch in made:
            ready.put(batch)

    threading.Thread(target=fill, daemon=True).start()
    return ready


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool")
    parser.add_argument("output")
    parser.add_argument(
        "--initial", help="output folder of an earlier run, whose weights this one starts from"
    )
    parser.add_argument("--word-strings-only", action="store_true", help="leave the grammar's sentences out")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--encoder-layers", type=int, default=6)
    parser.add_argument("--decoder-layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--warm-up", type=int, default=400)
    parser.add_argument("--ctc-weight", type=float, default=0.3)
    parser.add_argument("--input-noise", type=float, default=0.1)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    train(parse())

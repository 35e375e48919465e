"""Trains the laboratory's recognizer: a small model of Whisper's architecture, from nothing, on the CPU.

The loss is the cross-entropy of the decoder plus a CTC loss on the encoder, which teaches the two to align. The
training resumes from its last saved state. It writes an ordinary folder for
`WhisperForConditionalGeneration.from_pretrained`. One process on each core was faster than one process with as many
threads:

    torchrun --nproc-per-node 2 -m lab.train_recognizer SPEECH OUTPUT
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lab.recognizer_batches import FULL, HOP, MELS, SUBSAMPLING, WINDOW, WINDOW_SECONDS, batches
from lab.recognizer_tokens import SPECIAL, make_tokenizer
from lab.sentences import sentences
from lab.training_loop import BatchLoss, Processes, TrainingState, add_options, train
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
    """Runs the encoder on fewer frames than the full window: (B, MELS, T) -> (B, T / 2, width)."""
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
    """The cross-entropy and the CTC loss of a batch.

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
    """Writes the model in float16, the tokenizer, the feature extractor and the settings for transformers."""
    import copy

    from transformers import WhisperFeatureExtractor

    half = copy.deepcopy(model).to(torch.float16)
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(
        feature_size=MELS, sampling_rate=16_000, hop_length=HOP, chunk_length=WINDOW_SECONDS, n_fft=WINDOW
    ).save_pretrained(folder)


def main() -> None:
    options = parse()
    processes = Processes.join()
    torch.manual_seed(options.seed)
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(output / f"tokenizer-{processes.rank}")
    prefix = torch.tensor(tokenizer.convert_tokens_to_ids(list(SPECIAL[1:])))
    utterances = drawn_from(Path(options.speech), options.word_strings_only)
    texts = [f" {utterance['text']}" for utterance in utterances]
    token_ids = tokenizer(texts, add_special_tokens=False).input_ids
    model = new_model(
        tokenizer, options.width, options.encoder_layers, options.decoder_layers, options.dropout
    )
    ctc_head = nn.Linear(options.width, len(tokenizer) + 1)
    both = nn.ModuleDict({"whisper": model, "ctc": ctc_head})
    if options.initial is not None:
        both.load_state_dict(load_torch(Path(options.initial) / "state.pt")["model"])
    state = TrainingState(both, options.lr, output / "state.pt")
    if processes.rank == 0:
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f"{count / 1e6:.1f} M parameters, from step {state.step}", flush=True)
    full_from = int(options.steps * 0.85) - state.step
    seed = processes.seed(options.seed, state.step)
    size = options.batch // processes.count
    made = batches(Path(options.speech), utterances, token_ids, size, seed, full_from)
    torch.manual_seed(seed)
    queue = _ahead(made)

    def batch_loss() -> BatchLoss:
        batch = queue.get()
        with torch.autocast("cpu", torch.bfloat16):
            cross_entropy, ctc = losses(model, ctc_head, batch, prefix, options.input_noise)
        total = (1 - options.ctc_weight) * cross_entropy + options.ctc_weight * ctc
        return BatchLoss(total, {"ce": cross_entropy, "ctc": ctc}, len(batch["tokens"]))

    def save() -> None:
        save_recognizer(model, tokenizer, output / "recognizer")

    train(state, batch_loss, save, options, processes, "utterances")


def drawn_from(speech: Path, word_strings_only: bool) -> list[dict[str, Any]]:
    """The utterances of the recognizer's training speech, with or without the sentences of the grammar."""
    utterances = json.loads((speech / "utterances.json").read_text())
    if not word_strings_only:
        return utterances
    known = set(sentences("recognizer", 20_000, seed=0))
    return [utterance for utterance in utterances if utterance["text"] not in known]


def _ahead(made: Any) -> Any:
    """Puts the batches into a queue from a thread, because the heavy parts of NumPy and torch can run side by side."""
    import queue
    import threading

    ready: Any = queue.Queue(maxsize=8)

    def fill() -> None:
        for batch in made:
            ready.put(batch)

    threading.Thread(target=fill, daemon=True).start()
    return ready


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the laboratory's recognizer.")
    parser.add_argument("speech", help="folder of the training speech, see lab/recognizer_speech.py")
    parser.add_argument("output", help="folder of the training; its folder recognizer gets the model")
    parser.add_argument(
        "--initial", help="output folder of an earlier training, whose weights this one starts from"
    )
    parser.add_argument("--word-strings-only", action="store_true", help="leave the grammar's sentences out")
    defaults = argparse.Namespace(
        steps=5000, batch=32, width=256, lr=1.5e-3, warm_up=400, log_every=50, save_every=250
    )
    add_options(parser, defaults=defaults)
    parser.add_argument("--encoder-layers", type=int, default=6, help="layers of the encoder")
    parser.add_argument("--decoder-layers", type=int, default=2, help="layers of the decoder")
    parser.add_argument("--dropout", type=float, default=0.0, help="share of the units that are dropped")
    parser.add_argument("--ctc-weight", type=float, default=0.3, help="weight of the CTC loss")
    parser.add_argument(
        "--input-noise", type=float, default=0.1, help="share of the decoder's input tokens that are random"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

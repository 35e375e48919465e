"""Host memory that training on many lists takes beside its models: python benchmarks/training_memory.py [LISTS [STEPS]]

Two runs of the same tiny models, in processes of their own: one on 64 lists, one on LISTS (100,000). Peak resident
memory of the second minus that of the first is what the data takes, from reading the files to the last step, with
distillation on. Lists are of five hypotheses, noise embeddings of 20 x 384, audio embeddings of 1280, as with MiniLM
and Whisper large. Takes 5 GB of disk in the temporary folder.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH = 1280  # of Whisper large
BASELINE = 64
CHUNK = 1_000  # lists written at a time


def build_models(folder: Path) -> None:
    """A language model and a sentence encoder of the true output width, as small as they get."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *alphabet])}
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    plain.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    )
    encoder = BertModel(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=384,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )
    for name, model in (("llm", llama), ("encoder", encoder)):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)


def write_lists(folder: Path, count: int) -> Path:
    """`count` lists with references and embeddings of noisy and clean audio."""
    from robustger.hypotheses import NBest, save_nbest
    from robustger.recognition.embeddings import embeddings_path, write_embeddings

    words = [
        "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 6))) for _ in range(3_000)
    ]
    path = folder / f"lists-{count}.jsonl"
    name = embeddings_path(path).name

    def lists():
        for number in range(count):
            said = random.choices(words, k=random.randint(5, 8))
            texts = [" ".join([*said[:k], random.choice(words), *said[k + 1 :]]) for k in range(5)]
            place = {"file": name, "noisy": number, "clean": number}
            yield NBest.from_texts(
                f"utterance-{number:06d}", texts, reference=" ".join(said), audio_embedding=place
            )

    save_nbest(lists(), path)
    rows, ids = {}, {}
    generator = np.random.default_rng(0)
    for kind in ("noisy", "clean"):
        rows[kind], ids[kind] = folder / kind, folder / f"{kind}.ids"
        with rows[kind].open("wb") as file:
            for start in range(0, count, CHUNK):
                shape = (min(CHUNK, count - start), WIDTH)
                file.write(generator.standard_normal(shape, dtype=np.float32).tobytes())
        ids[kind].write_text(
            "".join(f'"utterance-{number:06d}"\n' for number in range(count)), encoding="utf-8"
        )
    with embeddings_path(path).open("wb") as file:
        write_embeddings(file, rows, ids, WIDTH)
    for leftover in (*rows.values(), *ids.values()):
        leftover.unlink()
    return path


def train(folder: Path, lists: Path, steps: int) -> None:
    """In a process of its own: prints its peak resident memory in bytes."""
    from robustger.training.config import TrainingConfig
    from robustger.training.loop import Trainer

    Trainer(
        TrainingConfig.model_validate(
            {
                "output": str(folder / f"run-{lists.stem}"),
                "dtype": "float32",
                "corrector": {"base": str(folder / "llm"), "encoder": str(folder / "encoder")},
                "data": {"train": [str(lists)]},
                "optimization": {"max_steps": steps, "micro_batch_size": 32, "epochs": 1_000},
                "distillation": {"objective": "paper"},
                "evaluation": {"every_steps": steps},
            }
        )
    ).run()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(1024 * int(peak.split()[1]))


def measured(folder: Path, count: int, steps: int) -> int:
    lists = write_lists(folder, count)
    command = [sys.executable, __file__, "--train", str(folder), str(lists), str(steps)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def main() -> None:
    import torch

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    random.seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_models(folder)
        start = time.perf_counter()
        models_alone, with_data = measured(folder, BASELINE, steps), measured(folder, count, steps)
        result = {
            "benchmark": "training_memory",
            "lists": count,
            "steps": steps,
            "megabytes_beyond_the_models": round((with_data - models_alone) / 1e6),
            "megabytes_with_models": round(with_data / 1e6),
            "seconds": round(time.perf_counter() - start),
        }
    machine = {"cores": os.cpu_count(), "torch": torch.__version__, "python": platform.python_version()}
    print(json.dumps(result | machine), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()

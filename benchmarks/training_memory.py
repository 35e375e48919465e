"""Host memory that training on many lists takes beside its models: python benchmarks/training_memory.py [LISTS]

Two processes train the same tiny models: one on 64 lists, one on LISTS (100,000). The data takes the peak resident
memory of the second minus that of the first, from reading the files to the last step, with distillation. The second
training is one whole epoch, so that the embeddings of every list are read; the first has 100 steps. Pages of a mapped
file count while it is mapped. Lists are of five hypotheses and about 220 tokens, noise embeddings of 20 x 384, audio
embeddings of 1280, as with MiniLM and Whisper large. Takes 5 GB of disk in the temporary folder.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.timing import machine

WIDTH = 1280  # of Whisper large
BATCH = 32
BASELINE, BASELINE_STEPS = 64, 100
CHUNK = 1_000  # lists written at a time


def invented_words() -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(random.choices(letters, k=random.randint(2, 6))) for _ in range(3_000)]


def build_models(folder: Path, words: list[str]) -> None:
    """A language model that reads bytes, and a sentence encoder of the true width that reads words: they cost little
    time, and the lists have as many tokens as with a real model or more.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<s>", "</s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    by_byte = Tokenizer(
        models.BPE(vocab={token: k for k, token in enumerate([*special, *alphabet])}, merges=[])
    )
    by_byte.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    by_byte.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    vocabulary = {token: k for k, token in enumerate([*special, *sorted(set(words))])}
    by_word = Tokenizer(models.WordLevel(vocabulary, unk_token="<s>"))
    by_word.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=by_byte.get_vocab_size(),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
        )
    )
    encoder = BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=384,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )
    for name, model, tokenizer in (("llm", llama, by_byte), ("encoder", encoder, by_word)):
        model.save_pretrained(folder / name)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>", unk_token="<s>"
        ).save_pretrained(folder / name)


def write_lists(folder: Path, words: list[str], count: int) -> Path:
    """`count` lists with references and embeddings of noisy and clean audio."""
    from robustger.hypotheses import NBest, save_nbest
    from robustger.hypotheses.audio_embeddings import embeddings_path, write_embeddings

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
    from robustger.training.loop import finetune

    finetune(
        TrainingConfig.model_validate(
            {
                "output": str(folder / f"run-{lists.stem}"),
                "dtype": "float32",
                "corrector": {"base": str(folder / "llm"), "encoder": str(folder / "encoder")},
                "data": {"train": [str(lists)]},
                "optimization": {
                    "max_steps": steps,
                    "epochs": steps,
                    "batch_size": BATCH,
                    "micro_batch_size": BATCH,
                    "micro_batch_tokens": 100_000,
                },
                "distillation": {"objective": "paper"},
                "evaluation": {"every_steps": steps},
                "tracking": "none",
            }
        )
    )
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(1024 * int(peak.split()[1]))


def measured(folder: Path, lists: Path, steps: int) -> int:
    command = [sys.executable, __file__, "--train", str(folder), str(lists), str(steps)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def main() -> None:
    from robustger.hypotheses.audio_embeddings import embeddings_path
    from robustger.training.run_folder import CACHE

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    steps = math.ceil(count / BATCH)
    random.seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder, words = Path(name), invented_words()
        build_models(folder, words)
        start = time.perf_counter()
        models_alone = measured(folder, write_lists(folder, words, BASELINE), BASELINE_STEPS)
        lists = write_lists(folder, words, count)
        with_data = measured(folder, lists, steps)
        stored = [embeddings_path(lists), *(folder / f"run-{lists.stem}" / CACHE).iterdir()]
        result = {
            "benchmark": "training_memory",
            "lists": count,
            "steps": steps,
            "megabytes_beyond_the_models": round((with_data - models_alone) / 1e6),
            "megabytes_with_models": round(with_data / 1e6),
            "megabytes_of_embeddings": round(sum(file.stat().st_size for file in stored) / 1e6),
            "seconds": round(time.perf_counter() - start),
        }
    print(json.dumps(result | machine()), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main()

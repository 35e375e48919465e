"""One training, in a process of its own: trains, corrects the test lists, and writes what came out.

    python -m robustger.experiments.runs.worker RUN_FOLDER

RUN_FOLDER/training.yaml is an ordinary training configuration, RUN_FOLDER/run.json says the rest. A run that was
interrupted goes on where it was; RUN_FOLDER/results.json appears when all is done. The base that arms share leaves a
language model in RUN_FOLDER/llm.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.errors import RobustGERError
from robustger.experiments.experiment import NORMALIZER
from robustger.experiments.runs.plan import START
from robustger.experiments.runs.process import CPU_SECONDS, GPU_SECONDS, add_seconds, alone, finish
from robustger.experiments.runs.start import merge_lora, write_start
from robustger.hypotheses import NBest, Transcript, atomic_writer, load_nbest

if TYPE_CHECKING:
    from robustger.correction import Corrector

BATCH = 16  # lists that are scored or decoded at a time


def train(folder: Path, plan: Mapping[str, Any]) -> Path:
    """Trains, or goes on training, the run of a folder; returns the checkpoint."""
    from robustger.correction.checkpoint import checkpoint_folder
    from robustger.training.config import load_training_config
    from robustger.training.loop import Trainer

    logging.getLogger("robustger").setLevel(logging.INFO)
    config = load_training_config(folder / "training.yaml")
    lora_of, start = plan["lora_of"], plan["start"]
    if config.initial is not None and not (folder / START / "adapter.safetensors").exists():
        write_start(config, lora_of and checkpoint_folder(lora_of), start, folder / START)
    return Trainer(config).run()


def reference_losses(corrector: Corrector, path: Path, cache: Path, seed: int) -> dict[str, list[Any]]:
    """What the references of lists cost under the corrector: -log p in nats, and their tokens, list by list.

    Corrected texts change only where a word tips over; this moves with every change of a probability, and so tells
    arms apart on far fewer lists.
    """
    from robustger.correction.decoding.reading import Reading
    from robustger.training.lists import Lists
    from robustger.training.noise_rows import noise_rows

    part = Lists("test", [str(path)])
    (noise,) = noise_rows(corrector, (part,), cache, seed)
    lists = [nbest for _, nbest in part]
    prompts = [corrector.prompt_tokens(nbest.texts) for nbest in lists]
    targets = [corrector.answer_tokens(" ".join((nbest.reference or "").split())) for nbest in lists]
    order = sorted(range(len(lists)), key=lambda index: len(prompts[index]) + len(targets[index]))
    nats = [0.0] * len(lists)
    end = corrector.tokenizer.eos_token_id
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        reading = Reading(corrector.llm, [prompts[row] for row in rows], noise.read(rows), end)
        scores = reading.score(range(len(rows)), [targets[row] for row in rows])
        for row, log_probability in zip(rows, scores, strict=True):
            nats[row] = -log_probability
    return {"ids": [nbest.id for nbest in lists], "nats": nats, "tokens": [len(target) for target in targets]}


def unguarded(transcript: Transcript) -> str:
    """What the guard `none` would have let through; an answer that found no end is dropped by all guards."""
    return transcript.text if transcript.source == "too_long" else transcript.generated


def word_errors(lists: Sequence[NBest], texts: Sequence[str]) -> list[int]:
    """Word errors of each text under `NORMALIZER`."""
    from robustger.evaluation.wer import count_errors
    from robustger.text import get_normalizer

    normalize = get_normalizer(NORMALIZER)
    return [
        count_errors(normalize(nbest.reference or "").split(), normalize(text).split())
        for nbest, text in zip(lists, texts, strict=True)
    ]


def measure(corrector: Corrector, plan: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Corrects the decoded lists once, which gives the texts of both guards, and scores all references.

    Returns:
        for lists in their order: word errors under either guard, and the losses of the references.
    """
    from robustger.correction.config import GuardConfig
    from robustger.training.audio_rows import heard_beside

    losses = reference_losses(corrector, Path(plan["test"]), Path(plan["cache"]), plan["seed"])
    lists = load_nbest(plan["decoded"])
    guard = GuardConfig.model_validate(plan["guard"])
    heard = heard_beside((Path(plan["decoded"]), nbest) for nbest in lists)
    corrector.borrow_noise_among(lists)
    found = corrector.correct(lists, guard=guard, batch_size=BATCH, heard=heard)
    with atomic_writer(folder / "corrections.jsonl") as file:
        for transcript in found:
            line = {"id": transcript.id, "none": unguarded(transcript), "margin": transcript.text}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    errors = {
        "none": word_errors(lists, [unguarded(transcript) for transcript in found]),
        "margin": word_errors(lists, [transcript.text for transcript in found]),
    }
    return {"ids": [nbest.id for nbest in lists], "errors": errors, "losses": losses}


def do_base(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Trains the base, or takes the checkpoint that the plan names, and folds its LoRA part into its language model."""
    from robustger.correction.checkpoint import checkpoint_folder

    named = plan["checkpoint"]
    merge_lora(train(folder, plan) if named is None else checkpoint_folder(named), folder / "llm")
    return {"digest": plan["digest"]}


def do_arm(folder: Path, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Trains an arm and tests it."""
    from robustger.correction import Corrector
    from robustger.training.config import load_training_config

    log: dict[str, Any] = {}
    parameters = 0
    if plan["trained"]:
        corrector = Corrector.from_pretrained(train(folder, plan))
        log = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        parameters = sum(parameter.numel() for parameter in corrector.llm.adapter.parameters())
    else:
        corrector = Corrector.create(load_training_config(folder / "training.yaml").corrector)
    named = {key: plan[key] for key in ("digest", "shared", "arm", "change", "seed")}
    return named | {"parameters": parameters, "log": log} | measure(corrector, plan, folder)


def work(folder: Path) -> None:
    """Does the run of a folder, or what is left of it; nothing where its results are there."""
    began = time.monotonic()
    with alone(folder) as plan:
        if plan is None:
            return
        try:
            results = do_arm(folder, plan) if "arm" in plan else do_base(folder, plan)
        except BaseException:
            _add_cost(folder, began)
            raise
        finish(folder, results | _add_cost(folder, began))


def _add_cost(folder: Path, began: float) -> dict[str, float]:
    """What this process took, and those before it: `seconds` of processor time, `gpu_seconds` that a GPU was held."""
    import torch

    held = time.monotonic() - began if torch.cuda.is_available() else 0.0
    return {
        "seconds": add_seconds(folder, CPU_SECONDS, time.process_time()),
        "gpu_seconds": add_seconds(folder, GPU_SECONDS, held),
    }


def main() -> None:
    """The process of one run."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.basicConfig(level=logging.WARNING, format="robustger: %(message)s")
    # As an exception, so that the time it took so far is kept.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    work(Path(sys.argv[1]))


if __name__ == "__main__":
    try:
        main()
    except RobustGERError as error:
        sys.exit(f"robustger experiment: {error}")

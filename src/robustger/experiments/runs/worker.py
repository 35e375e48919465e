"""The process of one run: trains, corrects the test lists, and writes the results.

    python -m robustger.experiments.runs.worker RUN_FOLDER [PARENT]

The process ends when the process with the id PARENT ends. RUN_FOLDER/training.yaml is an ordinary training
configuration, and RUN_FOLDER/run.json holds the rest of the plan. A run that was interrupted continues from its last
checkpoint, and RUN_FOLDER/results.json appears when everything is done. The run of the base that arms share leaves a
language model in RUN_FOLDER/llm.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustger.end_with_parent import end_with_parent
from robustger.errors import RobustGERError
from robustger.experiments.experiment import GUARDED, UNGUARDED, unguarded, word_errors
from robustger.experiments.runs.run import (
    CONFIG_FILE,
    CPU_SECONDS,
    GPU_SECONDS,
    LOG_FILE,
    MODEL_FOLDER,
    START_FOLDER,
    ArmPlan,
    ArmResults,
    BasePlan,
    BaseResults,
    Losses,
    add_seconds,
    alone,
    finish,
)
from robustger.experiments.runs.start import merge_lora, write_start
from robustger.files import atomic_writer
from robustger.hypotheses import load_nbest

if TYPE_CHECKING:
    from robustger.correction import Corrector

BATCH = 16  # lists that are scored or decoded at a time


def train_run(folder: Path, plan: BasePlan | ArmPlan) -> Path:
    """Trains the run of a folder, or continues its training, and returns the checkpoint."""
    from robustger.correction.checkpoint import checkpoint_folder
    from robustger.training.config import load_training_config
    from robustger.training.loop import finetune

    logging.getLogger("robustger").setLevel(logging.INFO)
    config = load_training_config(folder / CONFIG_FILE)
    start = folder / START_FOLDER
    if config.initial is not None and not (start / "adapter.safetensors").exists():
        lora_of = None if plan.lora_of is None else checkpoint_folder(plan.lora_of)
        write_start(config, lora_of, plan.start, start)
    return finetune(config)


def reference_losses(corrector: Corrector, path: Path, cache: Path, seed: int) -> Losses:
    """Scores the reference of every list under the corrector.

    A corrected text changes only where another word becomes the most probable one. The loss changes with every
    probability, and therefore tells arms apart on far fewer lists.

    Args:
        corrector: to score with.
        path: file of lists, all with a reference.
        cache: folder of the noise embeddings that trainings share.
        seed: of the controls that draw noise.
    """
    from robustger.correction.decoding.reading import Reading
    from robustger.training.lists import TrainingLists
    from robustger.training.noise_rows import noise_rows

    part = TrainingLists("test", [str(path)])
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
    return Losses([nbest.id for nbest in lists], nats, [len(target) for target in targets])


def do_base(folder: Path, plan: BasePlan) -> BaseResults:
    """Trains the base, or takes the checkpoint that the plan names, and folds its LoRA part into its language model."""
    from robustger.correction.checkpoint import checkpoint_folder

    checkpoint = train_run(folder, plan) if plan.checkpoint is None else checkpoint_folder(plan.checkpoint)
    merge_lora(checkpoint, folder / MODEL_FOLDER)
    return BaseResults(plan.digest)


def do_arm(folder: Path, plan: ArmPlan) -> ArmResults:
    """Trains an arm, corrects the decoded lists once for both guards, and scores the references of all test lists."""
    from robustger.correction import Corrector
    from robustger.training.audio_rows import heard_beside
    from robustger.training.config import load_training_config

    log: dict[str, Any] = {}
    parameters = 0
    if plan.trained:
        corrector = Corrector.from_pretrained(train_run(folder, plan))
        log = json.loads((folder / LOG_FILE).read_text(encoding="utf-8").splitlines()[-1])
        parameters = sum(parameter.numel() for parameter in corrector.llm.adapter.parameters())
    else:
        corrector = Corrector.create(load_training_config(folder / CONFIG_FILE).corrector)
    losses = reference_losses(corrector, Path(plan.test), Path(plan.cache), plan.key.seed)
    lists = load_nbest(plan.decoded)
    heard = heard_beside((Path(plan.decoded), nbest) for nbest in lists)
    corrector.borrow_noise_among(lists)
    found = corrector.correct(lists, guard=plan.guard, batch_size=BATCH, heard=heard)
    texts = {
        UNGUARDED: [unguarded(transcript) for transcript in found],
        GUARDED: [transcript.text for transcript in found],
    }
    with atomic_writer(folder / "corrections.jsonl") as file:
        for number, transcript in enumerate(found):
            line = {"id": transcript.id} | {guard: written[number] for guard, written in texts.items()}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return ArmResults(
        plan.digest,
        plan.key,
        plan.shared,
        parameters,
        log,
        [nbest.id for nbest in lists],
        {guard: word_errors(lists, written) for guard, written in texts.items()},
        losses,
    )


def work(folder: Path) -> None:
    """Does the rest of the run of a folder; does nothing where the results are there."""
    began = time.monotonic()
    with alone(folder) as plan:
        if plan is None:
            return
        try:
            results = do_arm(folder, plan) if isinstance(plan, ArmPlan) else do_base(folder, plan)
        except BaseException:
            _add_cost(folder, began)
            raise
        seconds, gpu_seconds = _add_cost(folder, began)
        finish(folder, replace(results, seconds=seconds, gpu_seconds=gpu_seconds))


def _add_cost(folder: Path, began: float) -> tuple[float, float]:
    """Adds the time of this process to the run's files.

    Args:
        folder: of the run.
        began: when the process began, by `time.monotonic`.

    Returns:
        seconds of processor time, and seconds that a GPU was held, over all processes that worked on the run.
    """
    import torch

    held = time.monotonic() - began if torch.cuda.is_available() else 0.0
    return add_seconds(folder, CPU_SECONDS, time.process_time()), add_seconds(folder, GPU_SECONDS, held)


def main() -> None:
    """Does the run whose folder is the first argument, and ends with the process that the second one names."""
    if len(sys.argv) > 2:
        end_with_parent(int(sys.argv[2]))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.basicConfig(level=logging.WARNING, format="robustger: %(message)s")
    # SIGTERM raises an exception, so that the time of this process is recorded.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    work(Path(sys.argv[1]))


if __name__ == "__main__":
    try:
        main()
    except RobustGERError as error:
        sys.exit(f"robustger experiment: {error}")

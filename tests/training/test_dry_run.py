from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.training.config import TrainingConfig
from robustger.training.dry_run import dry_run, kept_for_backward
from robustger.training.loop import Trainer, finetune
from robustger.training.preparation import prepare_training

Config = Callable[..., TrainingConfig]
CHANGES = (
    "corrector.variant=paper",
    "corrector.lora={r: 4, alpha: 8}",
    "distillation.objective=paper",
    "optimization={batch_size: 3, epochs: 2}",
)


def test_it_says_what_the_run_is(tiny_config: Config, tmp_path: Path, spoken_lists: list[NBest]) -> None:
    config = tiny_config(*CHANGES)
    before = sorted(tmp_path.rglob("*"))
    lines = list(dry_run(config))
    assert sorted(tmp_path.rglob("*")) == before  # nothing is written

    trainer = Trainer(prepare_training(config))
    rows = {line[:16].strip(): line[17:] for line in lines if line[16:17] == " "}
    targets = trainer.parts.train.target_tokens(range(8))
    tokens = int(trainer.parts.train.lengths.sum())
    assert rows["data.train"].startswith(
        f"8 lists, {tokens:,} tokens, {targets:,} of them targets; the longest "
    )
    assert rows["data.dev"] == rows["data.train"]
    trained = sum(value.numel() for value in trainer.parts.parameters.values())
    theta = sum(value.numel() for value in trainer.parts.trained.theta.values())
    assert rows["trained"].startswith(f"{trained + theta:,} parameters: prompt ")
    assert (
        f", lora {sum(v.numel() for n, v in trainer.parts.parameters.items() if n.startswith('lora.')):,}"
        in rows["trained"]
    )
    assert rows["trained"].endswith(f", statistics network {theta:,}")
    frozen = sum(
        value.numel()
        for name, value in trainer.parts.corrector.llm.llm.named_parameters()
        if "lora" not in name
    )
    assert rows["frozen"].startswith(f"{frozen:,} parameters of ")
    assert rows["steps"].startswith(f"{trainer.parts.schedule.total_steps} of 3 lists; an epoch has 3; ")
    assert rows["noise"].startswith("embeddings (3, 6, 16), mean norm of a row ")
    assert rows["noisy audio"].startswith("embeddings (3, 6), mean norm ")
    assert rows["clean audio"].startswith("embeddings (3, 6), mean norm ")

    first = [trainer.parts.train[index] for index in next(trainer.batches())]
    said = {nbest.id: nbest for nbest in spoken_lists}
    shown = [line for line in lines if re.fullmatch(r"u\d: \d+ \+ \d+ tokens", line)]
    assert [line.split(":")[0] for line in shown] == [example.id for example in first]
    for example in first:
        text = "\n".join(lines)
        assert f"-> {said[example.id].reference}</s>" in text
        assert all(hypothesis in text for hypothesis in said[example.id].texts)


def test_what_is_kept_is_counted_once(tiny_config: Config) -> None:
    trainer = Trainer(prepare_training(tiny_config(*CHANGES)))
    batch = next(trainer.parts.train.batches(range(8), 8, 4096, trainer.parts.pad))
    parameters = {value.untyped_storage().data_ptr() for value in trainer.parts.corrector.llm.parameters()}
    held: list[Tensor] = []

    def hold(tensor: Tensor) -> Tensor:
        held.append(tensor)
        return tensor

    with saved_tensors_hooks(hold, lambda tensor: tensor):
        loss = trainer.parts.algorithm.h2t_loss_sum(batch)
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in held}
    expected = sum(size for address, size in storages.items() if address not in parameters)
    assert loss.item() > 0
    assert len(held) > len(storages)
    assert kept_for_backward(trainer.parts, batch) == expected > 0


def size_of(lines: list[str], what: str) -> float:
    (line,) = (line for line in lines if what in line)
    number, unit = line[16:].split()[:2]
    return float(number) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit.rstrip(",")]


def test_the_estimate_adds_up(tiny_config: Config) -> None:
    for checkpointing, said in (("false", "counted in a forward pass"), ("true", "the inputs of 3 layers")):
        lines = list(dry_run(tiny_config(*CHANGES, f"optimization.gradient_checkpointing={checkpointing}")))
        parts = [size_of(lines, part) for part in ("frozen weights", "Adam's moments", said)]
        assert size_of(lines, "an estimate, of which") == pytest.approx(sum(parts), rel=0.01)


def test_a_run_of_other_settings_stands_in_the_way(tiny_config: Config) -> None:
    finetune(tiny_config("optimization.max_steps=1"))
    next(dry_run(tiny_config("optimization.max_steps=1")))
    with pytest.raises(InputError, match="was trained with seed = 0, not 4"):
        next(dry_run(tiny_config("optimization.max_steps=1", "seed=4")))

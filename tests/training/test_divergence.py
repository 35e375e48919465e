"""Steps whose loss or gradient is not finite are skipped, and too many of them stop a run."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from robustger.correction import Corrector
from robustger.correction.checkpoint import trained_parameters
from robustger.errors import RobustGERError
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer, finetune
from robustger.training.preparation import prepare_training

Config = Callable[..., TrainingConfig]


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_diverging_run_stops_and_keeps_its_last_checkpoint(tiny_config: Config, tmp_path: Path) -> None:
    config = tiny_config(
        "optimization.adapter_lr=1e30", "optimization.max_skipped=1", "evaluation.every_steps=1"
    )
    with pytest.raises(RobustGERError, match=r"^step \d+: the loss is .* train anew with lower"):
        finetune(config)
    last = tmp_path / "run" / "last"
    corrector = Corrector.from_pretrained(last, torch.float32, "cpu")
    assert all(weight.isfinite().all() for weight in trained_parameters(corrector.llm).values())
    assert math.isnan(log_of(tmp_path / "run")[0]["dev_loss"])
    assert not (tmp_path / "run" / "best").exists()  # a loss that is no number is never the lowest
    state = json.loads((last / "training_state" / "state.json").read_text(encoding="utf-8"))
    assert state["step"] == 1
    assert state["best_loss"] == math.inf


def test_a_run_without_a_best_checkpoint_says_so(tiny_config: Config, tmp_path: Path) -> None:
    config = tiny_config(
        "optimization={adapter_lr: 1e30, max_steps: 1, batch_size: 4}", "evaluation.every_steps=1"
    )
    run = tmp_path / "run"
    for _ in range(2):  # nor is there one where the run is found finished
        with pytest.raises(RobustGERError) as caught:
            finetune(config)
        assert str(caught.value) == (
            f"{run / 'best'}: does not exist: no evaluation found a dev loss that is a number, or the folder was "
            f"removed; the latest weights are in {run / 'last'}"
        )
    assert math.isnan(log_of(run)[-1]["dev_loss"])
    assert (run / "last" / "adapter.safetensors").is_file()


def test_bad_steps_are_skipped_and_counted(
    tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = ("corrector.variant=paper", "optimization={epochs: 3, batch_size: 4, max_skipped: 3}")
    trainer = Trainer(prepare_training(tiny_config(*changes)))
    step = trainer.step

    def disturbed(indices: list[int]):
        parameter = trainer.parts.parameters["adapter.prompt"]
        before = parameter.detach().clone()
        if trainer.state.step in (1, 2, 4):
            with torch.no_grad():
                parameter.fill_(math.nan)
        found = step(indices)
        with torch.no_grad():
            if not found[1].finite:
                parameter.copy_(before)
        return found

    trainer.step = disturbed  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING, "robustger"):
        trainer.run()
    assert [message[:18] for message in caplog.messages] == [f"step {k} is skipped:" for k in (2, 3, 5)]
    assert (trainer.state.step, trainer.state.skipped, trainer.state.skipped_in_a_row) == (6, 3, 0)
    log = log_of(tmp_path / "run")
    assert [record["skipped"] for record in log] == [1, 2, 3]
    assert all(math.isfinite(record["train_loss"]) for record in log)  # of the steps that were made
    # the count goes on where it was
    again = Trainer(prepare_training(tiny_config(*changes, "optimization.epochs=4")))
    again.run()
    assert (again.state.step, again.state.skipped) == (8, 3)

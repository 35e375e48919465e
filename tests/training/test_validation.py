"""The dev lists decide which checkpoint is the best, and when a run stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustger.correction.checkpoint import load_weights
from robustger.evaluation.wer import wer
from robustger.hypotheses import NBest, save_nbest
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer, finetune
from robustger.training.preparation import prepare_training
from robustger.training.validation import dev_loss, dev_wer

LORA = "corrector.lora={r: 4, alpha: 8, dropout: 0.1}"
Config = Callable[..., TrainingConfig]


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_best_has_the_lowest_dev_loss(tiny_config: Config, spoken_lists: list[NBest], tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    save_nbest([NBest.from_texts("o", ["quite other words", "quiet other birds"], reference="Zyx!")], other)
    # what is learned of the eight lists soon does harm to the other one
    config = tiny_config(f"data.dev=[{other}]", "optimization.epochs=8", "evaluation.every_steps=1", LORA)
    trainer = Trainer(prepare_training(config))
    best = trainer.run()
    losses = [record["dev_loss"] for record in log_of(tmp_path / "run")]
    assert min(losses) < losses[-1]
    load_weights(trainer.parts.corrector.llm, best)
    assert dev_loss(trainer.parts) == pytest.approx(min(losses), rel=1e-6)


def test_without_dev_lists_the_latest_is_the_best(tiny_config: Config, tmp_path: Path) -> None:
    best = finetune(tiny_config("data.dev=[]", "evaluation={every_steps: 3, wer_lists: 5}"))
    last = tmp_path / "run" / "last"
    assert (best / "adapter.safetensors").read_bytes() == (last / "adapter.safetensors").read_bytes()
    log = log_of(tmp_path / "run")
    assert [record["step"] for record in log] == [3, 4]
    assert {(record["dev_loss"], record["dev_wer"]) for record in log} == {(None, None)}


def test_training_stops_when_nothing_gets_better(
    tiny_config: Config, spoken_lists: list[NBest], tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    save_nbest([NBest.from_texts("o", ["quite other words", "quiet other birds"], reference="Zyx!")], other)
    changes = (
        f"data.dev=[{other}]",
        "optimization.epochs=40",
        "evaluation={every_steps: 1, patience: 2}",
        LORA,
    )
    trainer = Trainer(prepare_training(tiny_config(*changes)))
    trainer.run()
    losses = [record["dev_loss"] for record in log_of(tmp_path / "run")]
    best = min(range(len(losses)), key=losses.__getitem__)
    assert len(losses) == trainer.state.step == best + 3 < 80
    finetune(tiny_config(*changes))
    assert len(log_of(tmp_path / "run")) == best + 3  # it stays stopped
    longer = tiny_config(*changes, "evaluation.patience=4")
    finetune(longer)
    assert len(log_of(tmp_path / "run")) >= best + 5


def test_best_may_be_the_lowest_wer(tiny_config: Config, tmp_path: Path) -> None:
    trainer = Trainer(
        prepare_training(
            tiny_config(
                "corrector.variant=paper",
                LORA,
                "optimization.epochs=15",
                "evaluation={every_steps: 3, wer_lists: 8, best_by: wer}",
            )
        )
    )
    best = trainer.run()
    log = log_of(tmp_path / "run")
    rates = [record["dev_wer"] for record in log]
    first = min(range(len(rates)), key=rates.__getitem__)
    assert trainer.state.best_wer == min(rates)
    assert trainer.state.stale == len(rates) - 1 - first
    load_weights(trainer.parts.corrector.llm, best)
    assert dev_wer(trainer.parts) == min(rates)
    assert dev_loss(trainer.parts) == pytest.approx(log[first]["dev_loss"], rel=1e-6)


def test_the_log_tells_what_distillation_and_gates_do(tiny_config: Config, tmp_path: Path) -> None:
    trainer = Trainer(
        prepare_training(tiny_config("corrector.variant=released", "distillation.objective=released"))
    )
    trainer.run()
    last = log_of(tmp_path / "run")[-1]
    assert list(last) == [
        "step",
        "train_loss",
        "dev_loss",
        "dev_wer",
        "lr",
        "mutual_information",
        "mutual_information_without_noise",
        "mutual_information_with_other_noise",
        "distillation_loss",
        "distillation_loss_without_noise",
        "distillation_loss_with_other_noise",
        "gate_norm",
        "noise_key_gate_norm",
        "noise_value_gate_norm",
        "skipped",
        "left_out",
    ]
    assert last["left_out"] == 0
    adapter = trainer.parts.corrector.llm.adapter
    assert last["gate_norm"] == adapter.gate.norm().item() > 0
    assert last["noise_key_gate_norm"] == adapter.get_parameter("noise_key_gate").norm().item() > 0
    assert -1 < last["distillation_loss"] < 0
    assert -1 < last["mutual_information"] < 1
    for name in ("mutual_information", "distillation_loss"):
        assert len({last[name], last[f"{name}_without_noise"], last[f"{name}_with_other_noise"]}) == 3


def test_the_dev_wer_is_taken_under_the_normalizer_of_the_configuration(
    tiny_config: Config, spoken_lists: list[NBest], tmp_path: Path
) -> None:
    dev = tmp_path / "dev.jsonl"
    shouted = [replace(nbest, reference=f"{(nbest.reference or '').upper()}!") for nbest in spoken_lists]
    save_nbest(shouted, dev)
    parts = prepare_training(
        tiny_config(f"data.dev=[{dev}]", "evaluation={wer_lists: 8, normalizer: number}")
    )
    references = [nbest.reference for nbest in shouted]
    texts = [transcript.text for transcript in parts.corrector.correct(shouted)]
    rates = {name: wer(references, texts, normalizer=name).rate for name in ("number", "raw")}
    assert dev_wer(parts) == rates["number"] < rates["raw"]

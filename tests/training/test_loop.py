from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from robustger.correction import Corrector
from robustger.correction.checkpoint import trained_parameters
from robustger.errors import InputError
from robustger.evaluation.wer import wer
from robustger.hypotheses import NBest
from robustger.training.config import TrainingConfig, load_training_config
from robustger.training.loop import Trainer, finetune
from robustger.training.preparation import prepare_training
from robustger.training.validation import dev_loss

LORA = "corrector.lora={r: 4, alpha: 8, dropout: 0.1}"
Config = Callable[..., TrainingConfig]


def frozen_weights(corrector: Corrector) -> dict[str, Tensor]:
    state = corrector.llm.llm.state_dict()
    return {name: value for name, value in state.items() if ".lora_" not in name}


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(frozen=True, slots=True)
class Memorized:
    """A finished run on eight lists, and the weights it began with."""

    run: Path
    trainer: Trainer
    frozen: dict[str, Tensor]
    trained: dict[str, Tensor]


@pytest.fixture(scope="module")
def memorized(write_config: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Memorized:
    folder = tmp_path_factory.mktemp("memorized")
    path = write_config(
        folder,
        "corrector.variant=paper",
        LORA,
        "optimization.epochs=25",
        "optimization.max_grad_norm=1.0",
        "evaluation={every_steps: 10, wer_lists: 6}",
    )
    trainer = Trainer(prepare_training(load_training_config(path)))
    frozen = copied(frozen_weights(trainer.parts.corrector))
    trained = copied(dict(trainer.parts.parameters))
    trainer.run()
    return Memorized(folder / "run", trainer, frozen, trained)


def test_the_frozen_model_keeps_every_bit(memorized: Memorized) -> None:
    now = frozen_weights(memorized.trainer.parts.corrector)
    assert now.keys() == memorized.frozen.keys()
    assert all(torch.equal(now[name], before) for name, before in memorized.frozen.items())


def test_everything_else_is_trained(memorized: Memorized) -> None:
    now = memorized.trainer.parts.parameters
    assert {name.split(".")[0] for name in now} == {"adapter", "lora"}
    for name, before in memorized.trained.items():
        assert not torch.equal(now[name], before), name


def test_what_can_be_memorized_is(memorized: Memorized) -> None:
    log = log_of(memorized.run)
    assert [record["step"] for record in log] == [10, 20, 30, 40, 50]
    assert log[-1]["dev_loss"] < 0.4 * log[0]["dev_loss"]
    assert log[-1]["train_loss"] < 0.5 * log[0]["train_loss"]
    assert log[-1]["dev_wer"] < log[0]["dev_wer"]
    assert all(record["lr"] == 1e-2 for record in log)


def test_the_logged_wer_is_that_of_the_checkpoint(memorized: Memorized, spoken_lists: list[NBest]) -> None:
    corrector = Corrector.from_pretrained(memorized.run / "last", torch.float32, "cpu")
    lists = spoken_lists[:6]
    texts = [transcript.text for transcript in corrector.correct(lists)]
    measured = wer([nbest.reference for nbest in lists], texts, normalizer="number").rate
    assert log_of(memorized.run)[-1]["dev_wer"] == measured


def test_training_starts_from_another_checkpoint(
    memorized: Memorized, tiny_config: Callable[..., TrainingConfig]
) -> None:
    started = Trainer(
        prepare_training(tiny_config("corrector.variant=paper", LORA, f"initial={memorized.run / 'best'}"))
    )
    assert min(record["dev_loss"] for record in log_of(memorized.run)) == pytest.approx(
        dev_loss(started.parts), rel=1e-4
    )
    with pytest.raises(InputError, match=r"adapter\.safetensors: 'lora\..*' has shape"):
        Trainer(
            prepare_training(
                tiny_config(
                    "corrector.variant=paper",
                    "corrector.lora={r: 2, alpha: 8}",
                    f"initial={memorized.run / 'best'}",
                )
            )
        )


def test_a_finished_run_is_not_run_again(memorized: Memorized) -> None:
    before = files_of(memorized.run)
    assert Trainer(prepare_training(memorized.trainer.parts.config)).run() == memorized.run / "best"
    assert files_of(memorized.run) == before


def test_the_gradient_does_not_depend_on_the_micro_batches(tiny_config: Config) -> None:
    gradients, losses = [], []
    for size, tokens in ((1, 4096), (4, 4096), (32, 4096), (32, 90)):
        config = tiny_config(
            "corrector.variant=paper",
            "corrector.lora={r: 4, alpha: 8}",
            "optimization.batch_size=8",
            f"optimization.micro_batch_size={size}",
            f"optimization.micro_batch_tokens={tokens}",
        )
        trainer = Trainer(prepare_training(config))
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for (
                parameter
            ) in trainer.parts.parameters.values():  # open every gate, so that every gradient counts
                parameter.normal_(std=0.1, generator=generator)
        losses.append(trainer.step(range(8))[1].h2t_loss)
        states = trainer.parts.trained.optimizer.state
        # after one step AdamW's first moment is a tenth of the gradient, clipped to length 1
        gradients.append({name: 10 * states[p]["exp_avg"] for name, p in trainer.parts.parameters.items()})
    assert all(gradient.abs().max() > 1e-6 for gradient in gradients[0].values())
    for other, loss in zip(gradients[1:], losses[1:], strict=True):
        assert loss == pytest.approx(losses[0], rel=1e-6)
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(other[name], gradient, rtol=0, atol=1e-6)


def test_a_seed_fixes_every_byte(tiny_config: Config, tmp_path: Path) -> None:
    adapters = []
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        finetune(tiny_config(LORA, f"seed={seed}", f"output={tmp_path / run}"))
        torch.rand(3)  # what others draw meanwhile plays no part
        adapters.append((tmp_path / run / "last" / "adapter.safetensors").read_bytes())
    assert adapters[0] == adapters[1] != adapters[2]


@pytest.mark.parametrize(("kills", "epochs"), [(1, 8), pytest.param(8, 20, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_as_if_nothing_had_been(
    write_config: Callable[..., Path],
    tmp_path: Path,
    one_thread_environment: dict[str, str],
    kills: int,
    epochs: int,
) -> None:
    """Adapter, tuner, LoRA, theta, both optimizers, schedules, dropout and sampler: the files end byte-identical."""
    killed, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    steps = 2 * epochs  # and a checkpoint every second
    changes = (
        "corrector.variant=paper",
        LORA,
        "distillation.objective=paper",
        f"optimization.epochs={epochs}",
    )
    schedule = ("optimization.final_lr_share=0.1", "optimization.warmup_epochs=5")
    config = write_config(
        tmp_path, *changes, *schedule, "evaluation={every_steps: 2, wer_lists: 1, keep_last: 2, best_by: wer}"
    )
    command = [sys.executable, "-m", "robustger", "train", str(config)]
    reached = 0
    for least in sorted(
        random.Random(kills).sample(range(1, steps - 4), kills)
    ):  # whatever is under way when the step is reached
        process = subprocess.Popen(
            command, env=one_thread_environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while steps_kept(killed) < least and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        reached = steps_kept(killed)
        assert 0 < reached < steps

    resumed = subprocess.run(command, env=one_thread_environment, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == f"{killed / 'best'}\n"
    assert f"robustger: going on at step {reached} of {steps}" in resumed.stderr
    assert f"robustger: step {steps}: train_loss" in resumed.stderr

    finetune(load_training_config(config, [f"output={undisturbed}"]))
    interrupted, expected = files_of(killed), files_of(undisturbed)
    assert interrupted.keys() == expected.keys()  # nothing is left of a write that was killed
    assert "last/training_state/statistics_optimizer.safetensors" in expected
    for name, content in expected.items():
        if not name.endswith("training.yaml"):  # it names the output folder
            assert interrupted[name] == content, name


def steps_kept(run: Path) -> int:
    """The step of the checkpoint that a run would go on from now."""
    try:
        text = (run / "last" / "training_state" / "state.json").read_text(encoding="utf-8")
    except FileNotFoundError:  # none yet, or it is being replaced
        return 0
    return json.loads(text)["step"]


def test_the_learning_rate_warms_up_and_decays(tiny_config: Config, tmp_path: Path) -> None:
    schedule = (
        "optimization={batch_size: 4, epochs: 5, adapter_lr: 1.0, warmup_epochs: 2, final_lr_share: 0.5}"
    )
    trainer = Trainer(prepare_training(tiny_config(schedule)))
    rates = []
    for step in range(10):
        trainer.state.step = step
        trainer.step(range(4))
        rates.append(trainer.parts.algorithm.optimizer.param_groups[0]["lr"])
    # four steps up to the peak; half of it would be reached six steps later
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, *(1 - 0.5 * k / 6 for k in range(1, 6))])


def test_dropout_is_for_training_alone(tiny_config: Config) -> None:
    config = tiny_config("corrector.lora={r: 4, alpha: 8, dropout: 0.5}", "optimization.batch_size=8")
    trainer = Trainer(prepare_training(config))
    with torch.no_grad():
        for parameter in trained_parameters(trainer.parts.corrector.llm).values():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    without = dev_loss(trainer.parts)
    assert dev_loss(trainer.parts) == without
    _, found = trainer.step(range(8))  # the loss before the step, on the same lists
    assert abs(found.h2t_loss - without) > 1e-3
    assert dev_loss(trainer.parts) == dev_loss(trainer.parts)


def test_bfloat16_and_float32_runs_in_one_process(tiny_config: Config, tmp_path: Path) -> None:
    for dtype in ("bfloat16", "float32"):
        config = tiny_config(f"dtype={dtype}", LORA, f"output={tmp_path / dtype}", "evaluation.wer_lists=3")
        trainer = Trainer(prepare_training(config))
        assert trainer.parts.corrector.llm.llm.dtype == getattr(torch, dtype)
        trainer.run()
        assert all(parameter.dtype == torch.float32 for parameter in trainer.parts.parameters.values())
        assert all(math.isfinite(record["dev_wer"]) for record in log_of(tmp_path / dtype))
    losses = [log_of(tmp_path / dtype)[0]["train_loss"] for dtype in ("bfloat16", "float32")]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)

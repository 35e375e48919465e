from __future__ import annotations

import json
import logging
import math
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from robustger.errors import InputError
from robustger.training.checkpoint import load_state
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer, finetune
from robustger.training.measurements import Measurements
from robustger.training.preparation import prepare_training

Config = Callable[..., TrainingConfig]


def test_other_settings_do_not_go_on_from_a_checkpoint(tiny_config: Config, tmp_path: Path) -> None:
    finetune(tiny_config())
    last = tmp_path / "run" / "last"
    for change, said in (
        ("optimization.adapter_lr=3e-3", "optimization.adapter_lr = 0.01, not 0.003"),
        ("seed=4", "seed = 0, not 4"),
        ("corrector.lora={r: 4}", "corrector.lora = None, not {'r': 4"),
    ):
        with pytest.raises(InputError) as caught:
            finetune(tiny_config(change))
        message = str(caught.value)
        assert message.startswith(f"{last}: was trained with {said}")
        assert message.endswith("; choose another output, or remove the folder")


def test_what_teaches_nothing_may_change(tiny_config: Config, tmp_path: Path) -> None:
    trainer = Trainer(prepare_training(tiny_config("optimization.max_steps=3")))
    trainer.run()
    assert trainer.state.step == 3
    # a checkpoint that an older version wrote lacks what is new
    path = tmp_path / "run" / "last" / "training.yaml"
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    del stored["optimization"]["max_grad_norm"], stored["seed"]
    path.write_text(yaml.safe_dump(stored), encoding="utf-8")
    trainer = Trainer(
        prepare_training(
            tiny_config(
                "optimization.epochs=3",
                "optimization.micro_batch_size=1",
                "evaluation.wer_lists=1",
                "corrector.guard.name=words",
            )
        )
    )
    trainer.run()
    assert trainer.state.step == 6


def test_a_run_of_an_older_version_goes_on(
    tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps its clipping, which was the default then, and its tuner's bias goes into the prompts."""
    paper = "corrector.variant=paper"
    finetune(tiny_config(paper, "optimization.max_steps=2", "optimization.max_grad_norm=1.0"))
    last = tmp_path / "run" / "last"
    state = last / "training_state" / "optimizer.safetensors"
    for file, bias in (
        (last / "adapter.safetensors", "adapter.tuner.bias"),
        (state, "adapter.tuner.bias:exp_avg"),
    ):
        save_file(load_file(file) | {bias: torch.ones(32)}, file)
    caplog.set_level(logging.INFO)
    content = tiny_config(paper, "optimization.max_steps=4").model_dump()
    del content["optimization"]["max_grad_norm"]  # as a user's file that never named it
    trainer = Trainer(prepare_training(TrainingConfig.model_validate(content)))
    assert trainer.parts.config.optimization.max_grad_norm == trainer.parts.algorithm.max_grad_norm == 1.0
    trainer.run()
    assert trainer.state.step == 4
    assert "optimization.max_grad_norm stays 1.0, as the run began" in caplog.text
    assert caplog.text.count("has a bias; it was moved into the prompts") == 1
    assert "adapter.tuner.bias" not in load_file(last / "adapter.safetensors")
    with pytest.raises(InputError, match=r"max_grad_norm = 1.0, not 2.0"):
        finetune(tiny_config(paper, "optimization.max_grad_norm=2.0"))
    fresh = prepare_training(tiny_config(paper, f"output={tmp_path / 'fresh'}"))
    assert fresh.algorithm.max_grad_norm == math.inf


def test_a_broken_training_state_is_told(tiny_config: Config, tmp_path: Path) -> None:
    finetune(tiny_config())
    state = tmp_path / "run" / "last" / "training_state"
    for file, content in (("state.json", '{"step": '), ("optimizer.safetensors", "no tensors")):
        (state / file).write_text(content, encoding="utf-8")
        with pytest.raises(
            InputError, match=r"its training_state is missing or broken; choose another output"
        ):
            finetune(tiny_config())


def test_a_run_goes_on_from_the_checkpoint_of_an_older_version(tiny_config: Config, tmp_path: Path) -> None:
    """Such a checkpoint knows nothing of distillation, controls, and all that came later."""
    changes = ("corrector.variant=paper", "corrector.lora={r: 4, alpha: 8, dropout: 0.1}")
    finetune(tiny_config(*changes, f"output={tmp_path / 'undisturbed'}"))
    interrupt(Trainer(prepare_training(tiny_config(*changes))), step=2)
    last = tmp_path / "run" / "last"
    stored = yaml.safe_load((last / "training.yaml").read_text(encoding="utf-8"))
    for section, *newer in (
        ("evaluation", "best_by", "patience", "keep_last"),
        ("corrector", "noise"),
        ("data", "cache"),
        ("optimization", "max_skipped"),
    ):
        for key in newer:
            del stored[section][key]
    del stored["distillation"]
    (last / "training.yaml").write_text(yaml.safe_dump(stored), encoding="utf-8")
    state = json.loads((last / "training_state" / "state.json").read_text(encoding="utf-8"))
    older = {"step": state["step"], "best_loss": state["best_loss"]}
    (last / "training_state" / "state.json").write_text(json.dumps(older), encoding="utf-8")

    with pytest.raises(InputError, match=r"was trained with distillation.objective = 'none', not 'paper'"):
        finetune(tiny_config(*changes, "distillation.objective=paper"))
    with pytest.raises(InputError, match=r"was trained with corrector.noise = 'real', not 'zero'"):
        finetune(tiny_config(*changes, "corrector.noise=zero"))
    finetune(tiny_config(*changes))
    for file in ("last/adapter.safetensors", "last/training_state/optimizer.safetensors", "log.jsonl"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "undisturbed" / file).read_bytes()


def interrupt(trainer: Trainer, step: int) -> None:
    """Runs it until the checkpoint of this step is written."""
    evaluate = trainer.evaluate_and_save

    def stop(measured: Measurements) -> None:
        evaluate(measured)
        if trainer.state.step == step:
            raise KeyboardInterrupt

    trainer.evaluate_and_save = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.run()


def test_theta_comes_back(tiny_config: Config, tmp_path: Path) -> None:
    changes = ("corrector.variant=paper", "distillation.objective=paper")
    trainer = Trainer(prepare_training(tiny_config(*changes)))
    interrupt(trainer, step=2)
    again = Trainer(prepare_training(tiny_config(*changes)))
    assert not torch.equal(
        again.parts.trained.theta["network.score.weight"], trainer.parts.trained.theta["network.score.weight"]
    )
    state = load_state(tmp_path / "run" / "last", again.parts.trained)
    assert state == trainer.state
    for (_, one, names), (_, other, others) in zip(
        again.parts.trained.optimizers(), trainer.parts.trained.optimizers(), strict=True
    ):
        assert names.keys() == others.keys()
        for name, parameter in names.items():
            assert torch.equal(parameter, others[name])
            assert one.state[parameter].keys() == other.state[others[name]].keys()
            for moment, value in one.state[parameter].items():
                assert torch.equal(value, other.state[others[name]][moment])
    (tmp_path / "run" / "last" / "training_state" / "statistics.safetensors").unlink()
    with pytest.raises(InputError, match=r"its training_state is missing or broken; choose another output"):
        finetune(tiny_config(*changes))


def test_earlier_checkpoints_are_kept(tiny_config: Config, tmp_path: Path) -> None:
    changes = ("evaluation={every_steps: 1, keep_last: 3}", "optimization.epochs=3")
    run = tmp_path / "run"
    interrupt(Trainer(prepare_training(tiny_config(*changes))), step=4)
    assert kept(run) == {"step-00000002": 2, "step-00000003": 3, "last": 4}
    (run / "step-notes").mkdir()  # of the user
    finetune(tiny_config(*changes))
    assert kept(run) == {"step-00000004": 4, "step-00000005": 5, "last": 6}
    final = (run / "last" / "adapter.safetensors").read_bytes()
    # training goes on from any of them, and ends the same
    shutil.rmtree(run / "last")
    (run / "step-00000004").rename(run / "last")
    finetune(tiny_config(*changes))
    assert (run / "last" / "adapter.safetensors").read_bytes() == final
    assert (run / "step-notes").is_dir()


def kept(run: Path) -> dict[str, int]:
    """The step that each checkpoint can be trained on from."""
    states = run.glob("*/training_state/state.json")
    return {path.parts[-3]: json.loads(path.read_text(encoding="utf-8"))["step"] for path in states}


@pytest.mark.parametrize("room", [1_000, 7_000])
def test_a_full_disk_leaves_the_old_checkpoint(tiny_config: Config, tmp_path: Path, room: int) -> None:
    """No file may grow over `room` bytes: the weights, or only the optimizer's state, cannot be written."""
    changes = ("corrector.variant=paper", "distillation.objective=paper")
    finetune(tiny_config(*changes))
    run = tmp_path / "run"
    before = {path: path.read_bytes() for path in (run / "last").rglob("*") if path.is_file()}
    assert max(len(content) for content in before.values()) > 7_000
    trainer = Trainer(prepare_training(tiny_config(*changes, "optimization.epochs=4")))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(
            InputError, match=r"cannot be written: .*; the one before it is kept: make room"
        ) as caught:
            trainer.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in (run / "last").rglob("*") if path.is_file()} == before
    finetune(tiny_config(*changes, "optimization.epochs=3"))
    assert kept(run) == {"last": 6}
    assert list(run.glob(".*")) == []

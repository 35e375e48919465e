from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from robustger.errors import InputError
from robustger.training.checkpoint import TrainingLog, settle_interrupted_writes
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer

Config = Callable[..., TrainingConfig]


def test_other_settings_do_not_go_on_from_a_checkpoint(tiny_config: Config, tmp_path: Path) -> None:
    Trainer(tiny_config()).run()
    last = tmp_path / "run" / "last"
    for change, said in (
        ("optimization.adapter_lr=3e-3", "optimization.adapter_lr = 0.01, not 0.003"),
        ("seed=4", "seed = 0, not 4"),
        ("corrector.lora={r: 4}", "corrector.lora = None, not {'r': 4"),
    ):
        with pytest.raises(InputError) as caught:
            Trainer(tiny_config(change)).run()
        message = str(caught.value)
        assert message.startswith(f"{last}: was trained with {said}")
        assert message.endswith("; choose another output, or remove the folder")


def test_what_teaches_nothing_may_change(tiny_config: Config, tmp_path: Path) -> None:
    trainer = Trainer(tiny_config("optimization.max_steps=3"))
    trainer.run()
    assert trainer.state.step == 3
    # a checkpoint that an older version wrote lacks what is new
    path = tmp_path / "run" / "last" / "training.yaml"
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    del stored["optimization"]["max_grad_norm"], stored["seed"]
    path.write_text(yaml.safe_dump(stored), encoding="utf-8")
    trainer = Trainer(
        tiny_config(
            "optimization.epochs=3",
            "optimization.micro_batch_size=1",
            "evaluation.wer_lists=1",
            "corrector.guard.name=words",
        )
    )
    trainer.run()
    assert trainer.state.step == 6


def test_a_broken_training_state_is_told(tiny_config: Config, tmp_path: Path) -> None:
    Trainer(tiny_config()).run()
    state = tmp_path / "run" / "last" / "training_state"
    for file, content in (("state.json", '{"step": '), ("optimizer.safetensors", "no tensors")):
        (state / file).write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=r"training_state is missing or broken; choose another output"):
            Trainer(tiny_config()).run()


def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / ".last.old.abc" / "replaced").mkdir(parents=True)
    (tmp_path / ".last.old.abc" / "replaced" / "config.yaml").write_text("kept")
    (tmp_path / ".last.def").mkdir()
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "config.yaml").write_text("new")
    (tmp_path / ".best.old.abc" / "replaced").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    settle_interrupted_writes(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last", "notes"]
    assert (tmp_path / "last" / "config.yaml").read_text() == "kept"
    assert (tmp_path / "best" / "config.yaml").read_text() == "new"


def test_the_log_forgets_what_no_checkpoint_holds(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.append({"step": step, "train_loss": 1.5, "dev_loss": None})
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "train')
    TrainingLog(tmp_path, 2).append({"step": 3})
    assert log.path.read_text(encoding="utf-8").splitlines() == [
        '{"step": 1, "train_loss": 1.5, "dev_loss": null}',
        '{"step": 2, "train_loss": 1.5, "dev_loss": null}',
        '{"step": 3}',
    ]
    TrainingLog(tmp_path, 0)
    assert log.path.read_text(encoding="utf-8") == ""

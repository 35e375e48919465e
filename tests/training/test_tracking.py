from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker

from robustger.errors import MissingExtraError
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer
from robustger.training.tracking import tracker_of

Config = Callable[..., TrainingConfig]
CHANGES = ("corrector.variant=paper", "distillation.objective=paper", "evaluation={every_steps: 2}")


def installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


class Recorder(GeneralTracker):
    """A tracker of one's own, as accelerate takes it."""

    name = "recorder"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int | None, dict[str, Any]]] = []
        self.finished = False

    @property
    def tracker(self) -> list[tuple[int | None, dict[str, Any]]]:
        return self.seen

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.seen.append((step, values))

    def finish(self) -> None:
        self.finished = True


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_trackers_are_told_what_the_log_is_told(tiny_config: Config, tmp_path: Path) -> None:
    trainer = Trainer(tiny_config(*CHANGES))
    recorder = Recorder()
    trainer.accelerator.trackers.append(recorder)
    trainer.run()
    log = log_of(tmp_path / "run")
    assert [step for step, _ in recorder.seen] == [record["step"] for record in log] == [2, 4]
    for (step, values), record in zip(recorder.seen, log, strict=True):
        assert values | {"step": step, "dev_wer": None} == record  # no list is decoded here
    assert recorder.finished


def test_tensorboard_shows_the_log_and_forgets_what_was_never_kept(
    tiny_config: Config, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for epochs in (2, 3):
        Trainer(tiny_config(*CHANGES, "tracking=tensorboard", f"optimization.epochs={epochs}")).run()
    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    shown.Reload()
    log = log_of(tmp_path / "run")
    for name in ("train_loss", "dev_loss", "lr", "mutual_information", "gate_norm"):
        events = shown.Scalars(name)
        assert [event.step for event in events] == [record["step"] for record in log] == [2, 4, 6]
        assert [event.value for event in events] == pytest.approx([record[name] for record in log], rel=1e-6)


def test_a_bare_installation_tracks_nothing_unless_asked() -> None:
    assert tracker_of("none") is None
    assert tracker_of("auto") == ("tensorboard" if installed("tensorboard") else None)


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_tracker_that_is_asked_for_must_be_there(tiny_config: Config, tmp_path: Path, name: str) -> None:
    if installed(name):
        assert tracker_of(name) == name
        return
    with pytest.raises(MissingExtraError, match=rf"package '{name}'.*robustger\[{name}\]"):
        Trainer(tiny_config(f"tracking={name}"))
    assert not (tmp_path / "run").exists()

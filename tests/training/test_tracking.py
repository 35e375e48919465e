from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker

from robustger.errors import MissingExtraError
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer, finetune
from robustger.training.measurements import Measurements
from robustger.training.preparation import prepare_training
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
    trainer = Trainer(prepare_training(tiny_config(*CHANGES)))
    recorder = Recorder()
    trainer.parts.accelerator.trackers.append(recorder)
    trainer.run()
    log = log_of(tmp_path / "run")
    assert [step for step, _ in recorder.seen] == [record["step"] for record in log] == [2, 4]
    for (step, values), record in zip(recorder.seen, log, strict=True):
        assert values | {"step": step, "dev_wer": None} == record  # no list is decoded here
    assert recorder.finished


class Failing(Recorder):
    """A tracker whose server or disk is gone from some step on."""

    name = "failing"

    def __init__(self, from_step: int) -> None:
        super().__init__()
        self.from_step = from_step

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        super().log(values, step)
        if step is not None and step >= self.from_step:
            raise OSError(28, "No space left on device\nand more")

    def finish(self) -> None:
        raise ConnectionError("nobody there")


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("from_step", "seen", "reason"), [(4, [2, 4], "[Errno 28] No space"), (9, [2, 4, 6], "nobody there")]
)
def test_a_tracker_that_fails_does_not_end_the_training(
    tiny_config: Config,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    from_step: int,
    seen: list[int],
    reason: str,
) -> None:
    trainer = Trainer(prepare_training(tiny_config(*CHANGES, "optimization.epochs=3")))
    failing, other = Failing(from_step), Recorder()
    trainer.parts.accelerator.trackers += [failing, other]
    trainer.run()
    (said,) = warnings_of(caplog)
    assert said.startswith(f"tracking: failing has failed: {reason}")
    assert said.endswith("; training goes on without it, and log.jsonl has all numbers")
    assert [step for step, _ in failing.seen] == seen  # it is asked no more
    assert (
        [step for step, _ in other.seen]
        == [record["step"] for record in log_of(tmp_path / "run")]
        == [2, 4, 6]
    )
    assert other.finished


def test_training_goes_on_without_a_tracker_that_cannot_be_started(
    tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("in the way", encoding="utf-8")
    finetune(tiny_config(*CHANGES, "tracking=tensorboard"))
    (said,) = warnings_of(caplog)
    assert said.startswith("tracking: tensorboard has failed: ")
    assert [record["step"] for record in log_of(tmp_path / "run")] == [2, 4]


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # TensorBoard's own thread
def test_training_goes_on_when_tensorboard_cannot_write_any_more(
    tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    trainer = Trainer(
        prepare_training(tiny_config(*CHANGES, "optimization.epochs=4", "tracking=tensorboard"))
    )
    evaluate = trainer.evaluate_and_save

    def without_folder(measured: Measurements) -> None:
        if trainer.state.step == 4:
            shutil.rmtree(tmp_path / "run" / "tensorboard")
        evaluate(measured)

    trainer.evaluate_and_save = without_folder  # type: ignore[method-assign]
    trainer.run()
    (said,) = warnings_of(caplog)
    assert said.startswith("tracking: tensorboard has failed: ")
    assert [record["step"] for record in log_of(tmp_path / "run")] == [2, 4, 6, 8]


def test_tensorboard_shows_the_log_and_forgets_what_was_never_kept(
    tiny_config: Config, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for epochs in (2, 3):
        finetune(tiny_config(*CHANGES, "tracking=tensorboard", f"optimization.epochs={epochs}"))
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
        Trainer(prepare_training(tiny_config(f"tracking={name}")))
    assert not (tmp_path / "run").exists()

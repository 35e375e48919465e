"""The folder of a run: one training at a time, and nothing lost by a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger.errors import InputError
from robustger.training.config import load_training_config
from robustger.training.loop import finetune
from robustger.training.run_folder import TrainingLog, owned_run_folder, settle_interrupted_writes

ENDLESS = ("optimization.epochs=100000", "evaluation.every_steps=1")


KILLED = """
import os, signal, sys
from pathlib import Path
from robustger.files import atomic_folder

replace, renames = Path.replace, []
def killed_after(self, place):
    replace(self, place)
    renames.append(self)
    if len(renames) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
Path.replace = killed_after
with atomic_folder(sys.argv[1], "config.yaml") as folder:
    (folder / "config.yaml").write_text("new")
    if sys.argv[2] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")
def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    for name, renames in (("last", 1), ("best", 2), ("step-00000003", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("old")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, tmp_path / name, str(renames)], check=False
        ).returncode
        assert killed == -signal.SIGKILL
    (tmp_path / "notes").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ".robustger-0123-99-abc.partial").touch()
    (tmp_path / "cache" / "noise-abc.safetensors").touch()
    assert not (tmp_path / "last").exists()
    settle_interrupted_writes(tmp_path)
    names = ["best", "cache", "last", "notes", "step-00000003"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["noise-abc.safetensors"]
    assert (tmp_path / "last" / "config.yaml").read_text() == "old"
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


def test_one_folder_has_one_training(
    write_config: Callable[..., Path], tmp_path: Path, one_thread_environment: dict[str, str]
) -> None:
    """Two real processes: the second is refused, and goes on once the first was killed."""
    config, run = write_config(tmp_path, *ENDLESS), tmp_path / "run"
    command = [sys.executable, "-m", "robustger", "train", str(config)]
    first = subprocess.Popen(
        command, env=one_thread_environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        while not (run / "last" / "training_state").is_dir():
            assert first.poll() is None, first.communicate()
            time.sleep(0.02)
        second = subprocess.run(
            command, env=one_thread_environment, capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert second.stderr == (
            f"robustger: error: {run}: another training is writing there; wait for that one, or choose another output\n"
        )
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    steps = [line.split('"step": ')[1].split(",")[0] for line in log_lines(run)]
    finetune(load_training_config(config, [f"optimization.max_steps={int(steps[-1]) + 2}"]))
    steps = [int(line.split('"step": ')[1].split(",")[0]) for line in log_lines(run)]
    assert steps == list(range(1, len(steps) + 1))  # no line is doubled


def log_lines(run: Path) -> list[str]:
    return (run / "log.jsonl").read_text(encoding="utf-8").splitlines()


def test_a_folder_is_free_again_after_a_training(tmp_path: Path) -> None:
    with (
        owned_run_folder(tmp_path / "run"),
        pytest.raises(InputError, match="another training is writing there"),
        owned_run_folder(tmp_path / "run"),
    ):
        pass
    with owned_run_folder(tmp_path / "run"):
        pass


def test_only_the_main_process_takes_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with owned_run_folder(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with owned_run_folder(tmp_path):
            pass
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(InputError), owned_run_folder(tmp_path):
            pass

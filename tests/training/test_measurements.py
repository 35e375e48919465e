from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training


def test_the_progress_bar_tells_time_left_losses_information_and_speed(
    tiny_config: Callable[..., TrainingConfig],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # there is no bar where nobody looks at it
    trainer = Trainer(
        prepare_training(tiny_config("corrector.variant=paper", "distillation.objective=paper"))
    )
    trainer.run()
    *_, last = re.findall(r"training: [^\r\n]*", capsys.readouterr().err)
    assert re.match(r"training: 100%\|.*\| 4/4 \[\d\d:\d\d<00:00, ", last)
    shown = dict(re.findall(r"(\w+)=([\d.e+-]+)", last))
    assert list(shown) == ["loss", "mi", "distill", "gate", "noise_gate", "lr", "best_dev", "tokens_s"]
    assert float(shown["lr"]) == 1e-2
    assert float(shown["best_dev"]) == pytest.approx(trainer.state.best_loss, rel=1e-3)
    assert -1 < float(shown["mi"]) < 1
    assert float(shown["tokens_s"]) > 0

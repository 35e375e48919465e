"""Both checkpoints of a training say what they are, what they were trained on, and how to load them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from robustger import Corrector, NBest
from robustger.training.config import TrainingConfig
from robustger.training.loop import finetune


@pytest.mark.parametrize("lora", [False, True])
def test_last_and_best_have_a_card_that_tells_data_settings_and_loss(
    tiny_config: Callable[..., TrainingConfig], tmp_path: Path, lora: bool
) -> None:
    changes = ["corrector.lora={r: 4, alpha: 8}"] if lora else []
    config = tiny_config(*changes, "evaluation.wer_lists=2", "evaluation.every_steps=1000")
    best = finetune(config)
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    for folder in (best, tmp_path / "run" / "last"):
        card = (folder / "README.md").read_text(encoding="utf-8")
        for file in (*config.data.train, *config.data.dev):
            assert f"`{Path(file).name}`: " in card
        assert str(tmp_path) not in card.replace(config.corrector.base, "")
        assert f"| dev loss | {record['dev_loss']:.4f} nats per token, on " in card
        assert f"| dev WER | {100 * record['dev_wer']:.2f} %, on 2 lists" in card
        assert f"| step | {record['step']} of {record['step']};" in card
        assert ("LoRA (r 4, alpha 8)" in card) == lora
        assert f"`{config.corrector.base}`, frozen" in card


def test_the_python_lines_of_a_card_load_the_checkpoint_and_correct(
    tiny_config: Callable[..., TrainingConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = finetune(tiny_config())
    card = (folder / "README.md").read_text(encoding="utf-8")
    lines = card.partition("```python\n")[2].partition("```")[0].replace("FOLDER", str(folder))
    monkeypatch.chdir(tmp_path)
    Path("lists.jsonl").write_text(json.dumps(NBest.from_texts("u1", ["half past ten"] * 2).to_dict()))
    exec(lines, {})
    assert capsys.readouterr().out.startswith("u1 half past ten ")


def test_a_corrector_that_nobody_trained_has_a_card_as_well(
    tiny_corrector: Callable[..., Corrector], tmp_path: Path
) -> None:
    corrector = tiny_corrector()
    corrector.save_pretrained(tmp_path / "saved")
    card = (tmp_path / "saved" / "README.md").read_text(encoding="utf-8")
    assert "--checkpoint FOLDER" in card
    assert "## Data" not in card

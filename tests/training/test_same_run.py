"""A run continues only with its own settings and its own data."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest, save_nbest
from robustger.hypotheses.audio_embeddings import embeddings_path
from robustger.training.config import TrainingConfig
from robustger.training.dry_run import dry_run
from robustger.training.loop import finetune

Config = Callable[..., TrainingConfig]
Save = Callable[..., None]
PAPER = ("corrector.variant=paper", "distillation.objective=paper")
FIRST, LONGER = "optimization.max_steps=2", "optimization.max_steps=3"


def refusal(config: TrainingConfig) -> str:
    with pytest.raises(InputError) as caught:
        finetune(config)
    return str(caught.value)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def progress_of(run: Path) -> dict[str, object]:
    return json.loads((run / "last" / "training_state" / "state.json").read_text(encoding="utf-8"))


def test_other_data_do_not_go_on_from_a_checkpoint(
    tiny_config: Config, save_heard: Save, tmp_path: Path
) -> None:
    dev = tmp_path / "dev.jsonl"
    save_nbest([NBest.from_texts("d", ["close the store"], reference="close the door")], dev)
    where = f"data.dev=[{dev}]"
    finetune(tiny_config(*PAPER, FIRST, where))
    data = tmp_path / "lists.jsonl"
    lists, listed, heard = load_nbest(data), data.read_bytes(), embeddings_path(data).read_bytes()

    def with_first(**changes: object) -> list[NBest]:
        return [replace(lists[0], **changes), *lists[1:]]  # type: ignore[arg-type]

    other = [replace(lists[0].hypotheses[0], text="what is the fire"), *lists[0].hypotheses[1:]]
    for changed, said in (
        (lists[:7], "7 lists, 8 before"),
        (lists[1:] + lists[:1], "ids or their order, hypotheses, references, audio embeddings"),
        (with_first(reference="what was the fare"), "references"),
        (with_first(hypotheses=tuple(other)), "hypotheses"),
    ):
        save_nbest(changed, data)
        assert refusal(tiny_config(*PAPER, LONGER, where)) == (
            f"{tmp_path / 'run' / 'last'}: was trained on other data: data.train has changed ({said}); restore it, "
            "choose another output, or remove the folder"
        )
    rows = {kind: np.ones((8, 6), dtype=np.float32) for kind in ("noisy", "clean")}
    save_heard([replace(nbest, audio_embedding=None) for nbest in lists], data, **rows)
    assert "data.train has changed (audio embeddings); " in refusal(tiny_config(*PAPER, LONGER, where))
    with pytest.raises(InputError, match=r"data\.train has changed \(audio embeddings\)"):
        next(dry_run(tiny_config(*PAPER, LONGER, where)))

    data.write_bytes(listed)
    embeddings_path(data).write_bytes(heard)
    dev.write_text(dev.read_text(encoding="utf-8").replace("the door", "the doors"), encoding="utf-8")
    assert "data.dev has changed (references); " in refusal(tiny_config(*PAPER, LONGER, where))


def test_the_same_data_in_another_place_go_on(tiny_config: Config, tmp_path: Path) -> None:
    finetune(tiny_config(*PAPER, FIRST))
    data = tmp_path / "lists.jsonl"
    (tmp_path / "emb").mkdir()
    embeddings_path(data).rename(tmp_path / "emb" / "moved.safetensors")
    lists = load_nbest(data)
    save_nbest(
        [
            replace(nbest, audio_embedding={**(nbest.audio_embedding or {}), "file": "emb/moved.safetensors"})
            for nbest in lists
        ],
        data,
    )
    finetune(tiny_config(*PAPER, LONGER))
    assert progress_of(tmp_path / "run")["step"] == 3


def test_a_checkpoint_that_does_not_know_its_data_is_trusted_once(
    tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finetune(tiny_config(FIRST))
    state = tmp_path / "run" / "last" / "training_state" / "state.json"
    progress = progress_of(tmp_path / "run")
    assert progress.pop("data")
    state.write_text(json.dumps(progress), encoding="utf-8")  # as an older version wrote it
    with caplog.at_level(logging.WARNING, "robustger"):
        finetune(tiny_config(LONGER))
        (said,) = warnings_in(caplog)
        assert said.startswith(
            f"{tmp_path / 'run' / 'last'}: was written by an older version, which did not record its training data"
        )
        finetune(tiny_config("optimization.max_steps=4"))
    assert warnings_in(caplog) == [said]
    data = tmp_path / "lists.jsonl"
    save_nbest(load_nbest(data)[:7], data)
    assert "data.train has changed (7 lists, 8 before)" in refusal(tiny_config("optimization.max_steps=5"))


@pytest.mark.parametrize(
    ("schedule", "warned"),
    [
        # two steps an epoch; the rate falls from the third on
        ("{batch_size: 4, warmup_epochs: 0.5, final_lr_share: 0.1, ", True),
        ("{batch_size: 4, warmup_epochs: 0.5, final_lr_share: 1.0, ", False),
        ("{batch_size: 4, warmup_epochs: 1.5, final_lr_share: 0.1, ", False),  # it has not begun to fall
    ],
)
def test_steps_taken_at_other_rates_are_told(
    tiny_config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture, schedule: str, warned: bool
) -> None:
    def config(rest: str) -> TrainingConfig:
        return tiny_config(f"optimization={schedule}{rest}}}")

    finetune(config("epochs: 2, max_steps: 3"))
    with caplog.at_level(logging.WARNING, "robustger"):
        finetune(config("epochs: 2, max_steps: 3"))
        assert warnings_in(caplog) == []
        finetune(config("epochs: 3"))
    said = (
        "optimization.epochs or .max_steps has changed: the learning rate falls over 6 steps now, but the 3 steps done "
        "were taken as the first of 3; the result is not that of an uninterrupted run"
    )
    assert warnings_in(caplog) == [said] * warned
    assert progress_of(tmp_path / "run")["step"] == 6

"""Training with the audio's embedding in the place of E_LN, and correcting with the trained corrector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from robustger.correction import Corrector
from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest, save_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.training.config import TrainingConfig
from robustger.training.dry_run import dry_run
from robustger.training.loop import Trainer, finetune
from robustger.training.preparation import prepare_training

AUDIO = ("corrector.variant=paper", "corrector.noise=audio", "corrector.noise_dimension=6")
Config = Callable[..., TrainingConfig]


def lists_of(config: TrainingConfig) -> Path:
    return Path(config.data.train[0])


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_batches_hold_the_audio_of_their_lists(
    tiny_config: Config, save_heard: Callable[..., None], spoken_lists: list[NBest], variant: str
) -> None:
    config = tiny_config(*AUDIO, f"corrector.variant={variant}")
    rows = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    save_heard(spoken_lists, lists_of(config), noisy=rows)
    trainer = Trainer(prepare_training(config))
    (batch,) = trainer.parts.train.batches(range(8), 8, 10_000, trainer.parts.pad)
    found = {tuple(row.tolist()) for row in batch.noise.flatten(0, 1)}
    expected = functional.normalize(torch.from_numpy(rows), dim=-1)
    assert batch.noise.shape == (8, 6, 6)  # lists of three have six rows
    assert found == {tuple(row.tolist()) for row in expected}
    assert trainer.parts.corrector.noise.embedder is None
    assert not list(trainer.parts.output.rglob("noise-*"))
    assert any(line.startswith("noise ") and "(4, 6, 6)" in line for line in dry_run(config))


def test_what_is_written_depends_on_the_audio(
    tiny_config: Config, save_heard: Callable[..., None], tmp_path: Path
) -> None:
    """Lists of the same hypotheses whose references the audio alone tells apart."""
    lists = [
        NBest.from_texts(f"u{n}", ["close the store", "close the door"], reference=("store", "door")[n % 2])
        for n in range(8)
    ]
    config = tiny_config(
        *AUDIO,
        "optimization.epochs=60",
        "evaluation.every_steps=120",
        "evaluation.wer_lists=8",
        "corrector.lora={r: 4, alpha: 8}",
    )
    path = lists_of(config)
    sides = np.array([[1, 0, 0, 2, 0, 0], [0, 3, 0, 0, 0, 1]], dtype=np.float32)
    save_heard(lists, path, noisy=np.stack([sides[n % 2] for n in range(8)]))
    best = finetune(config)
    (record,) = [json.loads(line) for line in (best.parent / "log.jsonl").read_text().splitlines()]
    assert record["dev_wer"] == 0
    corrector = Corrector.from_pretrained(best, dtype=torch.float32, device="cpu")
    stored = load_nbest(path)
    heard = AudioEmbeddings(path.parent).get
    texts = [transcript.text for transcript in corrector.correct(stored, heard=heard)]
    assert texts == [nbest.reference for nbest in lists]
    swapped = [
        transcript.text
        for transcript in corrector.correct(
            stored, heard=lambda n: sides[int(n.id in ("u0", "u2", "u4", "u6"))]
        )
    ]
    assert swapped == texts[1:] + texts[:1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ["corrector.noise_dimension=7"],
            "the embeddings of the audio are 6 wide, and corrector.noise_dimension is 7",
        ),
        (["distillation.objective=paper"], "there is no language-space noise that could be taught"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tiny_config: Config,
    save_heard: Callable[..., None],
    spoken_lists: list[NBest],
    changes: list[str],
    said: str,
) -> None:
    config = tiny_config(*AUDIO, *changes)
    save_heard(spoken_lists, lists_of(config))
    with pytest.raises(InputError, match=said):
        Trainer(prepare_training(config))


def test_every_list_needs_its_audio(
    tiny_config: Config, save_heard: Callable[..., None], spoken_lists: list[NBest]
) -> None:
    config = tiny_config(*AUDIO)
    path = lists_of(config)
    save_nbest(spoken_lists, path)
    with pytest.raises(
        InputError, match="needs the embedding of every list's audio: 8 have none, first 'u0', 'u1'"
    ):
        Trainer(prepare_training(config))


def test_a_checkpoint_that_hears_says_what_it_lacks(
    tiny_corrector: Callable[..., Corrector], spoken_lists: list[NBest]
) -> None:
    corrector: Any = tiny_corrector(noise="audio", noise_dimension=6, n_best=3)
    with pytest.raises(
        InputError, match="list 'u0' has no embedding of its audio, which this checkpoint needs"
    ):
        corrector.correct(spoken_lists[:1])
    with pytest.raises(InputError, match="the embeddings of the audio are 5 wide"):
        corrector.correct(spoken_lists[:1], heard=lambda nbest: np.ones(5, dtype=np.float32))
    with pytest.raises(InputError, match="this checkpoint hears the audio"):
        corrector.noise_embedding([spoken_lists[0].texts])

"""Lists become examples that need little memory, and lists that cannot be used are reported."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest, save_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings, embeddings_path
from robustger.training.config import TrainingConfig
from robustger.training.dry_run import dry_run
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training

Config = Callable[..., TrainingConfig]
Save = Callable[..., None]
PAPER = ("corrector.variant=paper", "distillation.objective=paper")


def rows(count: int, width: int = 6, value: float = 1.0) -> np.ndarray:
    return np.full((count, width), value, dtype=np.float32)


def refusal(config: TrainingConfig) -> str:
    with pytest.raises(InputError) as caught:
        Trainer(prepare_training(config))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_examples_hold_what_the_lists_say(tiny_config: Config) -> None:
    config = tiny_config(*PAPER)
    trainer = Trainer(prepare_training(config))
    examples, corrector = trainer.parts.train, trainer.parts.corrector
    file = Path(config.data.train[0])
    lists, embeddings = load_nbest(file), AudioEmbeddings(file.parent)
    assert len(examples) == len(lists) == 8
    noise = corrector.noise_embedding([nbest.texts for nbest in lists]).half().float()
    for index, nbest in enumerate(lists):
        example = examples[index]
        assert example.id == nbest.id
        assert example.prompt == corrector.prompt_tokens(nbest.texts)
        assert example.target == corrector.answer_tokens(nbest.reference or "")
        assert len(example) == examples.lengths[index]
    order = [5, 0, 7]
    assert torch.equal(examples.noise.read(examples.places[order]), noise[order])
    assert examples.target_tokens(order) == sum(len(examples[index].target) for index in order)
    assert examples.audio is not None
    for kind in ("noisy", "clean"):
        read = examples.audio.read(kind, order)
        assert read is not None
        for row, index in zip(read.numpy(), order, strict=True):
            wanted = embeddings.get(lists[index], kind)
            assert wanted is not None
            assert np.array_equal(row, wanted)
    batches = list(examples.batches(order, 2, 4096, trainer.parts.pad))
    assert [len(batch.noise) for batch in batches] == [2, 1]
    (longest,) = [index for index in order if examples.lengths[index] == examples.lengths[order].max()]
    assert torch.equal(batches[-1].noise[0], noise[longest])


def test_no_list_stays_in_memory(tiny_config: Config) -> None:
    def alive() -> int:
        gc.collect()
        return sum(type(thing) is NBest for thing in gc.get_objects())

    before = alive()
    trainer = Trainer(prepare_training(tiny_config(*PAPER, "evaluation.wer_lists=3")))
    assert alive() == before + 3
    assert len(trainer.parts.train) == 8


def test_an_objective_without_clean_audio_does_not_ask_for_it(
    tiny_config: Config, save_heard: Save, spoken_lists: list[NBest], tmp_path: Path
) -> None:
    data = tmp_path / "noisy.jsonl"
    save_heard(spoken_lists, data, noisy=rows(8))
    trainer = Trainer(
        prepare_training(
            tiny_config(*PAPER, "distillation.objective=teacher_student", f"data.train=[{data}]")
        )
    )
    assert trainer.parts.train.audio is not None
    assert trainer.parts.train.audio.read("clean", [0]) is None
    said = refusal(tiny_config(*PAPER, f"data.train=[{data}]"))
    assert said == (
        "data.train: distillation needs the embeddings of the audio: of 8 lists 8 have no clean one, first 'u0', 'u1', "
        "'u2'; at most 5% may be left out: name every recording's `clean_audio` in the manifest and make the lists "
        "with `robustger nbest ... --embeddings`, take these lists out, or set distillation.objective=none"
    )


def test_lists_without_audio_are_left_out_where_they_are_few(
    tiny_config: Config,
    save_heard: Save,
    spoken_lists: list[NBest],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = tmp_path / "some.jsonl"
    many = [replace(nbest, id=f"{nbest.id}{part}") for part in "abcde" for nbest in spoken_lists]
    save_heard(many, data)
    lists = load_nbest(data)
    lists[1] = replace(lists[1], audio_embedding=None)
    lists[4] = replace(
        lists[4], audio_embedding={"file": embeddings_path(data).name, "noisy": 4, "clean": None}
    )
    save_nbest(lists, data)
    config = tiny_config(*PAPER, f"data.train=[{data}]")
    with caplog.at_level(logging.WARNING, "robustger"):
        trainer = Trainer(prepare_training(config))
    assert caplog.messages == [
        "data.train: distillation needs the embeddings of the audio: of 40 lists 1 have no noisy one and 1 have no "
        "clean one, first 'u1a', 'u4a'; these lists are left out"
    ]
    assert trainer.parts.train.ids == [nbest.id for nbest in many if nbest.id not in ("u1a", "u4a")]
    assert trainer.parts.train.left_out == {
        "with no noisy audio embedding": 1,
        "with no clean audio embedding": 1,
    }
    assert any(
        "left out: 1 with no noisy audio embedding, 1 with no clean" in line for line in dry_run(config)
    )
    # noise and audio are still those of the same list
    places = trainer.parts.train.places[[3, 1]]
    noise = trainer.parts.corrector.noise_embedding([lists[5].texts, lists[2].texts]).half().float()
    assert torch.allclose(trainer.parts.train.noise.read(places), noise, atol=1e-3)
    assert trainer.parts.train.audio is not None
    wanted = load_file(embeddings_path(data))["noisy"][[5, 2]]
    read = trainer.parts.train.audio.read("noisy", [3, 1])
    assert read is not None
    assert np.array_equal(read.numpy(), wanted)

    lists[6] = replace(lists[6], audio_embedding=None)
    save_nbest(lists, data)
    said = refusal(config)
    assert (
        "of 40 lists 2 have no noisy one and 1 have no clean one, first 'u1a', 'u4a', 'u6a'; at most 5%"
        in said
    )
    assert len(prepare_training(tiny_config("corrector.variant=paper", f"data.train=[{data}]")).train) == 40


def _nan(lists: list[NBest], folder: Path, save: Save) -> None:
    values = rows(8)
    values[3, 2] = np.nan
    save(lists, folder / "bad.jsonl", noisy=rows(8), clean=values)


def _wider(lists: list[NBest], folder: Path, save: Save) -> None:
    save(lists[:5], folder / "bad.jsonl", noisy=rows(5), clean=rows(5))
    save(lists[5:], folder / "bad2.jsonl", noisy=rows(3, 7), clean=rows(3, 7))


def _shifted(lists: list[NBest], folder: Path, save: Save) -> None:
    save(lists[1:] + lists[:1], folder / "other.jsonl")
    other = (folder / "other.embeddings.safetensors").read_bytes()
    save(lists, folder / "bad.jsonl")
    (folder / "bad.embeddings.safetensors").write_bytes(other)
    (folder / "other.jsonl").unlink()


def _too_few(lists: list[NBest], folder: Path, save: Save) -> None:
    save(lists[:4], folder / "bad.jsonl")
    few = (folder / "bad.embeddings.safetensors").read_bytes()
    save(lists, folder / "bad.jsonl")
    (folder / "bad.embeddings.safetensors").write_bytes(few)


def _gone(lists: list[NBest], folder: Path, save: Save) -> None:
    save(lists, folder / "bad.jsonl")
    (folder / "bad.embeddings.safetensors").unlink()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_nan, "the embedding of the clean audio of list 'u3' holds NaN or infinity"),
        (
            _wider,
            "bad2.embeddings.safetensors: the embedding of the noisy audio of list 'u5' is 7 wide, those before it are "
            "6; take lists of one recognizer",
        ),
        (_shifted, "bad.embeddings.safetensors: row 0 of 'noisy' belongs to 'u1', not to list 'u0'"),
        (_too_few, "bad.embeddings.safetensors: has no row 4 of 'noisy', which list 'u4' points to; "),
        (_gone, "bad.embeddings.safetensors: cannot be read"),
    ],
)
def test_broken_embeddings_are_told_before_the_first_step(
    tiny_config: Config, save_heard: Save, spoken_lists: list[NBest], tmp_path: Path, make: Any, said: str
) -> None:
    make(spoken_lists, tmp_path, save_heard)
    assert said in refusal(tiny_config(*PAPER, f"data.train=[{tmp_path}/bad*.jsonl]"))


def test_ids_are_unique_in_a_file(tiny_config: Config, spoken_lists: list[NBest], tmp_path: Path) -> None:
    data = tmp_path / "twice.jsonl"
    save_nbest([*spoken_lists, spoken_lists[2]], data)
    said = refusal(tiny_config(f"data.train=[{data}]"))
    assert said == f"{data}:9: id 'u2' stands in line 3 already; make ids unique"
    data.write_text('{"id": "a", "hypotheses": ["b"], "reference": "b"}\n{"id": "c"}\n', encoding="utf-8")
    assert refusal(tiny_config(f"data.train=[{data}]")).startswith(f"{data}:2: key 'hypotheses' is missing")

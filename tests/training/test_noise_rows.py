from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robustger.errors import InputError
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training

Config = Callable[..., TrainingConfig]
PAPER = "corrector.variant=paper"


def noise_of(trainer: Trainer) -> torch.Tensor:
    return trainer.parts.train.noise.read(range(8))


def cached(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_noise_is_computed_once(tiny_config: Config, tmp_path: Path) -> None:
    first = noise_of(Trainer(prepare_training(tiny_config(PAPER))))
    (file,) = cached(tmp_path / "run" / "cache")
    content, written = file.read_bytes(), file.stat().st_mtime_ns
    assert torch.equal(noise_of(Trainer(prepare_training(tiny_config(PAPER)))), first)
    assert file.stat().st_mtime_ns == written
    # what is broken, or of other lists, is not taken
    file.write_bytes(content[:-100])
    assert torch.equal(noise_of(Trainer(prepare_training(tiny_config(PAPER)))), first)
    assert file.read_bytes() == content
    data = tmp_path / "lists.jsonl"
    data.write_text(data.read_text(encoding="utf-8").replace("fair", "fire"), encoding="utf-8")
    assert not torch.equal(noise_of(Trainer(prepare_training(tiny_config(PAPER)))), first)
    assert len(cached(tmp_path / "run" / "cache")) == 2


def test_runs_share_a_cache(tiny_config: Config, tmp_path: Path) -> None:
    cache = f"data.cache={tmp_path / 'shared'}"
    for run, changes in (
        ("a", [PAPER]),
        ("b", [PAPER, "seed=3"]),
        ("c", [PAPER, "corrector.noise=shuffled", "distillation.objective=paper"]),
        ("d", ["corrector.variant=ger"]),
    ):
        Trainer(prepare_training(tiny_config(cache, f"output={tmp_path / run}", *changes)))
        assert len(cached(tmp_path / "shared")) == 1
        assert not (tmp_path / run / "cache").exists()
    Trainer(prepare_training(tiny_config(cache, "corrector.variant=released")))
    assert len(cached(tmp_path / "shared")) == 2
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        InputError, match=r"file: the noise embeddings, 0 MB, cannot be written: .*data\.cache"
    ):
        Trainer(prepare_training(tiny_config(PAPER, f"data.cache={tmp_path / 'file'}")))


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_controls_take_the_place_of_the_noise(tiny_config: Config, variant: str) -> None:
    def control(name: str, seed: int = 0) -> torch.Tensor:
        return noise_of(
            Trainer(
                prepare_training(
                    tiny_config(f"corrector.variant={variant}", f"corrector.noise={name}", f"seed={seed}")
                )
            )
        )

    real = control("real")
    assert (real[3] == 0).all(-1).any()  # the fourth list's first two hypotheses agree
    assert not control("zero").any()
    shuffled = control("shuffled")
    sources = [[k for k in range(8) if torch.equal(real[k], row)] for row in shuffled]
    assert sorted(source for (source,) in sources) == list(range(8))
    assert all(source != k for k, (source,) in enumerate(sources))
    assert not torch.equal(control("shuffled", seed=1), shuffled)
    random = control("random")
    assert torch.equal(control("random", seed=1), random)  # that of the texts, whatever the run
    torch.testing.assert_close(random.norm(dim=-1), real.norm(dim=-1), rtol=2e-3, atol=1e-3)
    angles = torch.cosine_similarity(random, real, dim=-1)[real.norm(dim=-1) > 0]
    assert angles.abs().mean() < 0.5
    assert ((random == 0).all(-1) == (real == 0).all(-1)).all()


def test_an_encoder_of_another_width_is_refused_before_anything_is_embedded(
    tiny_config: Config, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        Trainer(prepare_training(tiny_config(PAPER, "corrector.noise_dimension=20")))
    assert str(caught.value) == (
        "corrector.noise_dimension is 20, but the vectors of corrector.encoder are 16 wide; give "
        "corrector.noise_dimension that width, or name another corrector.encoder"
    )
    assert cached(tmp_path / "run" / "cache") == []

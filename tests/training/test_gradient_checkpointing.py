from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from robustger.errors import UnsupportedModelError
from robustger.training.config import TrainingConfig
from robustger.training.gradient_checkpointing import checkpoint_layers
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training
from robustger.training.validation import dev_loss, dev_wer

LORA = "corrector.lora={r: 4, alpha: 8, dropout: 0.3}"


@pytest.mark.parametrize("variant", ["ger", "paper", "released"])
def test_layers_run_twice_and_give_the_same_gradients(
    tiny_config: Callable[..., TrainingConfig], variant: str
) -> None:
    found, passes = [], []
    for checkpointing in ("false", "true"):
        trainer = Trainer(
            prepare_training(
                tiny_config(
                    f"corrector.variant={variant}",
                    LORA,
                    f"optimization={{batch_size: 8, micro_batch_size: 3, gradient_checkpointing: {checkpointing}}}",
                    "evaluation.wer_lists=3",
                )
            )
        )
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for (
                parameter
            ) in trainer.parts.parameters.values():  # open every gate, so that every gradient counts
                parameter.normal_(std=0.1, generator=generator)
        count: list[bool] = []
        top = trainer.parts.corrector.llm.llm.base_model.layers[-1].mlp  # type: ignore[union-attr, index]
        top.register_forward_pre_hook(lambda *_, count=count: count.append(torch.is_grad_enabled()))
        _, adapter = trainer.step(range(8))
        passes.append(sum(count))
        states = trainer.parts.trained.optimizer.state
        moments = {name: states[value]["exp_avg"] for name, value in trainer.parts.parameters.items()}
        found.append((adapter, moments, dev_loss(trainer.parts), dev_wer(trainer.parts)))
        assert sum(count) == passes[-1]  # nothing is computed again where no gradient is asked for
    assert passes == [3, 6]
    (adapter, moments, loss, rate), (again, recomputed, loss_again, rate_again) = found
    assert again == adapter
    assert (loss_again, rate_again) == (loss, rate)
    for name, moment in moments.items():
        assert moment.abs().max() > 0, name
        assert torch.equal(recomputed[name], moment), name


def test_models_without_such_layers_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"set optimization\.gradient_checkpointing to false"):
        checkpoint_layers(nn.Sequential(nn.Linear(2, 2)))

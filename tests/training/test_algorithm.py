"""Algorithm 1: each step changes the right parameters, by the gradients of the written-out equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from robustger.errors import InputError
from robustger.hypotheses import NBest, load_nbest
from robustger.hypotheses.audio_embeddings import AudioEmbeddings
from robustger.training.algorithm import WholeBatch
from robustger.training.config import TrainingConfig
from robustger.training.loop import Trainer
from robustger.training.preparation import prepare_training

Config = Callable[..., TrainingConfig]
LORA = "corrector.lora={r: 4, alpha: 8}"


def with_open_gates(config: TrainingConfig) -> Trainer:
    """A trainer whose every trained parameter has a gradient from the start, theta's too."""
    trainer = Trainer(prepare_training(config))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in (*trainer.parts.parameters.values(), *trainer.parts.trained.theta.values()):
            parameter.normal_(std=0.2, generator=generator)
    return trainer


def copied(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What step 2 trains, and theta."""
    parameters, theta = (
        {name: value.detach().clone() for name, value in part.items()}
        for part in (trainer.parts.parameters, trainer.parts.trained.theta)
    )
    return parameters, theta


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[bool]:
    return {torch.equal(one[name], other[name]) for name in one}


def whole_batch(trainer: Trainer, indices: Sequence[int] = range(8)) -> WholeBatch:
    whole = trainer.parts.whole_batch(indices)
    assert whole is not None
    return whole


def gradients(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """After one step AdamW's first moment is a tenth of the gradient, clipped."""
    return {name: 10 * optimizer.state[value]["exp_avg"] for name, value in parameters.items()}


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("objective", ["paper", "released", "teacher_student", "contrastive"])
def test_each_step_changes_its_own_parameters_alone(
    tiny_config: Config, variant: str, objective: str
) -> None:
    trainer = with_open_gates(
        tiny_config(f"corrector.variant={variant}", LORA, f"distillation.objective={objective}")
    )
    read: list[object] = []
    trainer.parts.corrector.llm.llm.register_forward_pre_hook(lambda *_: read.append(1))
    trainer.parts.corrector.llm.llm.base_model.register_forward_pre_hook(lambda *_: read.append(1))
    parameters, theta = copied(trainer)
    whole = whole_batch(trainer)
    assert trainer.parts.algorithm.distillation is not None
    noise = -whole.noise if variant == "released" else whole.noise
    estimate, without, other = (
        trainer.parts.algorithm.distillation.estimate(language, whole.noisy, whole.clean)
        for language in (noise, 0 * noise, noise.roll(1, 0))
    )

    found = trainer.parts.algorithm.statistics_step(whole)
    assert found is not None
    assert found.finite
    assert found.mutual_information == pytest.approx(estimate, abs=1e-6)
    assert found.without_noise == pytest.approx(without, abs=1e-6)
    assert found.with_other_noise == pytest.approx(other, abs=1e-6)
    assert same(copied(trainer)[0], parameters) == {True}
    assert same(copied(trainer)[1], theta) == {False}
    assert not read  # no language model in step 1

    theta = copied(trainer)[1]
    batches = trainer.parts.train.batches(range(8), 8, 4096, trainer.parts.pad)
    assert trainer.parts.algorithm.adapter_step(batches, 50, whole).finite
    assert same(copied(trainer)[0], parameters) == {False}
    assert same(copied(trainer)[1], theta) == {True}
    assert read


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_both_steps_follow_the_gradient_of_their_equation(tiny_config: Config, variant: str) -> None:
    config = tiny_config(
        f"corrector.variant={variant}",
        LORA,
        "distillation={objective: paper, weight: 0.7}",
        "optimization={batch_size: 8, micro_batch_size: 3, max_grad_norm: 1e9, adapter_lr: 1e-3}",
    )
    trainer = with_open_gates(config)
    assert trainer.parts.algorithm.distillation is not None
    assert trainer.parts.algorithm.statistics_optimizer is not None
    corrector, psi = trainer.parts.corrector, trainer.parts.algorithm.distillation.network
    file = Path(config.data.train[0])
    lists = load_nbest(file)
    embeddings = AudioEmbeddings(file.parent)
    noisy, clean = (
        torch.stack([torch.from_numpy(embeddings.get(nbest, kind)) for nbest in lists])
        for kind in ("noisy", "clean")
    )
    stored = corrector.noise_embedding([nbest.texts for nbest in lists]).half().float()
    noise = -stored if variant == "released" else stored  # E_LN

    information = psi(noise, noisy, tuned=False).mean() - psi(noise, clean, tuned=False).exp().mean().log()
    theta = trainer.parts.trained.theta
    expected = torch.autograd.grad(-information, list(theta.values()))
    found, adapter = trainer.step(range(8))
    assert found is not None
    assert found.mutual_information == pytest.approx(information.item(), abs=1e-6)
    ascended = gradients(trainer.parts.algorithm.statistics_optimizer, dict(theta))
    for (name, gradient), wanted in zip(ascended.items(), expected, strict=True):
        assert wanted.abs().max() > 0, name
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-7)

    # step 2 sees the theta that step 1 left
    fresh = with_open_gates(config)
    assert fresh.parts.algorithm.distillation is not None
    fresh.parts.algorithm.distillation.load_state_dict(trainer.parts.algorithm.distillation.state_dict())
    psi, llm = fresh.parts.algorithm.distillation.network, fresh.parts.corrector.llm
    total = torch.zeros(())
    for nbest, embedding in zip(lists, stored, strict=True):
        prompt = fresh.parts.corrector.prompt_tokens(nbest.texts)
        answer = fresh.parts.corrector.answer_tokens(nbest.reference or "")
        logits = llm(torch.tensor([[*prompt, *answer]]), embedding[None])[0, len(prompt) - 1 : -1]
        total = total + functional.cross_entropy(logits, torch.tensor(answer), reduction="sum")
    targets = sum(len(fresh.parts.corrector.answer_tokens(nbest.reference or "")) for nbest in lists)
    tuned = llm.adapter.tuned_noise(stored)
    heard = torch.stack([psi(part, noisy, tuned=True).mean() for part in tuned]).mean()  # I_1
    assert adapter.h2t_loss == pytest.approx((total / targets).item(), rel=1e-5)
    assert adapter.distillation_loss == pytest.approx(-heard.item(), abs=1e-6)
    wanted_all = torch.autograd.grad(total / targets - 0.7 * heard, list(fresh.parts.parameters.values()))
    descended = gradients(trainer.parts.trained.optimizer, dict(trainer.parts.parameters))
    for (name, gradient), wanted in zip(descended.items(), wanted_all, strict=True):
        assert wanted.abs().max() > 0, name
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=2e-6, msg=name)


@pytest.mark.parametrize("objective", ["paper", "released", "teacher_student", "contrastive"])
@pytest.mark.parametrize("variant", ["paper", "released"])
def test_the_mean_row_is_all_that_distillation_sees(
    tiny_config: Config, variant: str, objective: str
) -> None:
    """Step 2 tunes the mean row of E_LN in the place of its rows: the same loss, and the same gradient."""
    trainer = with_open_gates(
        tiny_config(f"corrector.variant={variant}", f"distillation={{objective: {objective}, weight: 0.7}}")
    )
    assert trainer.parts.algorithm.distillation is not None
    whole, adapter = whole_batch(trainer), trainer.parts.corrector.llm.adapter
    found = trainer.parts.algorithm._distill(whole)
    gradients = {name: value.grad for name, value in adapter.named_parameters() if value.grad is not None}
    adapter.zero_grad()
    loss = trainer.parts.algorithm.distillation.adapter_loss(
        adapter.tuned_noise(whole.noise), whole.noisy, whole.clean
    )
    (0.7 * loss).backward()
    assert found == pytest.approx(loss.item(), rel=1e-5)
    expected = {name: value.grad for name, value in adapter.named_parameters() if value.grad is not None}
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_eight_times_four_lists_are_one_batch_of_32(
    tiny_config: Config,
    save_heard: Callable[..., None],
    spoken_lists: list[NBest],
    tmp_path: Path,
) -> None:
    lists = [replace(nbest, id=f"{nbest.id}.{turn}") for turn in range(4) for nbest in spoken_lists]
    save_heard(lists, tmp_path / "four.jsonl")
    found = []
    for size, tokens in ((32, 10**6), (4, 10**6), (32, 90)):
        config = tiny_config(
            "corrector.variant=paper",
            LORA,
            "distillation.objective=paper",
            f"data.train=[{tmp_path / 'four.jsonl'}]",
            f"optimization={{batch_size: 32, micro_batch_size: {size}, micro_batch_tokens: {tokens}}}",
        )
        trainer = with_open_gates(config)
        assert trainer.parts.algorithm.statistics_optimizer is not None
        statistics, adapter = trainer.step(range(32))
        moved = gradients(trainer.parts.trained.optimizer, dict(trainer.parts.parameters))
        moved |= gradients(trainer.parts.algorithm.statistics_optimizer, dict(trainer.parts.trained.theta))
        assert all(gradient.abs().max() > 1e-6 for gradient in moved.values())
        found.append((statistics, adapter, moved))
    for statistics, adapter, moved in found[1:]:
        assert statistics == found[0][0]
        assert adapter.distillation_loss == found[0][1].distillation_loss
        assert adapter.h2t_loss == pytest.approx(found[0][1].h2t_loss, rel=1e-6)
        for name, gradient in found[0][2].items():
            torch.testing.assert_close(moved[name], gradient, rtol=0, atol=1e-6)


def test_theta_learns_to_tell_noisy_from_clean(tiny_config: Config) -> None:
    trainer = Trainer(
        prepare_training(
            tiny_config("corrector.variant=paper", "distillation={objective: paper, hidden: 16, lr_share: 1}")
        )
    )
    whole = whole_batch(trainer)
    found = [trainer.parts.algorithm.statistics_step(whole) for _ in range(60)]
    estimates = [step.mutual_information for step in found if step is not None]
    assert len(estimates) == 60
    assert estimates[-1] > max(0.1, estimates[0])
    assert max(estimates) <= 1  # what a sigmoid can show


def test_a_step_that_is_not_finite_changes_nothing(tiny_config: Config) -> None:
    trainer = with_open_gates(tiny_config("corrector.variant=paper", "distillation.objective=paper"))
    whole = whole_batch(trainer)
    score = trainer.parts.trained.theta["network.score.weight"]
    with torch.no_grad():
        score[0, 0] = math.inf
    parameters, theta = copied(trainer)
    statistics, adapter = trainer.step(range(8))
    assert statistics is not None
    assert not statistics.finite
    assert not adapter.finite
    assert same(copied(trainer)[0], parameters) == same(copied(trainer)[1], theta) == {True}
    assert all(parameter.grad is None for parameter in trainer.parts.parameters.values())
    with torch.no_grad():
        score[0, 0] = 0.0
        trainer.parts.parameters["adapter.tuner.weight"][0, 0] = math.nan
    batches = trainer.parts.train.batches(range(8), 8, 4096, trainer.parts.pad)
    assert not trainer.parts.algorithm.adapter_step(batches, 50, whole).finite


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["corrector.variant=ger", "distillation.objective=paper"], "the variant ger sees no noise"),
        (["corrector.variant=paper", "distillation.objective=mine"], "unknown distillation objective 'mine'"),
        (
            ["corrector.variant=paper", "distillation={objective: paper, output: tanh}"],
            "unknown distillation output 'tanh'",
        ),
        (["evaluation.best_by=wer"], "evaluation.best_by = wer needs data.dev and evaluation.wer_lists > 0"),
    ],
)
def test_what_does_not_go_together(tiny_config: Config, changes: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Trainer(prepare_training(tiny_config(*changes)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)

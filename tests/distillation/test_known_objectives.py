"""Every objective: its equation, the parameters that its gradients reach, and its errors for bad input."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from robustger.distillation import DISTILLATIONS, Distillation, DistillationShape, log_mean_exp
from robustger.distillation.network import Contrast, Student
from robustger.errors import InputError

TRAINED = [name for name in DISTILLATIONS.names() if name != "none"]
NEEDING_CLEAN = ["paper", "released", "contrastive"]
B, U = 6, 20


def built(name: str, output: str = "sigmoid") -> Distillation:
    torch.manual_seed(1)
    return DISTILLATIONS.get(name)(DistillationShape(8, 16, 5, output=output))


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(B, U, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def tuned() -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(B, U, 16, generator=generator).requires_grad_() for _ in range(2)]


@pytest.fixture
def noisy() -> Tensor:
    return torch.randn(B, 5, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def clean() -> Tensor:
    return torch.randn(B, 5, generator=torch.Generator().manual_seed(5))


def given_loss(objective: Distillation, *inputs: Tensor) -> Tensor:
    loss = objective.statistics_loss(*inputs)
    assert loss is not None
    return loss


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30))
def test_log_mean_exp_is_what_it_says(values: list[float]) -> None:
    expected = math.log(sum(map(math.exp, values)) / len(values))
    assert log_mean_exp(torch.tensor(values, dtype=torch.float64)).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_log_mean_exp_neither_overflows_nor_underflows(size: float) -> None:
    values = torch.tensor([size, size, size + math.log(4.0)], requires_grad=True)
    result = log_mean_exp(values)
    torch.testing.assert_close(result.item(), size + math.log(2.0), atol=2e-3, rtol=0.0)
    result.backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.tensor([1 / 6, 1 / 6, 4 / 6]), atol=1e-3, rtol=0.0)


@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_paper_step_1_is_donsker_varadhan(noise: Tensor, noisy: Tensor, clean: Tensor, output: str) -> None:
    objective = built("paper", output)
    joint = objective.network(noise, noisy, tuned=False)
    product = objective.network(noise, clean, tuned=False)
    information = joint.mean() - product.exp().mean().log()
    torch.testing.assert_close(given_loss(objective, noise, noisy, clean), -information)
    assert objective.estimate(noise, noisy, clean) == pytest.approx(information.item(), abs=1e-6)


def test_paper_step_1_looks_at_the_whole_batch(noise: Tensor, noisy: Tensor, clean: Tensor) -> None:
    """The mean over pieces is another number: the reason why the batch must come at once."""
    objective = built("paper", "identity")
    scale = 30.0  # so that psi varies
    whole = given_loss(objective, noise * scale, noisy * scale, clean * scale)
    halves = [
        given_loss(objective, noise[s] * scale, noisy[s] * scale, clean[s] * scale)
        for s in (slice(0, 3), slice(3, 6))
    ]
    assert (whole - torch.stack(halves).mean()).abs() > 1e-3


def test_paper_and_released_step_2_is_the_mean_of_psi(
    tuned: list[Tensor], noisy: Tensor, clean: Tensor
) -> None:
    for name in ("paper", "released"):
        objective = built(name)
        psi = [objective.network(part, noisy, tuned=True).mean() for part in tuned]
        expected = -torch.stack(psi).mean()
        torch.testing.assert_close(objective.adapter_loss(tuned, noisy, clean), expected)


def test_unbounded_psi_keeps_the_second_term_in_step_2(
    tuned: list[Tensor], noisy: Tensor, clean: Tensor
) -> None:
    objective = built("paper", "identity")
    values = [objective.estimate(part, noisy, clean, tuned=True) for part in tuned]
    assert all(value is not None for value in values)
    mean = sum(value for value in values if value is not None) / len(values)
    assert objective.adapter_loss(tuned, noisy, clean).item() == pytest.approx(-mean, abs=1e-6)


def test_released_step_1_is_a_difference_of_means(noise: Tensor, noisy: Tensor, clean: Tensor) -> None:
    objective = built("released")
    joint, product = (objective.network(noise, audio, tuned=False) for audio in (noisy, clean))
    torch.testing.assert_close(given_loss(objective, noise, noisy, clean), product.mean() - joint.mean())


def test_teacher_student_is_a_divergence(tuned: list[Tensor], noise: Tensor, noisy: Tensor) -> None:
    objective = built("teacher_student")
    standardized = (noisy - noisy.mean(1, keepdim=True)) / (
        noisy.var(1, correction=0, keepdim=True) + 1e-5
    ).sqrt()
    p = (standardized / 2).softmax(-1)
    q = (objective.network(noise, tuned=False) / 2).softmax(-1)
    expected = 4 * (p * (p / q).log()).sum(-1).mean()
    torch.testing.assert_close(given_loss(objective, noise, noisy, noisy), expected, atol=1e-6, rtol=1e-5)
    # 0 where the student says what the teacher does, and nowhere less.
    assert expected > 0
    student = objective.network
    assert isinstance(student, Student)
    with torch.no_grad():
        student.channels.weight.zero_()
        student.channels.bias.copy_(standardized[0])
    same = objective.adapter_loss(tuned, noisy[:1].expand(B, -1), None)
    assert same.abs() < 1e-6


def test_contrastive_finds_its_noisy_audio_among_all_clean(
    noise: Tensor, noisy: Tensor, clean: Tensor
) -> None:
    objective = built("contrastive")
    network = objective.network
    assert isinstance(network, Contrast)
    z = functional.normalize(network.language(noise, tuned=False), dim=-1)
    a, c = (functional.normalize(network.audio(audio), dim=-1) for audio in (noisy, clean))
    losses = []
    for i in range(B):
        scores = torch.stack([z[i] @ a[i], *(z[i] @ c[j] for j in range(B))]) / 0.07
        losses.append(-scores.log_softmax(0)[0])
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(given_loss(objective, noise, noisy, clean), expected, atol=1e-5, rtol=1e-5)
    estimate = objective.estimate(noise, noisy, clean)
    assert estimate == pytest.approx(math.log(B + 1) - expected.item(), abs=1e-4)


@pytest.mark.parametrize("name", TRAINED)
def test_step_1_reaches_theta_alone(name: str, noise: Tensor, noisy: Tensor, clean: Tensor) -> None:
    objective = built(name)
    inputs = [part.clone().requires_grad_() for part in (noise, noisy, clean)]
    given_loss(objective, *inputs).backward()
    assert all(part.grad is None for part in inputs)
    for parameter_name, parameter in objective.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("name", TRAINED)
def test_step_2_reaches_the_tuned_alone(name: str, tuned: list[Tensor], noisy: Tensor, clean: Tensor) -> None:
    objective = built(name)
    audio = [part.clone().requires_grad_() for part in (noisy, clean)]
    objective.adapter_loss(tuned, *audio).backward()
    assert all(part.grad is not None and part.grad.abs().max() > 0 for part in tuned)
    assert all(part.grad is None for part in audio)
    assert all(parameter.grad is None for parameter in objective.parameters())
    assert all(parameter.requires_grad for parameter in objective.parameters())


@pytest.mark.parametrize("name", TRAINED)
def test_step_2_sees_what_step_1_learned(
    name: str, tuned: list[Tensor], noisy: Tensor, clean: Tensor
) -> None:
    """Theta is constant in step 2, not a copy from the beginning."""
    objective = built(name)
    before = objective.adapter_loss(tuned, noisy, clean).item()
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter.mul_(1.5).add_(0.1)
    assert objective.adapter_loss(tuned, noisy, clean).item() != before


@pytest.mark.parametrize("name", TRAINED)
def test_both_steps_learn(name: str, noise: Tensor, noisy: Tensor, clean: Tensor) -> None:
    """Some steps of each lower its own loss, the adapter being one linear map."""
    objective = built(name)
    tuner = torch.nn.Linear(8, 16, bias=False)
    theta = torch.optim.Adam(objective.parameters(), lr=1e-2)
    adapter = torch.optim.Adam(tuner.parameters(), lr=1e-2)
    first = given_loss(objective, noise, noisy, clean).item()
    for _ in range(60):
        theta.zero_grad()
        given_loss(objective, noise, noisy, clean).backward()
        theta.step()
    assert given_loss(objective, noise, noisy, clean).item() < first - 0.05
    first = objective.adapter_loss([tuner(noise)], noisy, clean).item()
    for _ in range(60):
        adapter.zero_grad()
        objective.adapter_loss([tuner(noise)], noisy, clean).backward()
        adapter.step()
    assert objective.adapter_loss([tuner(noise)], noisy, clean).item() < first - 0.05


@pytest.mark.parametrize("bias", [True, False])
def test_a_constant_cannot_satisfy_the_objective_unnoticed(
    bias: bool, noise: Tensor, noisy: Tensor, clean: Tensor
) -> None:
    """A tuner with a bias reaches psi = 1 by the bias alone. A matrix cannot: what T_w(0) = 0 reaches never changes."""
    torch.manual_seed(3)
    objective, tuner = built("paper"), torch.nn.Linear(8, 16, bias=bias)
    theta = torch.optim.Adam(objective.parameters(), lr=1e-2)
    for _ in range(60):
        theta.zero_grad()
        given_loss(objective, noise, noisy, clean).backward()
        theta.step()

    def psi(language: Tensor) -> float:
        return -objective.adapter_loss([tuner(language)], noisy, clean).item()

    nothing = torch.zeros_like(noise)
    before = psi(nothing)
    adapter = torch.optim.Adam(tuner.parameters(), lr=1e-1)
    for _ in range(200):
        adapter.zero_grad()
        objective.adapter_loss([tuner(noise)], noisy, clean).backward()
        adapter.step()
    if bias:
        assert psi(noise) > 0.99
        assert psi(nothing) > psi(noise) - 0.01
    else:
        assert psi(nothing) == before
        assert psi(noise) > before + 0.02


@pytest.mark.parametrize("name", TRAINED)
def test_the_mean_row_may_stand_for_all(name: str, tuned: list[Tensor], noisy: Tensor, clean: Tensor) -> None:
    objective = built(name)
    rows = [part.mean(dim=1, keepdim=True) for part in tuned]
    torch.testing.assert_close(
        objective.adapter_loss(rows, noisy, clean), objective.adapter_loss(tuned, noisy, clean)
    )


@pytest.mark.parametrize("name", TRAINED)
def test_autocast_changes_nothing(
    name: str, noise: Tensor, tuned: list[Tensor], noisy: Tensor, clean: Tensor
) -> None:
    objective = built(name)
    plain = given_loss(objective, noise, noisy, clean), objective.adapter_loss(tuned, noisy, clean)
    with torch.autocast("cpu", torch.bfloat16):
        cast = given_loss(objective, noise, noisy, clean), objective.adapter_loss(tuned, noisy, clean)
        half = objective.adapter_loss([part.bfloat16() for part in tuned], noisy.bfloat16(), clean.bfloat16())
    assert all(loss.dtype == torch.float32 for loss in (*cast, half))
    for one, other in zip(plain, cast, strict=True):
        assert torch.equal(one, other)


def test_none_has_nothing_to_learn(noise: Tensor) -> None:
    objective = DISTILLATIONS.get("none")(DistillationShape(8, 0))
    assert list(objective.parameters()) == []
    assert not objective.needs_audio
    assert not objective.needs_clean
    assert objective.statistics_loss(noise, None, None) is None
    assert objective.adapter_loss([], None, None).item() == 0.0
    assert objective.estimate(noise, None, None) is None


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_missing_is_named(name: str, noise: Tensor, tuned: list[Tensor], noisy: Tensor) -> None:
    objective = built(name)
    with pytest.raises(InputError, match="needs the embedding of the noisy audio of every list"):
        objective.statistics_loss(noise, None, noisy)
    if name in NEEDING_CLEAN:
        with pytest.raises(InputError, match="needs the embedding of the clean audio of every list"):
            objective.adapter_loss(tuned, noisy, None)
    else:
        assert not objective.needs_clean
        assert objective.adapter_loss(tuned, noisy, None).isfinite()
    with pytest.raises(InputError, match="the lists have none; make them with"):
        DISTILLATIONS.get(name)(DistillationShape(8, 16))
    with pytest.raises(InputError, match=r"this adapter uses none; set distillation\.objective to none"):
        objective.adapter_loss([], noisy, noisy)


@pytest.mark.parametrize("name", TRAINED)
def test_bad_embeddings_are_named(
    name: str, noise: Tensor, tuned: list[Tensor], noisy: Tensor, clean: Tensor
) -> None:
    objective = built(name)
    broken = noisy.clone()
    broken[3, 1] = math.nan
    with pytest.raises(InputError, match="noisy audio of item 3 of the batch holds NaN"):
        objective.statistics_loss(noise, broken, clean)
    with pytest.raises(InputError, match="noise embedding of item 4 of the batch holds NaN or infinity"):
        objective.statistics_loss(noise.index_fill(0, torch.tensor([4]), math.inf), noisy, clean)
    with pytest.raises(InputError, match="5 embeddings of noisy audio for 6 noise embeddings"):
        objective.adapter_loss(tuned, noisy[:5], clean)
    with pytest.raises(InputError, match=r"audio embedding .* set up for \(?.*5"):
        objective.statistics_loss(noise, noisy[:, :4], clean[:, :4])
    with pytest.raises(InputError, match=r"shape \(6, 20, 7\)"):
        objective.statistics_loss(noise[..., :7], noisy, clean)


@pytest.mark.parametrize("name", TRAINED)
def test_a_diverged_adapter_is_no_bad_input(
    name: str, tuned: list[Tensor], noisy: Tensor, clean: Tensor
) -> None:
    with torch.no_grad():
        tuned[1][2, 0, 0] = math.nan
    assert not built(name).adapter_loss(tuned, noisy, clean).isfinite()


def test_unbounded_released_is_refused() -> None:
    with pytest.raises(InputError, match="'released' grows without end under output 'identity'"):
        built("released", "identity")
    with pytest.raises(InputError, match="unknown distillation objective 'mine'; choose one of: none, paper"):
        DISTILLATIONS.get("mine")

"""The statistics network against numbers of the released one, and the consequences of its linear first layers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from robustger.distillation import StatisticsNetwork
from robustger.errors import InputError

REFERENCE = Path(__file__).parents[1] / "data" / "released_adapter.npz"
RELEASED = {
    "language.interface": "prefix",
    "language.projection": "proj1",
    "audio": "proj2",
    "joint": "proj3",
    "score": "proj4",
}
assert_close = partial(torch.testing.assert_close, atol=1e-6, rtol=0.0)


@pytest.fixture(scope="module")
def reference() -> Mapping[str, Tensor]:
    """Weights (`mine/NAME`), inputs and outputs of the released statistics network, float32."""
    with np.load(REFERENCE) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture
def released(reference: Mapping[str, Tensor]) -> StatisticsNetwork:
    network = StatisticsNetwork(noise_dimension=384, tuned_width=64, audio_dimension=48)
    state = {f"{ours}.weight": reference[f"mine/{theirs}.weight"] for ours, theirs in RELEASED.items()}
    network.load_state_dict(state)  # strict: these are all its parameters, and of the same sizes
    return network


def test_both_entries_give_the_released_numbers(
    released: StatisticsNetwork, reference: Mapping[str, Tensor]
) -> None:
    """The file holds E = -E_LN, and what the adapter makes of it; the network is given E_LN."""
    audio = reference["audio"].mean(dim=1)
    with torch.no_grad():
        stored = released(-reference["E"], audio, tuned=False)
        tuned = released(-reference["mid/0"], audio, tuned=True)
    assert_close(stored, reference["mine_raw"])
    assert_close(tuned, reference["mine_mid0"])
    # Agreement would prove little if the inputs did not matter.
    with torch.no_grad():
        for other in (
            released(reference["E"], audio, tuned=False),
            released(-reference["E"], 0 * audio, tuned=False),
        ):
            assert (other - reference["mine_raw"]).abs().max() > 1e-4


def test_the_time_mean_is_all_of_the_frames(
    released: StatisticsNetwork, reference: Mapping[str, Tensor]
) -> None:
    """Projecting every frame and averaging, as the released code does, is projecting the average frame."""
    frames = reference["audio"]  # (3, 9, 48)
    with torch.no_grad():
        assert_close(released.audio(frames).mean(dim=1), released.audio(frames.mean(dim=1)))
        assert (released.audio(frames).std(dim=1) > 1e-3).all()  # the frames do differ
    shuffled = frames.roll(4, dims=1)
    with torch.no_grad():
        assert_close(released(-reference["E"], shuffled.mean(dim=1), tuned=False), reference["mine_raw"])


def test_the_mean_row_is_all_of_the_noise_embedding(
    released: StatisticsNetwork, reference: Mapping[str, Tensor]
) -> None:
    audio = reference["audio"].mean(dim=1)
    row = -reference["E"].mean(dim=1, keepdim=True)
    with torch.no_grad():
        assert_close(released(row, audio, tuned=False), reference["mine_raw"])


def test_the_interface_is_what_lies_between_the_entries(released: StatisticsNetwork) -> None:
    noise, audio = torch.randn(4, 20, 384), torch.randn(4, 48)
    with torch.no_grad():
        behind = released(released.language.interface(noise), audio, tuned=True)
        assert_close(released(noise, audio, tuned=False), behind)


def test_released_sizes() -> None:
    """384, 4096 and 1280 as in the released training script; hidden widths a quarter and a sixteenth of 4096."""
    with torch.device("meta"):
        network = StatisticsNetwork(384, 4096, 1280)
    assert network.audio.weight.shape == (1024, 1280)
    assert network.joint.weight.shape == (256, 1024)
    assert network.score.weight.shape == (1, 256)
    assert StatisticsNetwork(8, 2, 5, hidden=12).joint.weight.shape == (3, 12)


def test_the_output_bounds_psi_or_does_not() -> None:
    torch.manual_seed(0)
    sigmoid = StatisticsNetwork(8, 16, 6, hidden=32)
    identity = StatisticsNetwork(8, 16, 6, hidden=32, output="identity")
    identity.load_state_dict(sigmoid.state_dict())
    noise, audio = 100 * torch.randn(64, 20, 8), 100 * torch.randn(64, 6)
    with torch.no_grad():
        bounded, free = sigmoid(noise, audio, tuned=False), identity(noise, audio, tuned=False)
    assert ((bounded >= 0) & (bounded <= 1)).all()
    assert free.min() < -1
    assert free.max() > 1
    assert_close(bounded, free.sigmoid())


def test_wrong_sizes_are_told() -> None:
    network = StatisticsNetwork(8, 16, 6)
    noise, audio = torch.zeros(2, 20, 8), torch.zeros(2, 6)
    with pytest.raises(InputError, match=r"stored noise embedding has shape \(2, 20, 7\).*rows, 8"):
        network(noise[..., :7], audio, tuned=False)
    with pytest.raises(InputError, match=r"tuned noise embedding has shape \(2, 20, 8\).*rows, 16"):
        network(noise, audio, tuned=True)
    with pytest.raises(InputError, match=r"audio embedding has shape \(2, 5\).*6"):
        network(noise, audio[:, :5], tuned=False)
    with pytest.raises(InputError, match="output 'tanh'; choose one of: sigmoid, identity"):
        StatisticsNetwork(8, 16, 6, output="tanh")

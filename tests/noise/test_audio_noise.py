from __future__ import annotations

import torch

from robustger.noise.audio_noise import in_every_row


def test_every_row_is_the_audio_at_length_one() -> None:
    heard = torch.tensor([[3.0, 4.0], [0.0, -2.0]])
    noise = in_every_row(heard, 20, 2)
    assert noise.shape == (2, 20, 2)
    assert torch.equal(noise, torch.tensor([[0.6, 0.8], [0.0, -1.0]])[:, None].repeat(1, 20, 1))

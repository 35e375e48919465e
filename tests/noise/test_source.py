"""Each noise source gives the rows that its name stands for, to the language model too."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch

from robustger.correction import Corrector, CorrectorConfig
from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.noise.controls import donors, random_like
from robustger.noise.source import NOISE_SOURCES

TEXTS = [
    ["turn of the light", "turn off the light"],
    ["close the store", "close a door"],
    ["from nine", "from wine"],
]
LISTS = [NBest.from_texts(str(number), hypotheses) for number, hypotheses in enumerate(TEXTS)]


def test_every_name_of_the_configuration_is_a_source() -> None:
    assert set(get_args(CorrectorConfig.model_fields["noise"].annotation)) == set(NOISE_SOURCES.names())


@pytest.mark.parametrize("noise", ["real", "zero", "shuffled", "random", "utterance", "token"])
def test_the_language_model_is_given_the_rows_of_its_source(
    tiny_corrector: Callable[..., Corrector], noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrector = tiny_corrector(n_best=2, noise=noise)
    real = tiny_corrector(n_best=2).noise_embedding(TEXTS)
    wanted = {
        "real": real,
        "zero": torch.zeros(3, 2, 16),
        "shuffled": real[donors(3)],
        "random": random_like(real, TEXTS),
        "utterance": real * torch.tensor([1.0, 0.0])[:, None],
        "token": real * torch.tensor([0.0, 1.0])[:, None],
    }[noise]
    given: list[torch.Tensor] = []
    noise_arguments = corrector.llm.noise_arguments

    def recorded(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        given.append(rows)
        return noise_arguments(rows)

    monkeypatch.setattr(corrector.llm, "noise_arguments", recorded)
    corrector.borrow_noise_among(LISTS)
    for nbest in LISTS:
        corrector.correct([nbest])
    torch.testing.assert_close(torch.cat(given), wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(corrector.noise.rows(LISTS), wanted, rtol=0, atol=1e-5)


def test_shuffled_noise_does_not_depend_on_what_is_corrected_together(
    tiny_corrector: Callable[..., Corrector],
) -> None:
    corrector = tiny_corrector(n_best=2, noise="shuffled")
    corrector.borrow_noise_among(LISTS)
    together = corrector.correct(LISTS)
    assert [corrector.correct([nbest])[0].text for nbest in LISTS] == [each.text for each in together]
    assert corrector.correct(LISTS[::-1], batch_size=2)[::-1] == together


def test_the_seed_decides_who_gives_to_whom(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(n_best=2, noise="shuffled")
    real = corrector.noise_embedding(TEXTS)
    orders = {tuple(donors(3, seed)): seed for seed in range(8)}
    assert len(orders) == 2
    for order, seed in orders.items():
        torch.testing.assert_close(corrector.noise.among(LISTS, seed).rows(LISTS), real[list(order)])


def test_shuffled_noise_needs_to_know_the_other_lists(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(n_best=2, noise="shuffled")
    with pytest.raises(InputError, match="it must be told the other lists first"):
        corrector.correct(LISTS)
    corrector.borrow_noise_among(LISTS[:2])
    with pytest.raises(InputError, match="list '2' is not among the lists that exchange their noise"):
        corrector.correct(LISTS)


def test_lists_in_written_form_exchange_the_noise_of_their_plain_words(
    tiny_corrector: Callable[..., Corrector],
) -> None:
    written = [NBest.from_texts("a", ["Turn it off.", "Turn it of."]), NBest.from_texts("b", ["Go!", "No!"])]
    plain = [NBest.from_texts("a", ["turn it off", "turn it of"]), NBest.from_texts("b", ["go", "no"])]
    corrector = tiny_corrector(n_best=2, noise="shuffled")
    corrector.borrow_noise_among(written)
    found = [(each.confidence, each.tokens) for each in corrector.correct(written)]
    corrector.borrow_noise_among(plain)
    assert found == [(each.confidence, each.tokens) for each in corrector.correct(plain)]


def test_the_audio_is_looked_up_by_the_list_that_was_given(tiny_corrector: Callable[..., Corrector]) -> None:
    """Not by the copy of it in plain words: a lookup may know its lists as objects."""
    corrector = tiny_corrector(n_best=2, noise="audio", noise_dimension=3)
    lists = [NBest.from_texts("a", ["Turn it off.", "Turn it of."]), *LISTS]
    asked: list[NBest] = []

    def heard(nbest: NBest) -> np.ndarray:
        asked.append(nbest)
        return np.ones(3, dtype=np.float32)

    corrector.correct(lists, heard=heard)
    assert {id(nbest) for nbest in asked} == {id(nbest) for nbest in lists}


def test_the_variant_without_noise_asks_for_no_audio(tiny_corrector: Callable[..., Corrector]) -> None:
    corrector = tiny_corrector(n_best=2, variant="ger", noise="audio")
    assert len(corrector.correct(LISTS)) == len(LISTS)
    assert not corrector.noise_embedding(TEXTS).any()

"""Recordings of noise: their kinds, and their split for training and test."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from robustger.errors import InputError
from robustger.mixing import (
    find_noises,
    split_noises,
)


def test_noises_have_kinds(world: Path) -> None:
    found = find_noises([world / "noise", world / "0.wav"])
    assert [(noise.name, noise.label) for noise in found] == [
        ("0.wav", "0"),
        ("noise/hum.flac", "hum"),
        ("noise/rain/0.wav", "rain"),
        ("noise/rain/1.wav", "rain"),
        ("noise/rain/2.wav", "rain"),
        ("noise/siren/0.wav", "siren"),
        ("noise/siren/1.wav", "siren"),
    ]
    assert find_noises([world / "noise" / "rain", world / "noise" / "rain" / "." / "0.wav"])
    with pytest.raises(InputError, match="no such file or folder"):
        find_noises([world / "nothing"])
    with pytest.raises(InputError, match=r"is called '0\.wav' like"):
        find_noises([world / "0.wav", world / "noise" / "rain" / "0.wav"])


def test_a_folder_without_noise(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audio files in this folder"):
        find_noises([tmp_path])


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    fraction=st.floats(0.01, 0.99),
)
def test_train_and_test_noise_never_meet(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], fraction: float
) -> None:
    assume(sum(counts) > 1)
    folder = tmp_path_factory.mktemp("noise")
    for kind, count in enumerate(counts):
        for number in range(count):
            path = folder / f"kind{kind}" / f"{number}.wav"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    noises = find_noises([folder])
    train, test = (split_noises(noises, part, fraction) for part in ("train", "test"))
    assert sorted([*train, *test], key=lambda noise: noise.name) == noises == split_noises(noises, "all")
    several = {f"kind{kind}" for kind, count in enumerate(counts) if count > 1}
    assert several <= {noise.label for noise in train}
    assert several <= {noise.label for noise in test}


def test_one_noise_cannot_be_split(world: Path) -> None:
    (noise,) = find_noises([world / "0.wav"])
    assert split_noises([noise], "train") == [noise]
    with pytest.raises(InputError, match="no noise recording is left for 'test'"):
        split_noises([noise], "test")
    with pytest.raises(InputError, match="unknown split 'dev'"):
        split_noises([noise], "dev")
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        split_noises([noise], "train", 1.0)

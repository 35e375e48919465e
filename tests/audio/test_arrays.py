"""Arrays of samples: mixing down, resampling, checks, and writing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures_audio import encoded, speech_like

from robustger.audio import (
    SAMPLE_RATE,
    AudioError,
    as_samples,
    check_samples,
    probe_audio,
    read_audio,
    to_mono_16k,
    write_audio,
)

SPEECH = speech_like(1.5)
STEREO_44K = np.stack([speech_like(1.5, 44_100, seed=seed) for seed in (1, 2)], axis=1)


class TestArrays:
    def test_channels_are_averaged(self) -> None:
        assert np.allclose(to_mono_16k(np.stack([SPEECH, SPEECH * 0.5], axis=1), 16_000), SPEECH * 0.75)
        assert np.array_equal(to_mono_16k(SPEECH[:, None], 16_000), SPEECH)

    @pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
    def test_a_tone_keeps_its_frequency_level_and_length(self, sample_rate: int) -> None:
        def tone(rate: int) -> np.ndarray:
            return 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)

        samples = to_mono_16k(tone(sample_rate), sample_rate)
        assert len(samples) == SAMPLE_RATE
        inner = slice(1000, -1000)
        assert np.allclose(samples[inner], tone(SAMPLE_RATE)[inner], atol=1e-4)

    def test_what_16_khz_cannot_carry_is_removed_and_not_folded_back(self) -> None:
        tone = np.sin(2 * np.pi * 11_000 * np.arange(48_000) / 48_000)
        assert np.abs(to_mono_16k(tone, 48_000)[1000:-1000]).max() < 1e-4

    @pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64, np.float16])
    def test_what_numbers_users_have(self, dtype: Any) -> None:
        scale = -float(np.iinfo(dtype).min) if np.issubdtype(dtype, np.integer) else 1
        samples = check_samples((SPEECH * scale).astype(dtype))
        assert samples.dtype == np.float32
        assert np.allclose(samples, SPEECH, atol=3e-4)

    @pytest.mark.parametrize(
        ("samples", "why"),
        [
            ([], "empty"), (np.zeros(100), "silent"), (np.full(100, 9e-5), "silent"), ([0.1, np.nan], "NaN"),
            ([0.1, -np.inf], "infinite"), (SPEECH * 32768, "reach 16384"), (np.ones((2, 5)), "shape"), (0.5, "shape"),
            (["a"], "values"), (np.ones(3, complex), "values"), (np.ones(3, np.uint8), "values"),
        ],
    )  # fmt: skip
    def test_arrays_that_cannot_be_speech(self, samples: Any, why: str) -> None:
        with pytest.raises(AudioError, match=f"^mine: .*{why}"):
            check_samples(samples, "mine")

    def test_good_arrays_are_not_copied(self) -> None:
        assert check_samples(SPEECH) is SPEECH

    @pytest.mark.parametrize("shape", [(2, 16_000), (10, 2, 2), ()])
    def test_shapes_that_cannot_be_mixed_down(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(AudioError, match="shape"):
            to_mono_16k(np.ones(shape), 16_000)


STEREO = np.stack([SPEECH, SPEECH * 0.5], axis=1)


class TestWhatProgramsHave:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (SPEECH[None], SPEECH), (SPEECH[:, None], SPEECH), (SPEECH[None, None], SPEECH), (STEREO, SPEECH * 0.75),
            (STEREO.T, SPEECH * 0.75), (list(SPEECH[:2000]), SPEECH[:2000]), (tuple(SPEECH[:200]), SPEECH[:200]),
            (np.rint(SPEECH * 127 + 128).astype(np.uint8), SPEECH), (SPEECH.astype(np.float64), SPEECH),
            (np.rint(SPEECH * 32768).astype(np.int16), SPEECH), (np.rint(SPEECH * 32768).astype(np.int64), SPEECH),
            (np.rint(SPEECH * 32768).astype(int).tolist(), SPEECH),
            ({"array": SPEECH, "sampling_rate": 16_000}, SPEECH),
            ({"bytes": encoded(SPEECH), "path": None}, SPEECH), (encoded(SPEECH), SPEECH),
            (bytearray(encoded(SPEECH)), SPEECH),
            (memoryview(encoded(SPEECH)), SPEECH), (io.BytesIO(encoded(SPEECH)), SPEECH),
        ],
    )  # fmt: skip
    def test_is_taken(self, value: Any, expected: np.ndarray) -> None:
        samples = as_samples(value)
        assert samples.dtype == np.float32
        assert samples.shape == expected.shape
        assert np.allclose(samples, expected, atol=0.01)

    @pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int16"])
    def test_tensors(self, dtype: str) -> None:
        torch = pytest.importorskip("torch")
        scale = 32767 if dtype == "int16" else 1
        tensor = (torch.from_numpy(SPEECH) * scale).to(getattr(torch, dtype))
        assert np.allclose(as_samples(tensor), SPEECH, atol=0.01)
        assert np.allclose(as_samples(tensor[None]), SPEECH, atol=0.01)

    def test_rates_of_rows_of_data_sets(self, tmp_path: Path) -> None:
        row = {"array": speech_like(1.5, 44_100), "sampling_rate": 44_100}
        assert len(as_samples(row)) == len(SPEECH)
        assert len(as_samples(speech_like(1.5, 44_100), 44_100)) == len(SPEECH)
        write_audio(tmp_path / "a.flac", SPEECH)
        assert len(as_samples({"bytes": None, "path": str(tmp_path / "a.flac")})) == len(SPEECH)

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (None, "NoneType; taken are"), (b"RIFF", "truncated or damaged"), ({}, "keys none; taken are"),
            (3, "int; taken"),
            ({"text": "hello"}, "keys text; taken"), (["a", "b"], "taken are"), ([[0.1], [0.1, 0.2]], "taken are"),
            (SPEECH.astype(complex), "complex"), (np.ones(9, bool), "bool"), (np.ones(9, np.uint16), "uint16"),
            (np.ones((3, 2, 100)), "shape"), (np.ones((100, 200)), "shape"), (object(), "taken are"), ([], "empty"),
            ((SPEECH * 32767).astype(np.int16).astype(np.float32), "whole numbers.*32768"),
            (np.rint(SPEECH * 100), "whole numbers"), (SPEECH * 30_000, "32768"), (SPEECH[5000:5001], "silent"),
            (np.stack([SPEECH, -SPEECH]), "cancel"), (np.full(9000, 0.01), "silent"), (SPEECH * np.nan, "NaN"),
            ((SPEECH * 1e12).astype(np.int64), "int64"), (b"", "empty"), ("no such file.wav", "cannot be read"),
        ],
    )  # fmt: skip
    def test_is_refused_by_one_line(self, value: Any, why: str) -> None:
        with pytest.raises(AudioError, match=why) as caught:
            as_samples(value)
        assert len(str(caught.value).splitlines()) == 1

    @given(
        values=st.lists(st.floats(-1, 1, width=32), max_size=70),
        shape=st.sampled_from([(-1,), (1, -1), (-1, 1), (1, 1, -1)]),
    )
    @settings(max_examples=50)
    def test_any_array_is_taken_or_refused(self, values: list[float], shape: tuple[int, ...]) -> None:
        array = np.array(values, np.float32).reshape(shape)
        try:
            samples = as_samples(array)
        except AudioError:
            return
        assert np.array_equal(samples, array.ravel())


class TestWriting:
    @pytest.mark.parametrize("name", ["a.wav", "a.FLAC"])
    @given(
        samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=50).filter(
            lambda x: max(x) - min(x) > 6
        )
    )
    @settings(max_examples=30)
    def test_16_bit_recordings_come_back_bit_for_bit(
        self, tmp_path_factory: pytest.TempPathFactory, name: str, samples: list[int]
    ) -> None:
        path = tmp_path_factory.mktemp("written") / name
        write_audio(path, np.array(samples) / 32768)
        assert np.array_equal(soundfile.read(path, dtype="int16")[0], samples)
        assert np.array_equal(read_audio(path), np.array(samples, np.float32) / 32768)
        assert [each.name for each in path.parent.iterdir()] == [name]

    def test_other_rates_and_channels(self, tmp_path: Path) -> None:
        write_audio(tmp_path / "stereo.flac", STEREO_44K, 44_100)
        info = probe_audio(tmp_path / "stereo.flac")
        assert (info.seconds, info.sample_rate, info.channels) == (1.5, 44_100, 2)

    @pytest.mark.parametrize(
        ("name", "samples", "why"),
        [
            ("old.mp3", SPEECH, "suffix"), ("old.wav", SPEECH * 4, "clipped"), ("old.wav", SPEECH * np.nan, "clipped"),
            ("missing/x.wav", SPEECH, "cannot be written"),
        ],
    )  # fmt: skip
    def test_refusals_leave_what_was_there(
        self, tmp_path: Path, name: str, samples: np.ndarray, why: str
    ) -> None:
        (tmp_path / "old.wav").write_bytes(b"old")
        with pytest.raises(AudioError, match=why):
            write_audio(tmp_path / name, samples)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]

"""Turns audio that a Python program holds (arrays, tensors, lists, rows of data sets, bytes) into samples."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from robustger.audio.files import read_audio
from robustger.audio.samples import (
    MOST_CHANNELS,
    SAMPLE_RATE,
    AudioError,
    Level,
    as_float32,
    check_samples,
    to_mono_16k,
)

TAKEN = (
    "taken are a file's path or its bytes, an open binary file, an array, tensor or list of samples, and the dict that "
    "data sets of Hugging Face have (array and sampling_rate, or bytes or path)"
)
_LARGEST_16_BIT = 32_768
_BIAS_8_BIT = 128  # the zero of unsigned 8-bit samples, as WAV files have them


def as_samples(value: Any, sample_rate: int = SAMPLE_RATE, name: str = "audio") -> np.ndarray:
    """Turns audio in any form that programs pass around into the samples that a recognizer takes.

    Args:
        value: a file (its path, its bytes, or open for reading); samples as a numpy array, a torch tensor or a list:
            (samples,), (samples, channels) or (channels, samples), floats in [-1, 1], signed integers, or unsigned
            8-bit ones; or a dict with "array" and "sampling_rate", or with "bytes" or "path".
        sample_rate: of samples that come without one, in Hz.
        name: what errors call it, where it is no file.

    Returns:
        float32 (samples,), 16 kHz, channels averaged; the array itself where it is that already.

    Raises:
        AudioError: it is none of these, or cannot be speech; the message says what is taken.
    """
    if isinstance(value, (str, os.PathLike)):
        return read_audio(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return read_audio(io.BytesIO(bytes(value)))
    if hasattr(value, "read") and hasattr(value, "seekable"):
        return read_audio(value)
    if isinstance(value, Mapping):
        return _of_mapping(value, sample_rate, name)
    if hasattr(value, "get_all_samples"):  # the decoder of torchcodec, which newer data sets give
        decoded = value.get_all_samples()
        return as_samples(decoded.data, decoded.sample_rate, name)
    mono = to_mono_16k(_frames_first(_numbers(value, name), name), sample_rate, name)
    return check_samples(mono, name)


def _of_mapping(value: Mapping[str, Any], sample_rate: int, name: str) -> np.ndarray:
    if value.get("array") is not None:
        rate = value.get("sampling_rate") or value.get("sample_rate") or sample_rate
        return as_samples(value["array"], rate, name)
    for key in ("bytes", "path"):
        if value.get(key) is not None:
            return as_samples(value[key], sample_rate, name)
    raise AudioError(name, f"is a dict with the keys {', '.join(map(str, value)) or 'none'}; {TAKEN}")


def _numbers(value: Any, name: str) -> np.ndarray:
    """The value as an array of floats, or of integers of the width that their values have."""
    if value is None or isinstance(value, (bool, int, float, complex)):
        raise AudioError(name, f"is {value!r}, of type {type(value).__name__}; {TAKEN}")
    if hasattr(value, "detach"):  # a tensor of torch, perhaps on a GPU, of a type that numpy does not have
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:  # lists of different lengths
        raise AudioError(
            name, f"of type {type(value).__name__} is no array of samples ({error}); {TAKEN}"
        ) from None
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - _BIAS_8_BIT) / _BIAS_8_BIT
    if array.dtype.kind not in "fi" and array.size:
        raise AudioError(
            name,
            f"of type {type(value).__name__} holds {array.dtype} values; floats in [-1, 1], signed integers or "
            f"unsigned 8-bit ones are needed; {TAKEN}",
        )
    if not array.size:
        raise AudioError(name, "empty: it holds no samples")
    if array.dtype.kind == "i" and array.dtype.itemsize > 2:
        peak = max(int(array.max()), -int(array.min()))
        if peak <= _LARGEST_16_BIT:  # 16-bit samples in a wider type, as lists give them
            return np.clip(array, -_LARGEST_16_BIT, _LARGEST_16_BIT - 1).astype(np.int16)
        if array.dtype.itemsize > 4:
            raise AudioError(
                name,
                f"holds {array.dtype} values up to {peak:,}; give floats in [-1, 1], or int16 or int32 samples",
            )
    if array.dtype.kind == "f":
        peak = float(np.abs(array).max())  # NaN where one is
        if 2 < peak < np.inf and np.array_equal(array, np.rint(array)):
            raise AudioError(
                name,
                f"samples reach {peak:.5g} and are whole numbers, integers that were cast to floats; divide "
                "16-bit ones by 32768, or pass the integers",
            )
    return array


def _frames_first(array: np.ndarray, name: str) -> np.ndarray:
    """(samples,) or (samples, channels) of an array of either orientation."""
    while array.ndim > 2 and array.shape[0] == 1:  # a batch of one
        array = array[0]
    if array.ndim == 2 and array.shape[0] < array.shape[1] and array.shape[0] <= MOST_CHANNELS:
        array = array.T
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > MOST_CHANNELS):
        raise AudioError(
            name, f"has shape {array.shape}; (samples,), (samples, channels) or (channels, samples) is needed"
        )
    if array.ndim == 2 and array.shape[1] > 1:
        channels = as_float32(array, name).T
        with np.errstate(invalid="ignore", over="ignore"):  # not finite then, which is refused by that name
            mixed = channels.mean(axis=0, dtype=np.float32)
        level = Level()
        level.add(channels, mixed, 0.0, SAMPLE_RATE)
        level.check(name)
        return mixed
    return array

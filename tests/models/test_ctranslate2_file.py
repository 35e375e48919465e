"""`model.bin` is read as CTranslate2 itself writes it; any broken file is refused in one line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from ctranslate2.specs import model_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from robustger.errors import InputError
from robustger.models.ctranslate2_file import open_ctranslate2_file

ARRAYS = st.dictionaries(
    st.text("abcdefgh0123456789", min_size=1, max_size=12),
    st.sampled_from([np.float32, np.int8, np.int16, np.int32, np.float16]).flatmap(
        lambda dtype: numpy_strategies.arrays(
            dtype, numpy_strategies.array_shapes(min_dims=0, max_dims=4, max_side=5)
        )
    ),
    min_size=1,
    max_size=4,
)


class Layers(model_spec.LayerSpec):
    """Whatever arrays it is given."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            setattr(self, name, array)


class Model(model_spec.ModelSpec):
    """The smallest model that CTranslate2 writes: it holds two sets of layers, the second an alias of the first."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.first = Layers(arrays)
        self.second = Layers(arrays)

    @property
    def name(self) -> str:
        return "AnySpec"

    @property
    def revision(self) -> int:
        return 4


def written(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    model = Model(arrays)
    model.validate()
    model.optimize()  # finds the aliases
    model._serialize(str(path))
    return path


@settings(max_examples=30)
@given(ARRAYS)
def test_arrays_come_back_as_ctranslate2_wrote_them(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, np.ndarray]
) -> None:
    file = open_ctranslate2_file(written(tmp_path_factory.mktemp("ct2") / "model.bin", arrays))
    assert file.kind == "AnySpec"
    assert set(file.variables) == {f"{half}/{name}" for half in ("first", "second") for name in arrays}
    for name, array in arrays.items():
        for half in ("first", "second"):
            read = file.read(f"{half}/{name}")
            assert read.dtype == array.dtype
            assert read.shape == array.shape
            assert read.tobytes() == array.tobytes()


ONE = {"weight": np.arange(12, dtype=np.float32).reshape(3, 4)}


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "model.bin", ONE).read_bytes()
    cut = tmp_path / "cut.bin"
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError) as refused:
            open_ctranslate2_file(cut)
        assert re.fullmatch(
            rf"{re.escape(str(cut))}: not a whole model of CTranslate2 \(.*\); get it again",
            str(refused.value),
        )


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("ct2") / "model.bin"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        open_ctranslate2_file(path)
    assert "\n" not in str(refused.value)


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_behind_the_version_are_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("ct2") / "model.bin"
    path.write_bytes(bytes([6, 0, 0, 0]) + content + b"\xff" * 8)
    with pytest.raises(InputError, match=r"^[^\n]*not a whole model of CTranslate2[^\n]*$"):
        open_ctranslate2_file(path)


def test_pickles_and_other_files_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    for content in (b"PK\x03\x04 a zip, as PyTorch writes", b"lmgg of whisper.cpp", b"\x80\x02 a pickle"):
        path.write_bytes(content * 9)
        with pytest.raises(InputError, match="not a model of CTranslate2, or one of another version"):
            open_ctranslate2_file(path)
    with pytest.raises(InputError, match="cannot be read"):
        open_ctranslate2_file(tmp_path / "absent.bin")


def test_an_array_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = open_ctranslate2_file(written(tmp_path / "model.bin", ONE))
    with pytest.raises(InputError, match="has no variable 'first/bias'"):
        file.read("first/bias")

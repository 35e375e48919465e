"""Reads files of `torch.save`: honest ones as torch does, hostile ones with one line and little memory."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.hostile_torch import RebuiltTensor, Touching, save_bomb
from tests.limited_memory import refusals

from robustger.errors import InputError
from robustger.torch_files import load_torch

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("zipped", [True, False])
def test_honest_files_are_read_as_by_torch(tmp_path: Path, zipped: bool) -> None:
    shared = torch.arange(12.0).reshape(3, 4)
    content = {"a": shared, "b": [shared.T, shared[1:, 2], {"c": "text"}], "d": torch.zeros(0, 5), "e": 7}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    read = load_torch(tmp_path / "x.pt")
    assert torch.equal(read["a"], shared)
    assert torch.equal(read["b"][0], shared.T)
    assert torch.equal(read["b"][1], shared[1:, 2])
    assert read["d"].shape == (0, 5)
    assert (read["b"][2], read["e"]) == ({"c": "text"}, 7)


def test_an_expanded_tensor_that_fits_into_its_file_is_read(tmp_path: Path) -> None:
    torch.save(torch.ones(1).expand(50), tmp_path / "x.pt")
    assert load_torch(tmp_path / "x.pt").tolist() == [1.0] * 50


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_small_files_that_stand_for_gigabytes_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.pt"
    save_bomb(bomb, [{"audio_features": torch.zeros(1, 4)}])
    assert bomb.stat().st_size < 10 * MEBIBYTE
    giants: list[Path] = []
    for size, strides in [((2,), (30_000_000_000,)), ((30_000_000_000,), (0,)), ((200_000, 200_000), (0, 0))]:
        for zipped in (True, False):
            giants.append(tmp_path / f"{len(giants)}.pt")
            torch.save([RebuiltTensor(size, strides)], giants[-1], _use_new_zipfile_serialization=zipped)
            assert giants[-1].stat().st_size < 2000
    first, *others = refusals("robustger.torch_files.load_torch", [bomb, *giants], beyond_mib=300)
    assert first == f"{bomb}: is compressed, which torch never does; save it again with torch.save"
    for path, message in zip(giants, others, strict=True):
        assert message.startswith(f"{path}: ")
    assert "a tensor of 200000 x 200000 in a file of" in others[-1]


def test_an_archive_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(4)}, path)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)  # its compressed and its whole size
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x\.pt: claims to hold more than its [\d,]+ bytes"):
        load_torch(path)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_a_sparse_tensor_of_any_size_is_refused(tmp_path: Path) -> None:
    torch.save(torch.sparse_coo_tensor(torch.zeros(2, 0), torch.zeros(0), (2**20, 2**20)), tmp_path / "x.pt")
    with pytest.raises(InputError, match="a tensor of 1048576 x 1048576 in a file of"):
        load_torch(tmp_path / "x.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_not_run(tmp_path: Path, zipped: bool) -> None:
    marker = tmp_path / "marker"
    torch.save({"a": Touching(marker)}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"x\.pt: not a file of data alone.*which is not run$"):
        load_torch(tmp_path / "x.pt")
    assert not marker.exists()


def _shared_lists() -> Any:
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    return value


def _list_in_itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("make", [_shared_lists, _list_in_itself])
def test_lists_that_contain_each_other_are_walked_once(tmp_path: Path, make: Any) -> None:
    torch.save(make(), tmp_path / "x.pt")
    assert isinstance(load_torch(tmp_path / "x.pt"), list)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(100), b"\x80\x02", b"text"])
def test_what_is_no_file_of_torch_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pt: not a file of") as caught:
        load_torch(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.pt: cannot be read: No such file"):
        load_torch(tmp_path / "x.pt")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_torch(tmp_path)

"""Audio files appear whole, or not at all."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from robustger.audio import AudioError, write_audio

resource = pytest.importorskip("resource")


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file of this process may grow beyond 1,000 bytes, as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("little_room")
def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_audio(path, np.zeros(100))
    before = path.read_bytes()
    with pytest.raises(AudioError, match=r"a\.wav: cannot be written: File too large$"):
        write_audio(path, np.zeros(10_000))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    write_audio(path, np.zeros(100))
    path.chmod(0o444)
    with pytest.raises(AudioError, match=r"a\.flac: is read-only"):
        write_audio(path, np.zeros(200))

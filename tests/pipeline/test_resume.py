"""Transcriptions into files that are killed and go on: the same bytes, nothing done twice, nothing mixed up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tiny_whisper import babble

from robustger.audio import write_audio
from robustger.errors import InputError
from robustger.pipeline import RobustGER
from robustger.pipeline.transcribe_to import transcribe_to
from robustger.recognition import Recognition


class Tired:
    """A recognizer that is interrupted after some batches."""

    def __init__(self, recognizer: Any, batches: int) -> None:
        self._recognizer = recognizer
        self._left = batches
        self.heard = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recognizer, name)

    def recognize(self, audios: Sequence[np.ndarray], **options: Any) -> list[Recognition]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self.heard += len(audios)
        return self._recognizer.recognize(audios, **options)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Recordings of 60, 1 and 50 s: more than four batches of windows of 2 s."""
    names = [str(tmp_path / f"{name}.wav") for name in ("long", "short", "last")]
    for seed, (name, seconds) in enumerate(zip(names, (60, 1, 50), strict=True)):
        write_audio(name, babble(seconds, seed))
    return names


def attempt(robustger: RobustGER, batches: int, identity: str = "a") -> tuple[RobustGER, Tired]:
    tired = Tired(robustger.recognizer, batches)
    return (
        RobustGER(
            lambda: tired,  # type: ignore[arg-type,return-value]
            lambda: robustger.corrector,
            beams=6,
            find_speech=False,
            identity={"model": identity},
        ),
        tired,
    )


@pytest.mark.parametrize(("output", "format"), [("all.json", "json"), ("texts", "vtt")])
def test_a_killed_run_goes_on_to_the_same_bytes(
    robustger: RobustGER, files: list[str], tmp_path: Path, output: str, format: str
) -> None:
    def written(name: str) -> list[bytes]:
        path = tmp_path / name
        found = sorted(path.iterdir()) if path.is_dir() else [path]
        return [file.read_bytes() for file in found]

    whole, untired = attempt(robustger, 99)
    transcribe_to(whole, files, str(tmp_path / f"whole-{output}"), format=format)
    heard = []
    for batches in (2, 1, 99):
        again, tired = attempt(robustger, batches)
        try:
            transcribe_to(again, files, str(tmp_path / output), format=format)
        except KeyboardInterrupt:
            assert batches < 99
            assert (tmp_path / f"{output}.partial" / "state.json").exists()
        heard.append(tired.heard)
    assert written(output) == written(f"whole-{output}")
    assert sum(heard) == untired.heard
    assert heard[2] == untired.heard - 48
    assert not (tmp_path / f"{output}.partial").exists()


def test_another_command_is_refused_by_name_or_starts_over(
    robustger: RobustGER, files: list[str], tmp_path: Path
) -> None:
    output = str(tmp_path / "all.json")
    with pytest.raises(KeyboardInterrupt):
        transcribe_to(attempt(robustger, 2)[0], files, output)
    for arguments, key in (
        ({"identity": "b"}, "model was 'a', now 'b'"),
        ({"window_seconds": 1.5}, "window_seconds was None, now 1.5"),
        ({"files": files[:2]}, "files was "),
    ):
        options: dict[str, Any] = dict(arguments)
        other, _ = attempt(robustger, 99, options.pop("identity", "a"))
        with pytest.raises(InputError, match=key) as error:
            transcribe_to(other, options.pop("files", files), output, **options)
        assert "--restart" in str(error.value)
        assert "\n" not in str(error.value)
    other, tired = attempt(robustger, 99, "b")
    transcribe_to(other, files, output, restart=True)
    assert tired.heard > 32
    assert not (tmp_path / "all.json.partial").exists()


def test_names_that_are_not_utf8_are_kept_like_others(
    robustger: RobustGER, files: list[str], tmp_path: Path
) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/n\xe9 1.wav")
    try:
        os.rename(files[0], odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    whole, untired = attempt(robustger, 99)
    transcribe_to(whole, [odd], str(tmp_path / "whole.json"))
    with pytest.raises(KeyboardInterrupt):
        transcribe_to(attempt(robustger, 2)[0], [odd], str(tmp_path / "all.json"))
    again, tired = attempt(robustger, 99)
    transcribe_to(again, [odd], str(tmp_path / "all.json"))
    assert tired.heard == untired.heard - 2 * 16
    assert (tmp_path / "all.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_short_runs_leave_and_need_nothing(robustger: RobustGER, files: list[str], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        transcribe_to(attempt(robustger, 1)[0], files, str(tmp_path / "all.json"))
    assert sorted(tmp_path.iterdir()) == sorted(map(Path, files))
    summary = transcribe_to(attempt(robustger, 1)[0], files[1:2], str(tmp_path / "short.txt"))
    assert (summary.files, summary.segments) == (1, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"long.wav", "short.wav", "last.wav", "short.txt"}

"""Fixtures of the tests of mixing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mixing.clean_world import speech

from robustger.audio import write_audio
from robustger.manifest import Utterance, save_manifest


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clean utterances, one of them loud, and noise of three kinds."""
    folder = tmp_path_factory.mktemp("world")
    for kind, count in (("rain", 3), ("siren", 2)):
        (folder / "noise" / kind).mkdir(parents=True)
        for number in range(count):
            write_audio(folder / "noise" / kind / f"{number}.wav", speech(0.7 + number, 10 * count + number))
    write_audio(folder / "noise" / "hum.flac", speech(2, 99))
    (folder / "noise" / "README.txt").write_text("not noise")
    (folder / "noise" / ".hidden.wav").write_text("not noise")
    clean = []
    for number in range(9):
        path = folder / f"{number}.wav"
        write_audio(path, speech(0.4 + 0.1 * number, number, 1.0 if number == 4 else 0.1))
        clean.append(Utterance(f"s/{number}", path, text=f"sentence {number}", meta={"voice": "v"}))
    clean[8] = Utterance("part", folder / "8.wav", start=0.25, end=0.75)
    save_manifest(clean, folder / "clean.jsonl")
    return folder

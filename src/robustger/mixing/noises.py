"""Finds noise recordings and their kinds, and splits them for training and testing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustger.errors import InputError

_SUFFIXES = "wav flac ogg opus mp3 aif aiff au caf w64 m4a mp4 aac webm mka wma"
AUDIO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
_PARTS = ("train", "test", "all")


@dataclass(frozen=True, slots=True)
class NoiseFile:
    """A noise recording.

    Attributes:
        path: the file.
        name: the file as manifests call it, the same on every machine: the name of the folder that was given and the
            path inside it.
        label: the kind of noise: the first folder inside the folder that was given, or else the file name without its
            suffix.
    """

    path: Path
    name: str
    label: str


def find_noises(sources: Iterable[str | Path]) -> list[NoiseFile]:
    """The recordings among files and folders, sorted by name.

    Args:
        sources: files, and folders, which are searched at every depth for files with the suffix of an audio format.
            Hidden files and folders are passed over.

    Raises:
        InputError: a source that does not exist, a folder without recordings, two recordings of the same name.
    """
    noises: dict[str, NoiseFile] = {}
    for source in map(Path, sources):
        if source.is_dir():
            found = list(_in_folder(source))
            if not found:
                raise InputError(
                    f"{source}: no audio files in this folder; name a folder of noise recordings"
                )
        elif source.is_file():
            found = [NoiseFile(source, source.name, source.stem)]
        else:
            raise InputError(f"{source}: no such file or folder; name noise recordings")
        for noise in found:
            if noise.name in noises and not noise.path.samefile(noises[noise.name].path):
                raise InputError(
                    f"{noise.path}: is called {noise.name!r} like {noises[noise.name].path}; rename one"
                )
            noises[noise.name] = noise
    return [noises[name] for name in sorted(noises)]


def split_noises(noises: Sequence[NoiseFile], part: str, test_fraction: float = 0.2) -> list[NoiseFile]:
    """Picks the recordings for training or those for testing. No recording is in both, with any seed of the mixing.

    Recordings of a kind are ordered by a hash of their names, and the first are for testing: the fraction asked for, at
    least one, at most all but one. Kinds of a single recording are taken together as one kind. So the sides depend on
    the set of recordings and nothing else.

    Args:
        noises: from `find_noises`.
        part: "train", "test" or "all".
        test_fraction: how many of a kind are for testing, between 0 and 1.

    Raises:
        InputError: an unknown part, a fraction outside 0 to 1, or nothing on the side asked for.
    """
    if part not in _PARTS:
        raise InputError(f"unknown split {part!r}; choose one of: {', '.join(_PARTS)}")
    if not 0 < test_fraction < 1:
        raise InputError(f"the fraction of noise for testing must lie between 0 and 1, not {test_fraction:g}")
    if part == "all":
        return list(noises)
    kinds: dict[str, list[NoiseFile]] = {}
    for noise in noises:
        kinds.setdefault(noise.label, []).append(noise)
    singles = [kind[0] for kind in kinds.values() if len(kind) == 1]
    groups = [kind for kind in kinds.values() if len(kind) > 1] + ([singles] if singles else [])
    testing: set[str] = set()
    for group in groups:
        ordered = sorted(group, key=lambda noise: hashlib.sha256(noise.name.encode()).digest())
        count = min(max(1, round(test_fraction * len(group))), len(group) - 1)
        testing.update(noise.name for noise in ordered[:count])
    side = [noise for noise in noises if (noise.name in testing) == (part == "test")]
    if not side:
        raise InputError(f"no noise recording is left for {part!r}; give at least two, or --split all")
    return side


def _in_folder(folder: Path) -> Iterable[NoiseFile]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file() and not hidden:
            label = inside.parts[0] if len(inside.parts) > 1 else path.stem
            yield NoiseFile(path, f"{folder.resolve().name}/{inside.as_posix()}", label)

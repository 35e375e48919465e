"""Defines `Utterance`, the entry of a manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXTS = ("id", "audio", "text", "clean_audio", "noise")
NUMBERS = ("snr_db", "start", "end")
KEYS = (*TEXTS, *NUMBERS, "meta")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording, or a stretch of one.

    Attributes:
        id: names the utterance; not empty.
        audio: the recording.
        text: what is said in it, where known.
        clean_audio: the same utterance without noise, sample by sample alongside `audio`; `start` and `end` hold for
            both.
        noise: the noise in it: a label or a file.
        snr_db: how loud the speech is against the noise, in dB.
        start: where the utterance begins in the recording, in seconds; None is the beginning.
        end: where it ends, in seconds; None is the end.
        meta: anything else.
    """

    id: str
    audio: Path
    text: str | None = None
    clean_audio: Path | None = None
    noise: str | None = None
    snr_db: float | None = None
    start: float | None = None
    end: float | None = None
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_dict(self, folder: str | Path | None = None) -> dict[str, Any]:
        """The fields of one line of a JSONL manifest, without unknown ones.

        Args:
            folder: paths of files inside this folder are written relative to it, others absolute. None leaves all
                paths as they are.
        """
        fields: dict[str, Any] = {"id": self.id, "audio": path_in(folder, self.audio)}
        for key in KEYS[2:-1]:
            value = getattr(self, key)
            if value is not None:
                fields[key] = path_in(folder, value) if isinstance(value, Path) else value
        if self.meta:
            fields["meta"] = dict(self.meta)
        return fields


def path_in(folder: str | Path | None, path: Path) -> str:
    """The path as a manifest states it: relative inside its folder, else absolute; unchanged without a folder."""
    if folder is None:
        return str(path)
    absolute, base = os.path.abspath(path), os.path.abspath(folder)
    inside = os.path.commonpath([absolute, base]) == base
    return Path(os.path.relpath(absolute, base)).as_posix() if inside else absolute

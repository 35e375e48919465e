"""Writes the lists, embeddings and problems of a run into its journal, and publishes them when the run is complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robustger.errors import InputError
from robustger.hypotheses import NBest
from robustger.hypotheses.audio_embeddings import EMBEDDING_KINDS, embeddings_path, write_embeddings
from robustger.recognition.bulk.journal import Journal, check_same_settings
from robustger.recognition.recognizer import AudioEmbedding

LISTS, PROBLEMS = "lists.jsonl", "problems.jsonl"  # files of the journal


class ListWriter:
    """Collects the results of a run. They count from `commit` on, and are visible from `publish` on.

    Args:
        journal: keeps the work of the run.
        target: the file of N-best lists that appears at the end.
        embedding_frames: the frames over which stored embeddings are means: `real` or `all`.
    """

    def __init__(self, journal: Journal, target: Path, embedding_frames: str) -> None:
        self._journal = journal
        self._target = target
        self._embedding_frames = embedding_frames
        self._counts = journal.progress.counts
        for name in ("utterances", "lists", "problems", "samples", "size", *EMBEDDING_KINDS):
            self._counts.setdefault(name, 0)

    def add_list(self, nbest: NBest, noisy: AudioEmbedding | None, clean: AudioEmbedding | None) -> None:
        """Adds a list with its embeddings.

        Args:
            nbest: the list.
            noisy: the embedding of its audio; None stores none.
            clean: the embedding of the clean recording; stored only beside a noisy one.
        """
        if noisy is not None:
            place: dict[str, Any] = {"file": embeddings_path(self._target).name}
            place["noisy"] = self._add_embedding("noisy", nbest.id, noisy)
            if clean is not None:
                place["clean"] = self._add_embedding("clean", nbest.id, clean)
            nbest = replace(nbest, audio_embedding=place)
        line = json.dumps(nbest.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"
        self._journal.append(LISTS, line.encode())
        self._counts["lists"] += 1

    def add_problem(self, line: int, message: str) -> None:
        """Adds a problem.

        Args:
            line: of the manifest.
            message: one line on what is wrong.
        """
        problem = {"line": line, "message": message}
        self._journal.append(PROBLEMS, json.dumps(problem, ensure_ascii=False).encode() + b"\n")
        self._counts["problems"] += 1

    def problems(self) -> list[dict[str, Any]]:
        """The problems of committed chunks: `line` and `message` of each."""
        path = self._journal.path(PROBLEMS)
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def commit(self, rows: int, samples: int) -> None:
        """Makes all that was added durable.

        Args:
            rows: how many rows of the manifest are done with it.
            samples: how long their recordings are.
        """
        self._counts["utterances"] += rows
        self._counts["samples"] += samples
        self._journal.commit()

    def publish(self) -> dict[str, Any]:
        """Gives the results their names, the lists last, and returns the record of the run."""
        from robustger.audio import SAMPLE_RATE

        journal, counts = self._journal, self._counts
        kinds = [kind for kind in EMBEDDING_KINDS if counts[kind]]
        if kinds:
            journal.publish(
                embeddings_path(self._target),
                lambda file: write_embeddings(
                    file,
                    {kind: journal.path(f"{kind}.f32") for kind in kinds},
                    {kind: journal.path(f"{kind}.ids") for kind in kinds},
                    counts["size"],
                ),
            )
        record = {
            "settings": journal.progress.settings,
            "utterances": counts["utterances"],
            "lists": counts["lists"],
            "audio_seconds": counts["samples"] / SAMPLE_RATE,
            "problems": self.problems(),
        }
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        journal.publish(record_path(self._target), lambda file: file.write(text.encode()))
        journal.publish_copy(self._target, LISTS)
        journal.discard()
        return record

    def _add_embedding(self, kind: str, id_: str, means: AudioEmbedding) -> int:
        """Adds a row to the embeddings of a kind and returns its number."""
        embedding = means.real if self._embedding_frames == "real" else means.padded
        assert embedding is not None, "the recognizer says that it pads"
        self._journal.append(f"{kind}.f32", embedding.astype("<f4").tobytes())
        self._journal.append(f"{kind}.ids", json.dumps(id_).encode() + b"\n")
        self._counts["size"] = embedding.size
        self._counts[kind] += 1
        return self._counts[kind] - 1


def record_path(target: Path) -> Path:
    """The file that says how the lists in `target` were made."""
    return target.with_name(f"{target.stem}.run.json")


def complete_record(target: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the complete run that wrote `target`.

    Raises:
        InputError: there is no record, or that run had other settings.
    """
    try:
        record = json.loads(record_path(target).read_text(encoding="utf-8"))
        before = record["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{target}: exists, and nothing says how it was made; name another output, or overwrite it with --restart"
        ) from None
    check_same_settings(before, json.loads(json.dumps(settings)), f"{target}: was made")
    return record

"""Correctors that are there already, a preset or a checkpoint, on the lists of a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from robustger.correction.checkpoint import checkpoint_folder
from robustger.experiments.experiment import Context
from robustger.experiments.measures.scoreboard import System
from robustger.experiments.runs.worker import unguarded
from robustger.experiments.systems.kept import kept
from robustger.hypotheses import NBest, load_nbest

REVISION = 1  # raised when correctors answer otherwise: the answers that are kept are of one


def checkpoint_systems(context: Context, sets: Mapping[str, Sequence[NBest]]) -> list[System]:
    """Two systems of every corrector: under the guard that it comes with, and under none.

    Args:
        context: names the correctors; its cache keeps the transcripts.
        sets: test lists by test set.

    Raises:
        InputError: a name is no checkpoint and no preset, or needs embeddings of the audio that a list has not.
    """
    systems = []
    for name in context.checkpoints:
        found = _corrected(context, name, sets)
        systems.append(System(name, ({id_: one[0] for id_, one in found.items()},)))
        systems.append(System(f"{name}, no guard", ({id_: one[1] for id_, one in found.items()},)))
    return systems


def checkpoint_digest(name: str) -> str:
    """SHA-256 over all files of a checkpoint or preset.

    Raises:
        InputError: it is neither.
    """
    digest = hashlib.sha256()
    for path in sorted(checkpoint_folder(name).iterdir()):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _corrected(
    context: Context, name: str, sets: Mapping[str, Sequence[NBest]]
) -> dict[str, tuple[str, str]]:
    """By list id: the text under its guard, and without; from the cache where the same was asked before."""
    from robustger.correction import Corrector
    from robustger.training.audio_rows import heard_beside

    lists = [nbest for one in sets.values() for nbest in one]
    digest = hashlib.sha256()
    for nbest in lists:
        digest.update(json.dumps(nbest.to_dict(), sort_keys=True).encode())

    def make() -> dict[str, tuple[str, str]]:
        context.say(f"{name}: {len(lists)} lists")
        beside = {
            nbest.id: file
            for files in context.data.tests.values()
            for file in files
            for nbest in load_nbest(file)
        }
        heard = heard_beside((beside[nbest.id], nbest) for nbest in lists)
        corrector = Corrector.from_pretrained(name)
        corrector.borrow_noise_among(lists)
        found = corrector.correct(lists, heard=heard)
        return {transcript.id: (transcript.text, unguarded(transcript)) for transcript in found}

    asked = [REVISION, checkpoint_digest(name), digest.hexdigest()]
    return {id_: tuple(texts) for id_, texts in kept(context, "corrected", asked, make).items()}

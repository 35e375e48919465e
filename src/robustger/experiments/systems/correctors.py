"""Correctors as systems of a table: those that were trained for it, and presets or checkpoints beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from robustger.correction.checkpoint import checkpoint_folder
from robustger.experiments.experiment import NORMALIZER, UNGUARDED, UNTRAINED, Context, unguarded
from robustger.experiments.measures.scoreboard import Scoreboard, System
from robustger.experiments.systems.kept import kept
from robustger.hypotheses import NBest, load_nbest

ANSWERS_REVISION = 1  # increased when answers of correctors change, so that old ones are not reused

Columns = Mapping[str, tuple[str, str]]
"""The arm and the change behind each column of a table, by title."""


def test_sets(context: Context) -> dict[str, list[NBest]]:
    """The lists that systems are compared on: those that trainings were tested on, or all where there are none."""
    if not context.decoded:
        return context.data.test_lists(context.quick)
    decoded = set(context.decoded)
    sets = {
        name: [nbest for nbest in lists if nbest.id in decoded]
        for name, lists in context.data.test_lists().items()
    }
    return {name: lists for name, lists in sets.items() if lists}


def scoreboard(
    context: Context, systems: Sequence[System], normalizer: str = NORMALIZER, *, crossed: bool = False
) -> Scoreboard:
    """The systems on the lists that all of them were tested on; see `Scoreboard`."""
    scored = [nbest for lists in context.data.test_lists().values() for nbest in lists]
    return Scoreboard(test_sets(context), systems, normalizer, scored, crossed=crossed)


def trained_systems(
    context: Context, columns: Columns, guard: str = UNGUARDED
) -> tuple[list[System], list[str]]:
    """The correctors that were trained for the experiment.

    Args:
        context: with the finished trainings.
        columns: the arm and the change of each system, by title.
        guard: `UNGUARDED` or `GUARDED`.

    Returns:
        the systems, and a line for each whose training is missing or lacks some seeds.
    """
    systems, notes = [], []
    for title, (arm, change) in columns.items():
        runs = context.runs(arm, change)
        seeds = tuple(run.seed for run in runs)
        asked = context.seeds[:1] if arm == UNTRAINED else context.seeds
        if lacking := [str(seed) for seed in asked if seed not in seeds]:
            seed = "seed" if len(lacking) == 1 else "seeds"
            why = context.left_out.get(context.key(arm, change, asked[0]), "not trained")
            notes.append(f"{title}: no results of {seed} {', '.join(lacking)}: {why}.")
        if runs:
            systems.append(
                System(
                    title,
                    tuple(run.texts(guard) for run in runs),
                    () if arm == UNTRAINED else seeds,
                    runs[0].parameters,
                    tuple(run.losses for run in runs),
                    tuple(run.log for run in runs),
                    None if arm == UNTRAINED else runs[0].first_layer,
                    None if arm == UNTRAINED else runs[0].slots,
                )
            )
    return systems, notes


def checkpoint_systems(context: Context, sets: Mapping[str, Sequence[NBest]]) -> list[System]:
    """Two systems for every preset or checkpoint of the context: one under its own guard, one without a guard.

    Args:
        context: names the correctors; its cache keeps the transcripts.
        sets: test lists by test set.

    Raises:
        InputError: a name is neither a checkpoint nor a preset, or a list lacks the audio embedding that it needs.
    """
    systems = []
    for name in context.checkpoints:
        found = _corrected(context, name, sets)
        systems.append(System(name, ({id_: one[0] for id_, one in found.items()},)))
        systems.append(System(f"{name}, no guard", ({id_: one[1] for id_, one in found.items()},)))
    return systems


def checkpoint_digest(name: str) -> str:
    """The SHA-256 over all files of a checkpoint or preset.

    Raises:
        InputError: the name is neither.
    """
    digest = hashlib.sha256()
    for path in sorted(checkpoint_folder(name).iterdir()):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _corrected(
    context: Context, name: str, sets: Mapping[str, Sequence[NBest]]
) -> dict[str, tuple[str, str]]:
    """The texts under the corrector's guard and without one, by list id, from the cache where they are known."""
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

    asked = [ANSWERS_REVISION, checkpoint_digest(name), digest.hexdigest()]
    return {id_: tuple(texts) for id_, texts in kept(context, "corrected", asked, make).items()}

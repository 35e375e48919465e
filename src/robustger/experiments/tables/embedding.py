"""Shows what the noise embedding knows about the noise: the paper's t-SNE figure, and the distances of its Table 17.

Three embeddings of the same lists are compared: that of the audio (the mean over time of the recognizer's encoder),
E_LN, and the output of the trained tuner T_w for E_LN, without distillation and with it. All rows of E_LN together are
one vector.

An embedding depends far more on the sentence than on the noise. A second figure therefore shows what noise changes: the
embedding of each list minus that of the same sentence in clean speech.

A t-SNE easily shows what one hopes to see: its distances mean nothing, and its clusters depend on its settings. The
table therefore gives the same in numbers: how many of a list's nearest neighbors in the embedding itself, among lists
of other sentences, have the same noise, and how many have the same SNR.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robustger.errors import InputError, MissingExtraError
from robustger.evaluation.measured import Measured
from robustger.evaluation.tables import Table
from robustger.experiments.conditions import CLEAN, noise_kind, snr_db
from robustger.experiments.experiment import Context, Experiment, Findings, Needs
from robustger.experiments.measures.embeddings import (
    NEIGHBORS,
    Label,
    averaged,
    distances,
    pairs,
    same_by_chance,
    same_label,
)
from robustger.hypotheses import NBest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robustger.correction import Corrector

AUDIO_EMBEDDING, STORED = "audio", "E_LN"
TUNED = {"robustger": "T_w(E_LN), no distillation", "mine-paper": "T_w(E_LN), distilled"}
SHOWN_KINDS = 6  # of noise in the figure, as in the paper; those with most lists
LABELS: dict[str, Label] = {"same noise": noise_kind, "same SNR": snr_db}
LESS_CLEAN = ", less clean"
_BATCH = 256
_COMPONENTS = 50  # embeddings are reduced to so many dimensions before t-SNE, as its authors advise


def audio_embeddings(lists: Sequence[NBest], folder: Path) -> np.ndarray | None:
    """The recognizer's embeddings of the audio of lists, (n, D); None where a list has none."""
    from robustger.hypotheses.audio_embeddings import AudioEmbeddings

    files = AudioEmbeddings(folder)
    rows = [files.get(nbest, "noisy") for nbest in lists]
    known = [row for row in rows if row is not None]
    return np.stack(known) if len(known) == len(rows) else None


def noise_embeddings(lists: Sequence[NBest]) -> np.ndarray:
    """The E_LN of every list, (n, N(N-1) D), with all rows in one vector; N is 5, the variant is `paper`."""
    from robustger.noise.embedding import NoiseEmbedder
    from robustger.noise.extractors import SentenceBert

    embed = NoiseEmbedder(SentenceBert())
    batches = (lists[start : start + _BATCH] for start in range(0, len(lists), _BATCH))
    return np.concatenate([embed([nbest.texts for nbest in batch]).flatten(1).numpy() for batch in batches])


def tuned_embeddings(corrector: Corrector, lists: Sequence[NBest]) -> np.ndarray:
    """The output of the corrector's tuner for the E_LN of every list, (n, D): all rows of all layers in one vector.

    Raises:
        InputError: the corrector's variant tunes no noise embedding.
    """
    import torch

    tuned = []
    with torch.no_grad():
        for start in range(0, len(lists), _BATCH):
            noise = corrector.noise_embedding([nbest.texts for nbest in lists[start : start + _BATCH]])
            parts = corrector.llm.adapter.tuned_noise(noise.to(corrector.llm.device))
            if not parts:
                raise InputError(
                    "the variant ger has no noise embedding; name checkpoints of another variant"
                )
            tuned.append(torch.cat(parts, dim=-1).flatten(1).float().cpu().numpy())
    return np.concatenate(tuned)


def t_sne(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """The vectors on a plane, (n, 2): t-SNE of their first 50 principal components, started from the first two.

    The perplexity is 30, or a third of the lists where there are fewer than 90.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtraError("scikit-learn", "plots") from None
    count = len(vectors)
    reduced = PCA(min(_COMPONENTS, count, vectors.shape[1]), random_state=seed).fit_transform(vectors)
    plane = TSNE(perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)
    return plane.fit_transform(reduced)


def frequent_kinds(lists: Sequence[NBest], count: int = SHOWN_KINDS) -> list[str]:
    """The kinds of noise with most lists, by name among equals; clean speech is not a kind of noise."""
    counted = Counter(noise_kind(nbest) for nbest in lists)
    counted.pop(CLEAN, None)
    return sorted(sorted(counted), key=lambda kind: -counted[kind])[:count]


@dataclass(frozen=True, slots=True)
class CleanPairs:
    """Lists with noise, and the lists of the same sentences in clean speech.

    Attributes:
        noisy: lists with noise.
        clean: lists of clean speech, one for each sentence.
        partners: the position in `clean` of each noisy list's partner.
    """

    noisy: Sequence[NBest]
    clean: Sequence[NBest]
    partners: Sequence[int]

    @classmethod
    def of(cls, found: Sequence[tuple[NBest, NBest]]) -> CleanPairs:
        """From pairs of lists, noisy and clean."""
        clean = {partner.id: partner for _, partner in found}
        rows = {id_: row for row, id_ in enumerate(clean)}
        return cls(
            [nbest for nbest, _ in found], list(clean.values()), [rows[partner.id] for _, partner in found]
        )

    @property
    def lists(self) -> list[NBest]:
        """All lists: those with noise, then those of clean speech."""
        return [*self.noisy, *self.clean]

    def moved(self, vectors: np.ndarray) -> np.ndarray:
        """The embeddings of the lists with noise minus those of their clean partners.

        Args:
            vectors: of all lists, shape (n, D).
        """
        return vectors[: len(self.noisy)] - vectors[len(self.noisy) :][list(self.partners)]


def _embedding(context: Context) -> Findings:
    """Embeds the test lists at the data's SNRs and their clean partners.

    Raises:
        InputError: the data has no clean speech of the same sentences, or no lists with noise.
        MissingExtraError: scikit-learn is not installed.
    """
    from robustger.correction import Corrector

    clean = context.data.clean_lists()
    if not clean:
        raise InputError(
            f"{context.data.source}: has no lists of the same sentences in clean speech to compare noise "
            "with; add 'clean:' to the data file"
        )
    noisy = [nbest for lists in context.data.test_lists(context.quick).values() for nbest in lists]
    found = pairs(clean, noisy, context.data.snrs_db)
    paired = CleanPairs.of(found)
    context.say(f"{len(paired.noisy):,} lists with noise, {len(paired.clean):,} of clean speech")
    vectors: dict[str, np.ndarray] = {}  # of the first seed
    measured: dict[str, dict[str, Measured]] = {}

    def measure(embedded: np.ndarray) -> dict[str, Measured]:
        count = len(paired.noisy)
        return distances(found, embedded[:count], embedded[count:], paired.partners)

    folders = {path.parent for paths in (*context.data.tests.values(), context.data.clean) for path in paths}
    audio = audio_embeddings(paired.lists, folders.pop()) if len(folders) == 1 else None
    for name, embedded in ((AUDIO_EMBEDDING, audio), (STORED, noise_embeddings(paired.lists))):
        if embedded is not None:
            vectors[name] = embedded
            measured[name] = measure(embedded)
    for arm, name in TUNED.items():
        seeds = []
        for finished in context.runs(arm):
            corrector = Corrector.from_pretrained(finished.checkpoint)
            embedded = tuned_embeddings(corrector, paired.lists)
            vectors.setdefault(name, embedded)
            seeds.append(measure(embedded))
        if seeds:
            measured[name] = averaged(seeds)
    return findings_of(context, paired, vectors, measured)


def findings_of(
    context: Context,
    paired: CleanPairs,
    vectors: Mapping[str, np.ndarray],
    measured: Mapping[str, Mapping[str, Measured]],
) -> Findings:
    """The tables and figures of measured embeddings.

    Args:
        context: of the experiment.
        paired: the lists.
        vectors: their embeddings by name, each of shape (lists, D).
        measured: distances by name of the embedding and kind of noise.
    """
    near = _neighbors(paired, vectors)
    kinds = frequent_kinds(paired.noisy)
    moved = {name: paired.moved(embedded) for name, embedded in vectors.items()}
    notes = []
    if AUDIO_EMBEDDING not in vectors:
        notes.append("No embedding of the audio: not all lists have one, or they lie in several folders.")
    if missing := [name for name in TUNED.values() if name not in vectors]:
        notes.append(f"Missing, because it was not trained: {', '.join(missing)}.")
    counts = Counter(noise_kind(nbest) for nbest in paired.lists)
    return Findings(
        results={
            "distances": {
                name: {kind: value.to_json_dict() for kind, value in one.items()}
                for name, one in measured.items()
            },
            "neighbors": {
                name: {what: value.to_json_dict() for what, value in one.items()}
                for name, one in near.items()
            },
            "lists": dict(counts),
            "kinds_in_the_figures": kinds,
        },
        tables=(
            _distance_table(measured, counts),
            *([_neighbor_table(near)] if near else []),
        ),
        figures={
            "": lambda: _map(paired.lists, vectors, kinds, context.seeds[0]),
            "-moved": lambda: _map(paired.noisy, moved, kinds, context.seeds[0]),
        },
        notes=tuple(notes),
    )


def _neighbors(paired: CleanPairs, vectors: Mapping[str, np.ndarray]) -> dict[str, dict[str, Measured]]:
    """The shares of neighbors with the same label, by embedding and label; empty where there are too few sentences."""
    parts = {
        f"{what}{added}": (lists, label, added)
        for added, lists in (("", paired.lists), (LESS_CLEAN, paired.noisy))
        for what, label in LABELS.items()
    }
    if len(paired.clean) <= NEIGHBORS:
        return {}
    found = {
        name: {
            what: same_label(paired.moved(embedded) if added else embedded, lists, label)
            for what, (lists, label, added) in parts.items()
        }
        for name, embedded in vectors.items()
    }
    chance = {what: Measured(same_by_chance(lists, label)) for what, (lists, label, _) in parts.items()}
    return found | {"by chance": chance}


def _map(
    lists: Sequence[NBest], vectors: Mapping[str, np.ndarray], kinds: Sequence[str], seed: int
) -> Figure:
    """The figure of the lists of clean speech and of some kinds of noise."""
    from robustger.experiments.figures.embedding_plot import map_of_lists

    rows = [row for row, nbest in enumerate(lists) if noise_kind(nbest) in (*kinds, CLEAN)]
    planes = {name: t_sne(embedded[rows], seed) for name, embedded in vectors.items()}
    return map_of_lists(planes, [(noise_kind(lists[row]), snr_db(lists[row])) for row in rows], kinds)


def _distance_table(measured: Mapping[str, Mapping[str, Measured]], counts: Mapping[str, int]) -> Table:
    rows = tuple(
        (kind, f"{counts[kind]:,}" if counts[kind] else "", *(one[kind].cell(3) for one in measured.values()))
        for kind in next(iter(measured.values()))
    )
    return Table(
        "How far noise moves the embedding from that of clean speech",
        ("noise", "lists", *measured),
        rows,
        notes="In units of the spread of clean speech: 1 is as far as a sentence lies from the mean of all. 95 % "
        "intervals from a bootstrap over sentences, but for means over seeds. The paper (its Table 17) does not say "
        "what its distances are, so they are not to be compared with these.",
    )


def _neighbor_table(near: Mapping[str, Mapping[str, Measured]]) -> Table:
    return Table(
        f"Share of the {NEIGHBORS} nearest lists of other sentences with the same label, in %",
        ("embedding", *next(iter(near.values()))),
        tuple((name, *(value.percent().cell(1) for value in one.values())) for name, one in near.items()),
        notes="Measured in the embeddings themselves, over all kinds of noise; clean speech counts as a kind and a "
        f"level. '{LESS_CLEAN.strip(', ')}': in the embedding minus that of the same sentence in clean speech, among "
        "lists with noise. 95 % intervals from a bootstrap over sentences.",
    )


EMBEDDING = Experiment(
    "embedding",
    "t-SNE of the noise embedding with and without distillation, and how far noise moves it (the paper's Table 17)",
    _embedding,
    needs=lambda scale: Needs(arms=tuple(TUNED)),
)

"""What the noise embedding knows of the noise: the paper's t-SNE figure, and the distances of its Table 17.

Three embeddings of the same lists: that of the audio (the mean over time of the recogniser's encoder), E_LN, and what
the trained tuner T_w makes of E_LN, without distillation and with it. The rows of E_LN count as one vector.

A t-SNE shows what one hopes to see as often as what is there: its distances mean nothing, and its clusters depend on
its settings. So beside it stands what it should show, in numbers: how many of a list's nearest neighbours in the
embedding itself, among lists of other sentences, are of the same noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robustger.errors import InputError, MissingExtraError
from robustger.evaluation.tables import Table
from robustger.experiments.base import Context, Experiment, Needs, Outcome
from robustger.experiments.comparison import published_beside
from robustger.experiments.conditions import CLEAN, noise_kind, sentence, snr_db
from robustger.experiments.distances import averaged, distances, pairs
from robustger.experiments.measured import Measured, mean
from robustger.hypotheses import NBest

if TYPE_CHECKING:
    from robustger.correction import Corrector

AUDIO, STORED = "audio", "E_LN"
ARMS = {"robustger": "T_w(E_LN), no distillation", "mine-paper": "T_w(E_LN), distilled"}
KINDS = 6  # of noise in the figure, as in the paper's; those with most lists
NEIGHBOURS = 10
_BATCH = 256
_COMPONENTS = 50  # to which embeddings are reduced before t-SNE, as its authors advise


def audio_embeddings(lists: Sequence[NBest], folder: Path) -> np.ndarray | None:
    """The recogniser's embeddings of what it heard, (n, D); None where a list has none."""
    from robustger.recognition.embeddings import AudioEmbeddings

    files = AudioEmbeddings(folder)
    rows = [files.get(nbest, "noisy") for nbest in lists]
    known = [row for row in rows if row is not None]
    return np.stack(known) if len(known) == len(rows) else None


def noise_embeddings(lists: Sequence[NBest]) -> np.ndarray:
    """E_LN of every list, (n, N(N-1) D): all its rows as one vector; N is 5, the variant `paper`."""
    from robustger.noise.embedding import NoiseEmbedder
    from robustger.noise.extractors import SentenceBert

    embed = NoiseEmbedder(SentenceBert())
    batches = (lists[start : start + _BATCH] for start in range(0, len(lists), _BATCH))
    return np.concatenate([embed([nbest.texts for nbest in batch]).flatten(1).numpy() for batch in batches])


def tuned_embeddings(corrector: Corrector, lists: Sequence[NBest]) -> np.ndarray:
    """What the corrector's adapter makes of E_LN, (n, D): all its rows, and of all its layers, as one vector.

    Raises:
        InputError: the corrector's variant tunes no noise embedding.
    """
    import torch

    tuned = []
    with torch.no_grad():
        for start in range(0, len(lists), _BATCH):
            noise = corrector.noise_embedding([nbest.texts for nbest in lists[start : start + _BATCH]])
            parts = corrector.llm.adapter.tuned_noise(noise)
            if not parts:
                raise InputError("the variant ger has no noise embedding; name checkpoints of another")
            tuned.append(torch.cat(parts, dim=-1).flatten(1).float().cpu().numpy())
    return np.concatenate(tuned)


def same_noise(vectors: np.ndarray, lists: Sequence[NBest], neighbours: int = NEIGHBOURS) -> Measured:
    """The share of a list's nearest neighbours that are of the same kind of noise.

    Neighbours are lists of other sentences, by Euclidean distance: those of the same sentence are near because of
    the sentence. Clean speech counts as a kind.

    Args:
        vectors: shape (n, D).
        lists: n, of more than `neighbours` sentences.
        neighbours: how many.
    """
    kinds = np.array([noise_kind(nbest) for nbest in lists])
    sentences = np.array([sentence(nbest) for nbest in lists])
    squares = (vectors**2).sum(1)
    shares = np.empty(len(lists))
    for start in range(0, len(lists), _BATCH):
        rows = slice(start, start + _BATCH)
        # the square of a list's own length is the same for all its neighbours
        apart = squares[None] - 2 * vectors[rows] @ vectors.T
        apart[sentences[rows, None] == sentences[None]] = np.inf
        nearest = np.argpartition(apart, neighbours, axis=1)[:, :neighbours]
        shares[rows] = (kinds[nearest] == kinds[rows, None]).mean(1)
    return mean(shares, sentences.tolist())


def same_noise_by_chance(lists: Sequence[NBest]) -> float:
    """What `same_noise` would be where the embedding knew nothing of the noise: lists of other sentences at random."""
    conditions = [(noise_kind(nbest), sentence(nbest)) for nbest in lists]
    kinds = Counter(kind for kind, _ in conditions)
    sentences = Counter(name for _, name in conditions)
    both = Counter(conditions)
    return float(
        np.mean(
            [(kinds[kind] - both[kind, name]) / (len(lists) - sentences[name]) for kind, name in conditions]
        )
    )


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


def frequent_kinds(lists: Sequence[NBest], count: int = KINDS) -> list[str]:
    """The kinds of noise with most lists, by name among equals; clean speech is none."""
    counted = Counter(noise_kind(nbest) for nbest in lists)
    counted.pop(CLEAN, None)
    return sorted(sorted(counted), key=lambda kind: -counted[kind])[:count]


def run(context: Context) -> Outcome:
    """Embeds the test lists at the data's SNRs and their clean partners.

    Raises:
        InputError: the data has no clean speech of the same sentences, or no lists with noise.
        MissingExtraError: scikit-learn is not installed.
    """
    from robustger.correction import Corrector

    clean = context.data.clean_lists()
    if not clean:
        raise InputError(
            f"{context.data.source}: has no lists of the same sentences in clean speech, against which noise could be "
            "seen; add 'clean:' to the data file"
        )
    noisy = [nbest for lists in context.data.test_lists(context.quick).values() for nbest in lists]
    found = pairs(clean, noisy, context.data.snrs_db)
    noisy, clean = [nbest for nbest, _ in found], list({partner.id: partner for _, partner in found}.values())
    row_of = {nbest.id: row for row, nbest in enumerate(clean)}
    partners = [row_of[partner.id] for _, partner in found]
    lists = noisy + clean
    context.say(f"{len(noisy):,} lists with noise, {len(clean):,} of clean speech")

    vectors: dict[str, np.ndarray] = {}  # of the first seed
    measured: dict[str, dict[str, Measured]] = {}

    def measure(embedded: np.ndarray) -> dict[str, Measured]:
        return distances(found, embedded[: len(noisy)], embedded[len(noisy) :], partners)

    folders = {path.parent for paths in (*context.data.tests.values(), context.data.clean) for path in paths}
    audio = audio_embeddings(lists, folders.pop()) if len(folders) == 1 else None
    for name, embedded in ((AUDIO, audio), (STORED, noise_embeddings(lists))):
        if embedded is not None:
            vectors[name] = embedded
            measured[name] = measure(embedded)
    for arm, name in ARMS.items():
        seeds = []
        for finished in context.runs(arm):
            embedded = tuned_embeddings(Corrector.from_pretrained(finished.checkpoint, device="cpu"), lists)
            vectors.setdefault(name, embedded)
            seeds.append(measure(embedded))
        if seeds:
            measured[name] = averaged(seeds)
    return outcome(context, lists, vectors, measured)


def outcome(
    context: Context,
    lists: Sequence[NBest],
    vectors: Mapping[str, np.ndarray],
    measured: Mapping[str, Mapping[str, Measured]],
) -> Outcome:
    """Tables and figures of what was measured.

    Args:
        context: of the experiment.
        lists: those with noise and those of clean speech.
        vectors: their embeddings by name, each of shape (lists, D).
        measured: distances by name of the embedding and kind of noise.
    """
    from robustger.experiments.embedding_plot import map_of_lists

    kinds = frequent_kinds(lists)
    drawn = [row for row, nbest in enumerate(lists) if noise_kind(nbest) in (*kinds, CLEAN)]
    planes = {name: t_sne(embedded[drawn], context.seeds[0]) for name, embedded in vectors.items()}
    conditions = [(noise_kind(lists[row]), snr_db(lists[row])) for row in drawn]
    enough = len({sentence(nbest) for nbest in lists}) > NEIGHBOURS
    near = {name: same_noise(embedded, lists) for name, embedded in vectors.items()} if enough else {}
    chance = same_noise_by_chance(lists)
    counts = Counter(noise_kind(nbest) for nbest in lists)
    first = next(iter(measured.values()))
    rows = tuple(
        (kind, f"{counts[kind]:,}" if counts[kind] else "", *(one[kind].cell(3) for one in measured.values()))
        for kind in first
    )
    tables = [
        Table(
            "How far noise moves the embedding from that of clean speech",
            ("noise", "lists", *measured),
            rows,
            notes="In units of the spread of clean speech: 1 is as far as a sentence lies from the mean of all. 95 % "
            "intervals from a bootstrap over sentences. The paper (its Table 17) does not say what its distances are, "
            "so they are not to be compared with these.",
        )
    ]
    if near:
        tables.append(
            Table(
                f"Neighbours of the same noise, in % of the {NEIGHBOURS} nearest lists of other sentences",
                ("embedding", "same noise"),
                (
                    *((name, one.percent().cell(1)) for name, one in near.items()),
                    ("by chance", f"{100 * chance:.1f}"),
                ),
                notes="In the embedding itself, over all kinds of noise and clean speech. 95 % intervals from a "
                "bootstrap over sentences.",
            )
        )
    missing = [name for name in ARMS.values() if name not in vectors]
    notes = [f"Not there, because it is not trained: {', '.join(missing)}."] if missing else []
    figures: dict[str, Callable[[], Any]] = {"": lambda: map_of_lists(planes, conditions, kinds)}
    return Outcome(
        results={
            "distances": {
                name: {kind: value.to_json_dict() for kind, value in one.items()}
                for name, one in measured.items()
            },
            "neighbours_of_the_same_noise": {name: one.to_json_dict() for name, one in near.items()},
            "neighbours_of_the_same_noise_by_chance": chance,
            "neighbours": NEIGHBOURS,
            "lists": dict(counts),
            "kinds_in_the_figure": kinds,
        },
        tables=(*tables, *published_beside("embedding")),
        figures=figures,
        notes=tuple(notes),
    )


EMBEDDING = Experiment(
    "embedding",
    "t-SNE of the noise embedding with and without distillation, and how far noise moves it (the paper's Table 17)",
    run,
    needs=lambda scale, quick: Needs(arms=tuple(ARMS)),
)

"""How far noise moves the noise embedding away from that of clean speech, kind by kind (the paper's Table 17).

    python distances.py CLEAN.jsonl NOISY.jsonl [--checkpoints NAME=FOLDER ...] [--snr 0 5 10] [--json FILE]

The lists of CLEAN and NOISY are of the same sentences: `test-00000` and `test-00000_brown-1_0dB`. For every kind of
noise and every embedding, with c the embedding of a sentence in clean speech and x that of the same in noise:

    distance = sqrt( mean over pairs of lists i, j of different sentences of (x_i - c_i) . (x_j - c_j) ) / S
    S^2 = mean over pairs of sentences of |c_i - c_j|^2 / 2, the variance of clean speech

Under the root is |mean (x - c)|^2 without bias. With i = j included it would be above 0 where noise moves nothing, and
the more so the fewer lists there are. A value below 0 counts as 0. Division by S makes embeddings of any width and
scale comparable: 1 says that noise moves the mean as far as a sentence is from the mean. (The paper does not say how it
measures, so its figures are not to be compared with these.)

Checkpoints with the same NAME (seeds) are averaged. Columns: `audio` (the recogniser's own embedding), `E_LN (NAME)`
as computed for the first checkpoint that is no control (`corrector.noise` is `real`; a control would show its zeros or
random vectors), and T_w of what each checkpoint is given, all their rows as one vector. `--mean-row` takes the mean
over the rows, which is all that the statistics network sees. Intervals are at 95 %, from a bootstrap over sentences
with S as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from grid_lists import sentence, snr_db

from robustger.errors import InputError, RobustGERError
from robustger.evaluation.significance import Interval, percentile_interval
from robustger.hypotheses import NBest, atomic_writer, load_nbest
from robustger.recognition.embeddings import AudioEmbeddings

if TYPE_CHECKING:
    from robustger.correction import Corrector

CHUNK = 256
RESAMPLES = 1000
EVERY = "all kinds"
AUDIO, STORED = "audio", "E_LN"


def clean_spread(clean: np.ndarray) -> float:
    """S of the embeddings of different sentences, shape (n, D), n > 1."""
    return float(np.sqrt(clean.var(0, ddof=1).sum()))


class Moved:
    """How far noise moves the embeddings of some lists.

    Args:
        moved: x - c of every list, shape (n, D).
        sentences: which sentence each is of.

    Raises:
        ValueError: they are all of one sentence.
    """

    def __init__(self, moved: np.ndarray, sentences: Sequence[str]) -> None:
        rows = {name: row for row, name in enumerate(dict.fromkeys(sentences))}
        if len(rows) < 2:
            raise ValueError("at least two sentences are needed")
        places = [rows[name] for name in sentences]
        sums = np.zeros((len(rows), moved.shape[1]))
        np.add.at(sums, places, moved)
        self._products = sums @ sums.T
        self._counts = np.bincount(places).astype(float)

    def length(self, times: np.ndarray | None = None) -> float:
        """|mean (x - c)|, each sentence taken as often as `times` says, shape (sentences,); None takes all once."""
        weights = np.ones_like(self._counts) if times is None else times
        counted = weights * self._counts
        pairs_of_lists = counted.sum() ** 2 - (counted**2).sum()
        products = weights @ self._products @ weights - (weights**2 * self._products.diagonal()).sum()
        return float(np.sqrt(max(0.0, products) / pairs_of_lists)) if pairs_of_lists else 0.0

    def interval(self) -> Interval:
        """Of the length, at 95 %."""
        random, n = np.random.default_rng(0), len(self._counts)
        draws = random.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
        return percentile_interval([self.length(times) for times in draws])


def kind_of(nbest: NBest) -> str:
    """The kind of noise: `brown` of `brown-1`."""
    return str(nbest.meta.get("noise", "noise")).rpartition("-")[0] or str(nbest.meta.get("noise", "noise"))


def pairs(clean: Sequence[NBest], noisy: Sequence[NBest], snrs: Sequence[int]) -> list[tuple[NBest, NBest]]:
    """(noisy list, clean list) of the same sentence, at the given SNRs.

    Raises:
        InputError: there are none, or all are of one sentence.
    """
    by_sentence = {sentence(nbest): nbest for nbest in clean}
    found = [
        (nbest, by_sentence[sentence(nbest)])
        for nbest in noisy
        if snr_db(nbest) in snrs and sentence(nbest) in by_sentence
    ]
    if len({clean.id for _, clean in found}) < 2:
        at = ", ".join(map(str, snrs))
        raise InputError(f"no two sentences at {at} dB have clean partners; name lists of one corpus")
    return found


def audio_embeddings(lists: Sequence[NBest], folder: Path) -> np.ndarray | None:
    """The recogniser's embeddings of what it heard, (n, D); None where a list has none."""
    files = AudioEmbeddings(folder)
    rows = [files.get(nbest, "noisy") for nbest in lists]
    known = [row for row in rows if row is not None]
    return np.stack(known) if len(known) == len(rows) else None


def embeddings(corrector: Corrector, lists: Sequence[NBest], mean_row: bool) -> tuple[np.ndarray, np.ndarray]:
    """E_LN and what the adapter makes of it, each (n, D): all rows in one vector, or their mean.

    Raises:
        InputError: the corrector's variant tunes no noise embedding.
    """
    import torch

    stored, tuned = [], []
    with torch.no_grad():
        for start in range(0, len(lists), CHUNK):
            noise = corrector.noise_embedding([nbest.texts for nbest in lists[start : start + CHUNK]])
            parts = corrector.llm.adapter.tuned_noise(noise)
            if not parts:
                raise InputError("the variant ger has no noise embedding; name checkpoints of another")
            for kept, value in ((stored, noise), (tuned, torch.cat(parts, dim=-1))):
                kept.append((value.mean(1) if mean_row else value.flatten(1)).float().numpy())
    return np.concatenate(stored), np.concatenate(tuned)


def measure(
    found: Sequence[tuple[NBest, NBest]], noisy: np.ndarray, clean: np.ndarray, partners: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """The distance for each kind of noise, the mean over the kinds, and that for all lists together.

    Args:
        found: pairs of lists.
        noisy: the embedding of each pair's noisy list, shape (pairs, D).
        clean: of every clean list, shape (sentences, D).
        partners: of each pair, the row in `clean`.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, (nbest, _) in enumerate(found):
        rows[kind_of(nbest)].append(row)
    chosen_rows = dict(sorted(rows.items())) | {EVERY: list(range(len(found)))}
    spread, moved = clean_spread(clean), noisy - clean[partners]
    names = [sentence(nbest) for nbest, _ in found]
    result: dict[str, dict[str, Any]] = {}
    for kind, chosen in chosen_rows.items():
        if len({names[row] for row in chosen}) < 2:
            continue
        one = Moved(moved[chosen], [names[row] for row in chosen])
        ends = one.interval()
        result[kind] = {
            "lists": len(chosen),
            "distance": one.length() / spread,
            "interval": [ends.low / spread, ends.high / spread],
        }
    mean = float(np.mean([one["distance"] for kind, one in result.items() if kind != EVERY]))
    return result | {"mean of kinds": {"distance": mean}}


def averaged(measured: Sequence[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Mean distances over checkpoints; intervals are dropped where there are several, and single values kept."""
    if len(measured) == 1:
        return measured[0]
    return {
        kind: {
            "distance": float(np.mean([one[kind]["distance"] for one in measured])),
            "single": [one[kind]["distance"] for one in measured],
        }
        for kind in measured[0]
    }


def table(columns: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The distances in Markdown, a row for each kind of noise."""
    first = next(iter(columns.values()))
    lines = [["noise", "lists", *columns], [":--", *["--:"] * (len(columns) + 1)]]
    for kind, one in first.items():
        lines.append([kind, str(one.get("lists", "")), *(_cell(column[kind]) for column in columns.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(one: dict[str, Any]) -> str:
    value = f"{one['distance']:.3f}"
    if "interval" in one:
        low, high = one["interval"]
        return f"{value} [{low:.3f}, {high:.3f}]"
    return f"{value} ({', '.join(f'{single:.3f}' for single in one['single'])})" if "single" in one else value


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clean", type=Path, help="lists of clean speech")
    parser.add_argument("noisy", type=Path, help="lists of the same sentences in noise")
    parser.add_argument(
        "--checkpoints", nargs="+", required=True, metavar="NAME=FOLDER", help="trained correctors"
    )
    parser.add_argument("--snr", nargs="+", type=int, default=[0, 5, 10], help="dB")
    parser.add_argument("--mean-row", action="store_true", help="of the mean row instead of all rows")
    parser.add_argument("--json", help="file for the figures")
    return parser.parse_args(argv)


def _named(text: str) -> tuple[str, str]:
    name, separator, folder = text.partition("=")
    if not separator:
        raise InputError(f"--checkpoints {text}: write it as NAME=FOLDER")
    return name, folder


def _uncontrolled(named: Sequence[tuple[str, str]]) -> int:
    """Which of the checkpoints is the first that is given the noise embedding of its own lists.

    Raises:
        InputError: none is.
    """
    from robustger.correction.checkpoint import checkpoint_folder, read_config

    for number, (_, folder) in enumerate(named):
        if read_config(checkpoint_folder(folder)).noise == "real":
            return number
    raise InputError(
        "--checkpoints: all are controls (corrector.noise), which have no E_LN; name one of robustger too"
    )


def main(argv: Sequence[str] | None = None) -> None:
    from robustger.correction import Corrector

    arguments = parse(argv)
    found = pairs(load_nbest(arguments.clean), load_nbest(arguments.noisy), arguments.snr)
    noisy_lists = [noisy for noisy, _ in found]
    clean_lists = list({clean.id: clean for _, clean in found}.values())
    row_of = {nbest.id: row for row, nbest in enumerate(clean_lists)}
    partners = [row_of[clean.id] for _, clean in found]
    named = [_named(text) for text in arguments.checkpoints]
    uncontrolled = _uncontrolled(named)
    columns: dict[str, Any] = {}
    audio = [
        audio_embeddings(lists, path.parent)
        for lists, path in ((noisy_lists, arguments.noisy), (clean_lists, arguments.clean))
    ]
    if audio[0] is not None and audio[1] is not None:
        columns[AUDIO] = measure(found, audio[0], audio[1], partners)
    by_name: dict[str, list[Any]] = defaultdict(list)
    for number, (name, folder) in enumerate(named):
        corrector = Corrector.from_pretrained(folder)
        noisy, clean = (
            embeddings(corrector, lists, arguments.mean_row) for lists in (noisy_lists, clean_lists)
        )
        if number == uncontrolled:
            columns[f"{STORED} ({name})"] = measure(found, noisy[0], clean[0], partners)
        by_name[name].append(measure(found, noisy[1], clean[1], partners))
    columns |= {name: averaged(measured) for name, measured in by_name.items()}
    if arguments.json:
        with atomic_writer(arguments.json) as file:
            file.write(json.dumps(columns, indent=1) + "\n")
    print(table(columns))


if __name__ == "__main__":
    try:
        main()
    except RobustGERError as error:
        sys.exit(f"distances: {error}")

"""Reads Kaldi's N-best lists in text form.

`lattice-to-nbest` names the hypotheses of `utt` `utt-1`, `utt-2`, ..., best first, and `nbest-to-linear` with
`int2sym.pl` writes them as text, one `utt-k words` a line. `steps/rnnlmrescore.sh` keeps them, with their costs, as::

    archives.1/words_text     utt-1 what is the fare
    archives.1/lmwt.withlm    utt-1 21.3          graph cost, the language model in it
    archives.1/acwt           utt-1 -4012.7       acoustic cost, not scaled
    archives.2/...

A cost is a negative natural logarithm; from both together comes the score, -(graph + `acoustic_scale` * acoustic).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from robustger.errors import InputError
from robustger.hypotheses.jsonl import BadLine
from robustger.hypotheses.keyed import Placed, read_archive
from robustger.hypotheses.values import NBest

ACOUSTIC_SCALE = 1 / 12  # the default of steps/rnnlmrescore.sh
_KEY = re.compile(r"(.+)-([1-9][0-9]{0,8})")  # '-0000' is the end of an utterance's own name, not a rank
_TEXTS = ("words_text", "text")


def read_kaldi_lists(source: str | Path, *, acoustic_scale: float | None = None) -> Iterator[Placed]:
    """The lists of a text file, or of the archives in a folder; hypotheses in the order of the numbers in their keys.

    An archive without a text is reported, and so is a key that does not end in a rank. Costs are read where
    `lmwt.withlm` and `acwt` lie beside the text; those that are missing or unreadable are reported, and their list is
    kept without scores.

    Args:
        source: a file of `utt-k words` lines ("-" for standard input), a folder with `words_text` (or `text`), or one
            with such folders in it.
        acoustic_scale: weight of the acoustic costs; None is 1/12.

    Yields:
        (place, list or bad line).

    Raises:
        InputError: the file cannot be opened, or nothing of this kind is in the folder.
    """
    path = Path(source)
    if not path.is_dir():
        return _read_text(path, None)
    archives = [folder for folder in path.glob("archives.*") if folder.is_dir()]
    folders = [path, *sorted(archives, key=lambda folder: (len(folder.name), folder.name))]
    texts = {
        folder: next((folder / name for name in _TEXTS if (folder / name).is_file()), None)
        for folder in folders
    }
    files = [file for file in texts.values() if file]
    if not files:
        raise InputError(
            f"{source}: holds neither words_text nor archives.*/words_text; where there is only `words`, which holds "
            "numbers, make words_text of it with utils/int2sym.pl"
        )
    scale = ACOUSTIC_SCALE if acoustic_scale is None else acoustic_scale
    silent = [folder for folder in folders[1:] if texts[folder] is None]
    return chain(
        ((str(folder), BadLine(0, None, "holds no words_text; its lists are missing")) for folder in silent),
        (placed for file in files for placed in _read_text(file, scale)),
    )


def _read_text(path: Path, acoustic_scale: float | None) -> Iterator[Placed]:
    """Reads one archive, and its costs if a scale is given and their files exist."""
    archive = read_archive(path)
    yield from archive.bad
    graph, acoustic = path.with_name("lmwt.withlm"), path.with_name("acwt")
    costs = None
    if acoustic_scale is not None and graph.is_file() and acoustic.is_file():
        costs = read_archive(graph), read_archive(acoustic)
        yield from costs[0].bad + costs[1].bad
    ranked: dict[str, dict[int, str]] = {}
    for key in archive.values:
        match = _KEY.fullmatch(key)
        ranks = ranked.setdefault(match[1], {}) if match else {}
        if match is None:
            message = f"the key {key!r} does not end in a rank, as 'utt-1' does"
            yield archive.place(key), BadLine(archive.values[key][0], key, message)
        else:
            ranks[int(match[2])] = key
    for id_, ranks in ranked.items():
        keys = [ranks[rank] for rank in sorted(ranks)]
        place = archive.place(keys[0])
        scores: list[float] | None = None
        if costs is not None and acoustic_scale is not None:
            numbers = [cost.number(key) for key in keys for cost in costs]
            problem = next((number for number in numbers if isinstance(number, tuple)), None)
            if problem:
                yield problem
            else:
                values = [number for number in numbers if isinstance(number, float)]
                pairs = zip(values[::2], values[1::2], strict=True)
                scores = [-(graph_cost + acoustic_scale * cost) for graph_cost, cost in pairs]
        yield place, NBest.from_texts(id_, [archive.values[key][1] for key in keys], scores=scores)
